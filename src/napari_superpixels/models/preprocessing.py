"""What a package of BioImage.IO does to samples before its network, as one mean and spread.

Samples here are numbers of 0 to 1, in each channel. All steps that are taken map them by a line, so
two numbers a channel are carried through them: what a network sees is ``gain * sample + offset``.
"""

from collections.abc import Mapping, Sequence, Set
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError

Numbers = NDArray[np.float64]
"""One a channel, float64."""
Line = tuple[Numbers, Numbers]
"""Gain and offset."""
EIGHT_BITS = 255.0
"""The largest sample where a package tells no range, as most don't, and scales by itself."""
SCALING = ("scale_linear", "scale_range", "fixed_zero_mean_unit_variance")
"""Steps that scale."""
TAKEN = (*SCALING, "clip", "ensure_dtype")
"""All that are a line, or may be none."""
EITHER = {"uint8", "float16", "float32", "float64"}
"""Types of samples that are 8 bits in the files, converted or not, where a step scales them."""
ALIKE = 1e-6
"""Bounds that miss the samples' by so little of their span cut nothing off."""


def normalisation(where: str, entry: Mapping[str, Any], channels: int) -> dict[str, list[float]]:
    """Return mean and spread of samples of 0 to 1, for all that is done before a network.

    Parameters
    ----------
    where
        The package, for errors.
    entry
        Its input, as it describes it.
    channels
        Of the input.

    Raises
    ------
    InputError
        If a step is no line, or one that does not fit, or it is not told what samples are.
    """
    steps = entry.get("preprocessing", [])
    for step in steps:
        if step["id"] not in TAKEN:
            raise _unknown(where, step)
    line = _told_range(where, entry, [step["id"] for step in steps], channels)
    for step in steps:
        line = _after(where, step, line)
    gain, offset = line
    return {"mean": (0.0 - offset / gain).tolist(), "std": (1 / gain).tolist()}


def _told_range(where: str, entry: Mapping[str, Any], steps: Sequence[str], channels: int) -> Line:
    """Return the line from 0 to 1 to the samples as they are stored."""
    told = entry.get("data", {})
    each = told if isinstance(told, list) else [told] * channels
    likely: set[str] = set() if set(steps).isdisjoint(SCALING) else EITHER
    ends = [_ends(one, likely | {"uint8"}, any_type="scale_range" in steps) for one in each]
    if len(each) != channels or None in ends:
        kinds = sorted({str(one.get("type")) for one in each})
        raise InputError(
            f"The package '{where}' takes samples of {', '.join(kinds)} and does not tell "
            f"their range, so it is not known what its network expects; give it a preprocessing "
            f"step that scales ({SCALING[1]} for any samples), or a range."
        )
    low, high = np.array(ends, np.float64).T
    return high - low, low


def _ends(
    told: Mapping[str, Any], eight_bits: Set[str], *, any_type: bool
) -> tuple[float, float] | None:
    """Return the least and the largest sample: as a package tells, or by the type; None if not."""
    low, high = told.get("range") or (None, None)
    if low is not None and high is not None and isfinite(high - low) and low < high:
        return float(low), float(high)
    return (0.0, EIGHT_BITS) if any_type or told.get("type") in eight_bits else None


def _after(where: str, step: Mapping[str, Any], line: Line) -> Line:
    """Return the line after a step."""
    (gain, offset), told, kind = line, step.get("kwargs", {}), step["id"]
    if kind == "scale_range":  # to 0..1, which samples are; upside down if they are so before it
        up = gain > 0
        return np.where(up, 1.0, -1.0), np.where(up, 0.0, 1.0)
    if kind == "scale_linear":
        by, plus = (
            _each(where, step, key, d, len(gain)) for key, d in (("gain", 1), ("offset", 0))
        )
        return gain * _usable(where, step, by), offset * by + plus
    if kind == "fixed_zero_mean_unit_variance":
        mean, std = (_each(where, step, key, None, len(gain)) for key in ("mean", "std"))
        return gain / _usable(where, step, std), (offset - mean) / std
    ends = np.stack([offset, offset + gain])
    if kind == "clip" and _holds(told, ends):
        return line
    if kind == "ensure_dtype" and _keeps(str(told["dtype"]), ends):
        return line
    raise _unknown(where, step)


def _unknown(where: str, step: Mapping[str, Any]) -> InputError:
    if step["id"] in ("clip", "ensure_dtype"):
        return InputError(
            f"The package '{where}' wants {step['id']!r} with {dict(step['kwargs'])} before its "
            f"network, which cuts off or rounds samples; take the step out if it does nothing, or "
            f"write a card for its network's own file."
        )
    return InputError(
        f"The package '{where}' wants {step['id']!r} before its network, which depends on the "
        f"whole image or is not known here; write a card for its network's own file."
    )


def _each(where: str, step: Mapping[str, Any], key: str, default: Any, channels: int) -> Numbers:
    """Return a number of a step for each channel."""
    told = step.get("kwargs", {})
    value = told[key] if default is None else told.get(key, default)
    if not isinstance(value, list):
        return np.full(channels, float(value))
    if len(value) != channels or told.get("axis", "channel") not in ("channel", "c"):
        raise InputError(
            f"The package '{where}' wants {step['id']!r} with {key} {value} along "
            f"{told.get('axis', 'channel')!r} before its network, but it takes {channels} "
            f"channels, each of which needs one number; repair its description."
        )
    return np.array(value, np.float64)


def _usable(where: str, step: Mapping[str, Any], factors: Numbers) -> Numbers:
    """Return what samples are multiplied with or divided by, refused if nothing is left of them."""
    if not (np.isfinite(factors) & (factors != 0)).all():
        raise InputError(
            f"The package '{where}' wants {step['id']!r} with {factors.tolist()} before its "
            f"network, but samples are scaled by numbers that are finite and not 0; repair its "
            f"description."
        )
    return factors


def _holds(told: Mapping[str, Any], ends: NDArray[np.float64]) -> bool:
    """Whether bounds cut nothing off."""
    spare = ALIKE * np.abs(ends[1] - ends[0]).min()
    whole = told.get("min_percentile") in (None, 0) and told.get("max_percentile") in (None, 100)
    low, high = (told.get(key) for key in ("min", "max"))
    below = low is None or low <= ends.min() + spare
    return bool(whole and below and (high is None or high >= ends.max() - spare))


def _keeps(dtype: str, ends: NDArray[np.float64]) -> bool:
    """Whether a type has all samples, at least as finely as 8 bits do."""
    if dtype.startswith("float"):
        return True
    if dtype == "bool":
        return False
    limits, fine = np.iinfo(dtype), np.abs(ends[1] - ends[0]).min() >= EIGHT_BITS
    return bool(fine and limits.min <= ends.min() and ends.max() <= limits.max)
