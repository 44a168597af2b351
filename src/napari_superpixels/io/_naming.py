"""Which axis is which: as the file says, as the user says, or guessed and said aloud."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from napari_superpixels.axes import AXIS_ORDER
from napari_superpixels.errors import InputError
from napari_superpixels.io._reader import Calibration

LETTERS = AXIS_ORDER + "s"
"""Letters that name a stored axis; ``s`` are the samples of a colour."""

GUESSES = {2: "yx", 3: "zyx", 4: "tzyx", 5: "tczyx", 6: "tczyxs"}
"""By the number of axes, where nothing is known."""

SLIVER_PX, LONG_AXIS = 4, 16
"""Planes up to that thin, beside another axis longer than that, are a wrong guess."""

ORDER_OF_GUESSES = "ztc"
"""What unnamed axes of a file become, the one next to y and x first."""


def check_shape(shape: tuple[int, ...], what: str) -> None:
    """Refuse an image without pixels, or without two axes.

    Raises
    ------
    InputError
        If a size is zero or there are fewer than two axes.
    """
    if len(shape) < 2:
        raise InputError(
            f"{what} has the shape {shape}, but an image needs at least the axes y and x; "
            f"give an array with two axes or more"
        )
    if 0 in shape:
        raise InputError(
            f"{what} has the shape {shape} and so no pixels, but every size must be at least 1; "
            f"give an image that is not empty"
        )


def check_dtype(dtype: np.dtype[Any], what: str) -> None:
    """Refuse samples that are no plain numbers.

    Raises
    ------
    InputError
        If they are complex, text, objects, dates, records or wider than 64 bits.
    """
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        repair = "take its magnitude, np.abs(image)" if dtype.kind == "c" else "convert it"
        raise InputError(
            f"{what} has samples of type {dtype}, but superpixels need bool, integers or floats "
            f"of up to 64 bits; {repair}"
        )


def check_calibration(given: Any) -> dict[str, Calibration]:
    """Return what a user says about spacing, unit and origin of axes, by letter.

    Raises
    ------
    InputError
        If an axis is unknown, or what is said of it is no spacing with a unit.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not set(given) <= set("tzyx"):
        raise InputError(
            f"calibration={given!r} must be a mapping of the axes t, z, y or x; give for example "
            f'{{"y": (0.5, "micrometer"), "x": (0.5, "micrometer")}}'
        )
    return {name: _calibration(name, values) for name, values in given.items()}


def _calibration(name: str, values: Any) -> Calibration:
    try:
        spacing, unit, origin = (*values, 0.0)[:3]
        known = Calibration(float(spacing), unit, float(origin))
        good = isfinite(known.spacing) and known.spacing > 0 and isfinite(known.origin)
    except (TypeError, ValueError):
        good = False
    if not good or not (unit is None or isinstance(unit, str)):
        raise InputError(
            f"The calibration of the axis {name} is {values!r}; give the distance between samples, "
            f'more than 0, with its unit or None, e.g. (0.5, "micrometer")'
        )
    return known


def name_axes(
    stored: str | None, shape: tuple[int, ...], dtype: np.dtype[Any], given: str | None
) -> tuple[str, list[str]]:
    """Return one letter of ``tczyxs`` an axis (``-`` for one to be dropped), and what was guessed.

    Parameters
    ----------
    stored
        What the file says, ``?`` for an axis it does not name; None where it says nothing.
    shape
        Sizes as stored.
    dtype
        Type of the samples.
    given
        What the user says.

    Raises
    ------
    InputError
        If the given letters do not fit the shape, or nothing can be guessed.
    """
    if given is not None:
        return check_given(given, shape, stored or ""), []
    named = [letter for letter in stored or "" if letter in LETTERS]
    if stored is None or len(set(named)) < len(named) or not {"y", "x"} <= set(named):
        letters = _guess(shape, dtype)
        return letters, [_guessed(letters, shape)]
    letters = _fill_unknown(stored, shape)
    return letters, [_guessed(letters, shape)] if "?" in stored and letters != stored else []


