"""OME-Zarr metadata (NGFF 0.1 to 0.5): axes, levels, scales and translations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_superpixels.io._reader import Calibration

BY_TYPE = {"time": "t", "channel": "c"}
"""Letters of axes that are named otherwise, by their type."""

RGB_COLOURS = ("FF0000", "00FF00", "0000FF")


@dataclass(frozen=True)
class Multiscale:
    """One multiscale image of a group."""

    version: str
    letters: str
    """One letter an axis, ``?`` for one that is not known."""
    paths: tuple[str, ...]
    """Arrays of the levels, the finest first."""
    calibrations: tuple[Mapping[str, Calibration], ...]
    """By letter, one mapping a level."""
    rgb: bool | None
    channel_names: tuple[str, ...]


def ome_attributes(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a group's attributes that NGFF defines (0.5 has it under ``ome``)."""
    nested = attributes.get("ome")
    return nested if isinstance(nested, Mapping) else attributes


def parse_multiscale(attributes: Mapping[str, Any], ndim: int) -> Multiscale:
    """Return the first multiscale of a group.

    Parameters
    ----------
    attributes
        Of the group, with ``multiscales``.
    ndim
        Number of axes of its arrays.

    Raises
    ------
    KeyError, ValueError, TypeError, AttributeError
        If the metadata are not as NGFF says.
    """
    ome = ome_attributes(attributes)
    entry = ome["multiscales"][0]
    axes = [_axis(axis) for axis in entry.get("axes") or "tczyx"[-ndim:]]
    if len(axes) != ndim:
        raise ValueError(f"it names {len(axes)} axes for arrays of {ndim}")
    shared = entry.get("coordinateTransformations") or ()
    calibrations = [
        _calibration(axes, dataset.get("coordinateTransformations") or (), shared)
        for dataset in entry["datasets"]
    ]
    return Multiscale(
        version=str(ome.get("version") or entry.get("version") or "unknown"),
        letters="".join(letter for letter, _ in axes),
        paths=tuple(str(dataset["path"]) for dataset in entry["datasets"]),
        calibrations=tuple(calibrations),
        rgb=_rgb(ome.get("omero")),
        channel_names=_channel_names(ome.get("omero")),
    )


def _axis(axis: Any) -> tuple[str, str | None]:
    """Return letter and unit; before 0.4 an axis was only a name."""
    if isinstance(axis, str):
        return (axis if axis in tuple("tczyx") else "?"), None
    name = str(axis["name"]).lower()
    letter = name if name in tuple("tczyx") else BY_TYPE.get(str(axis.get("type")), "?")
    return letter, axis.get("unit")


def _calibration(
    axes: Sequence[tuple[str, str | None]], own: Sequence[Any], shared: Sequence[Any]
) -> dict[str, Calibration]:
    spacing, origin = [1.0] * len(axes), [0.0] * len(axes)
    for step in (*own, *shared):
        if step["type"] == "scale":
            spacing = [a * float(b) for a, b in zip(spacing, step["scale"], strict=True)]
            origin = [a * float(b) for a, b in zip(origin, step["scale"], strict=True)]
        elif step["type"] == "translation":
            origin = [a + float(b) for a, b in zip(origin, step["translation"], strict=True)]
    rows = zip(axes, spacing, origin, strict=True)
    return {letter: Calibration(scale, unit, start) for (letter, unit), scale, start in rows}


def _rgb(omero: Any) -> bool | None:
    """Whether viewers are told to show three channels as red, green and blue."""
    try:
        colours = tuple(str(channel["color"]).upper() for channel in omero["channels"])
    except (KeyError, TypeError):
        return None
    return True if colours == RGB_COLOURS else None


def _channel_names(omero: Any) -> tuple[str, ...]:
    try:
        return tuple(str(channel.get("label") or "") for channel in omero["channels"])
    except (KeyError, TypeError, AttributeError):
        return ()
