"""Packages of BioImage.IO: what a card would tell of the network in them, read by their library."""

import zlib
from collections.abc import Mapping
from io import BytesIO
from math import gcd
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from napari_superpixels.errors import InputError

SUFFIX = ".zip"
"""How packages end."""
EIGHT_BITS = 255.0
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
"""Of classes, which packages give none; told apart by those who see few colours, too."""
STRIDE_PX = 32
"""What the stride of a network of one fixed size is taken for, or what divides that size."""
KEPT = ("ensure_dtype", "scale_range", "clip")
"""Steps before a network that need nothing here: samples are stretched to 0..1 in any case."""


def card_of_package(path: Path) -> dict[str, Any]:
    """Return what a package tells, as a card; ``member`` is the file of its network.

    Raises
    ------
    InputError
        If the library is not there, or the package holds nothing that runs here.
    """
    described = _read(path)
    try:
        return _card(path, described)
    except (KeyError, TypeError, StopIteration) as error:
        raise InputError(
            f"The package '{path}' does not tell all of its network ({type(error).__name__}: "
            f"{error}); export its network as a .pt2 file, and write a card."
        ) from None


def network_in(content: bytes, member: str, where: str) -> bytes:
    """Return the file of the network in a package.

    Raises
    ------
    InputError
        If it is not there, or cannot be read.
    """
    try:
        with ZipFile(BytesIO(content)) as archive:
            return archive.read(member)
    except (BadZipFile, zlib.error, EOFError, KeyError, RuntimeError) as error:
        reason = str(error).strip("\"'")
        raise InputError(
            f"The package '{where}' does not hold its network {member} whole ({reason}); fetch it "
            f"anew."
        ) from None


def _card(path: Path, described: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a description tells, as a card."""
    script = described["weights"].get("torchscript")
    if script is None or len(described["inputs"]) != 1:
        raise InputError(
            f"The package '{path}' holds {_listed(described['weights'])} for "
            f"{len(described['inputs'])} inputs, but only TorchScript of one image runs here; "
            f"export its network as a .pt2 file."
        )
    entry, left = described["inputs"][0], described["outputs"][0]
    axes = {_name(axis): axis for axis in entry["axes"]}
    names = axes.get("channel", {}).get("channel_names", [])
    shape, stride = _sides(path, axes)
    card = {
        "member": str(script["source"]),
        "name": described["name"],
        "licence": str(described.get("license") or ""),
        "channels": len(names) or 1,
        "stride": stride,
        "halo": _halo(left),
        "normalisation": _normalisation(path, entry, len(names) or 1),
        **_told(left),
    }
    return card | ({"shape": shape} if shape else {})


def _read(path: Path) -> dict[str, Any]:
    """Return the description in a package as plain values."""
    try:
        from bioimageio.core import load_model_description
    except ImportError:
        raise InputError(
            f"The package '{path}' is read by bioimageio.core, which is not installed; "
            f"install napari-superpixels[bioimageio]."
        ) from None
    try:
        with ZipFile(path) as archive:  # of a path the library would keep the file open
            described = load_model_description(
                archive, perform_io_checks=False, format_version="latest"
            )
            plain: dict[str, Any] = described.model_dump(mode="json", exclude_none=True)
    except Exception as error:  # noqa: BLE001 - of YAML and of archives, which raise anything
        reason = str(error).strip().split("\n")[0][:160]
        raise InputError(
            f"'{path}' is no package of a model of BioImage.IO ({reason}); check the file."
        ) from None
    return plain


def _listed(weights: Mapping[str, Any]) -> str:
    return ", ".join(sorted(weights)) or "nothing"


def _name(axis: Mapping[str, Any]) -> str:
    return str(axis.get("id") or axis["type"])


def _sides(path: Path, axes: Mapping[str, Any]) -> tuple[list[int], int]:
    """Return the fixed sides, empty where they are free, and the stride."""
    if [name for name in axes if name != "batch"] != ["channel", "y", "x"]:
        raise InputError(
            f"The package '{path}' takes the axes {list(axes)}, but batch, channel, y, x are "
            f"given; export its network so, as a .pt2 file."
        )
    sizes = [axes[name]["size"] for name in "yx"]
    fixed = [size for size in sizes if isinstance(size, int)]
    if fixed:
        return fixed, gcd(STRIDE_PX, *fixed)
    return [], max(gcd(size["min"], size["step"]) for size in sizes)


def _halo(left: Mapping[str, Any]) -> int | str:
    """Return the halo that a package declares, or that it is to be measured."""
    found = [axis["halo"] for axis in left["axes"] if "halo" in axis]
    return max(found) if found else "measure"


def _normalisation(path: Path, entry: Mapping[str, Any], channels: int) -> dict[str, list[float]]:
    """Return mean and spread of samples of 0 to 1, for what is done before the network."""
    mean, std = [0.0] * channels, [1 / EIGHT_BITS] * channels
    for step in entry.get("preprocessing", []):
        kwargs = step.get("kwargs", {})
        if step["id"] == "scale_range":
            std = [1.0] * channels
        elif step["id"] == "scale_linear":
            gain, offset = (
                _each(path, k, kwargs.get(k, d), channels) for k, d in (("gain", 1), ("offset", 0))
            )
            mean = [-o / g / EIGHT_BITS for g, o in zip(gain, offset, strict=True)]
            std = [1 / g / EIGHT_BITS for g in gain]
        elif step["id"] == "fixed_zero_mean_unit_variance":
            mean, std = (
                [n / EIGHT_BITS for n in _each(path, key, kwargs[key], channels)]
                for key in ("mean", "std")
            )
        elif step["id"] not in KEPT:
            raise InputError(
                f"The package '{path}' wants {step['id']!r} before its network, which depends on "
                f"the whole image or is not known here; write a card for its network's own file."
            )
    return {"mean": mean, "std": std}


def _each(path: Path, key: str, value: Any, channels: int) -> list[float]:
    """Return one number for each channel, of which a package may tell one for all."""
    numbers = value if isinstance(value, list) else [value] * channels
    if len(numbers) != channels:
        raise InputError(
            f"The package '{path}' tells the {key} {numbers} of what is done before its network, "
            f"but it must be one number for each of {channels} channels; repair its description."
        )
    return [float(n) for n in numbers]


def _told(left: Mapping[str, Any]) -> dict[str, Any]:
    """Return the classes of an output; one channel is that of what is no background."""
    names = next(axis["channel_names"] for axis in left["axes"] if axis["type"] == "channel")
    if len(names) == 1:
        names = ["background", *names]
    classes = [
        {"id": i + 1, "name": str(name), "colour": COLOURS[i % len(COLOURS)]}
        for i, name in enumerate(names)
    ]
    after = {step["id"] for step in left.get("postprocessing", [])}
    ready = not after & {"sigmoid", "softmax"} and len(names) == 2
    return {"output": "probabilities" if ready else "classes", "classes": classes}