def check_given(given: str, shape: tuple[int, ...], stored: str = "") -> str:
    """Return the user's letters in lower case, if they can be right.

    Parameters
    ----------
    given
        What the user says.
    shape
        Sizes as stored.
    stored
        What the file says; axes that it drops (``-``) need no letter.

    Raises
    ------
    InputError
        If letters are unknown or repeated, too many or too few, or y or x is missing.
    """
    letters = given.lower()
    strange = sorted(set(letters) - set(LETTERS))
    if strange:
        raise InputError(
            f"axes={given!r} has the unknown letter{'s' * (len(strange) > 1)} "
            f"{', '.join(map(repr, strange))}; use t, c, z, y, x, and s for RGB samples"
        )
    if stored.count("-") and len(letters) == len(shape) - stored.count("-"):
        rest = iter(letters)
        letters = "".join("-" if said == "-" else next(rest) for said in stored)
    if len(letters) != len(shape):
        raise InputError(
            f"axes={given!r} names {len(letters)} axes, but the image has {len(shape)} "
            f"of sizes {shape}; give one letter for each"
        )
    if len(set(given.lower())) != len(given) or not {"y", "x"} <= set(letters):
        raise InputError(
            f"axes={given!r} must name y and x and no axis twice; for this image of shape "
            f"{shape} that may be {GUESSES.get(len(shape), 'tczyx')!r}"
        )
    return letters


def looks_like_samples(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether the last axis seems to hold red, green, blue and maybe alpha."""
    kind = dtype.kind == "f" or dtype in (np.uint8, np.uint16)
    return len(shape) >= 3 and shape[-1] in (3, 4) and min(shape[-3:-1]) > 4 and kind


def _guess(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    samples = looks_like_samples(shape, dtype)
    count = len(shape) - samples
    if count not in GUESSES:
        raise InputError(
            f"The image has {len(shape)} axes of sizes {shape}, more than can be guessed; "
            f"name them with axes=..., or give at most t, c, z, y, x"
        )
    letters = ("tzyx" if count == 4 else GUESSES[count]) + "s" * samples
    _check_plausible(letters, shape)
    return letters


def _check_plausible(letters: str, shape: tuple[int, ...]) -> None:
    """Refuse a guess by which a plane is a sliver while another axis is long."""
    sizes = dict(zip(letters, shape))
    others = [size for letter, size in sizes.items() if letter not in "yxs"]
    if min(sizes["y"], sizes["x"]) <= SLIVER_PX and max(others, default=0) > LONG_AXIS:
        raise InputError(
            f"The axes of the sizes {shape} would be guessed as {letters!r}, with planes of only "
            f"{sizes['y']} x {sizes['x']} pixels; name them with axes=..., such as "
            f"axes={'tzyxc'[-len(shape) :]!r}"
        )


def _fill_unknown(stored: str, shape: tuple[int, ...]) -> str:
    letters = list(stored)
    free = [letter for letter in ORDER_OF_GUESSES if letter not in stored]
    for i in reversed(range(len(letters))):
        if letters[i] != "?":
            continue
        if shape[i] == 1:
            letters[i] = "-"
        elif free:
            letters[i] = free.pop(0)
        else:
            raise InputError(
                f"The image has axes of sizes {shape} of which the file names only {stored!r}; "
                f"name them with axes=..., one letter of t c z y x each"
            )
    return "".join(letters)


def _guessed(letters: str, shape: tuple[int, ...]) -> str:
    colour = {3: " (RGB)", 4: " (RGBA)"}.get(shape[-1], "") if letters.endswith("s") else ""
    shown = letters.replace("-", "?")
    return f"axes guessed as {shown!r}{colour} for sizes {shape}; name them with axes=... if not"
