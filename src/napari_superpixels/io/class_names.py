"""What the classes of a class map are called, as its OME-Zarr says."""

from pathlib import Path
from typing import Any, NamedTuple

import zarr

from napari_superpixels.io._ngff import ome_attributes
from napari_superpixels.io._reader import READ_ERRORS
from napari_superpixels.io.source import Source


class Named(NamedTuple):
    """A class of a class map."""

    id: int
    name: str
    colour: str
    """As ``#rrggbb``; empty where it has none."""


def class_names(source: Source) -> tuple[tuple[int, str], ...]:
    """Return the classes of an image that have a name, and that; 0 is background and has none.

    NGFF has them in ``image-label``, as properties of label values. Nothing of an array in memory,
    nor of other formats.
    """
    try:
        described = _image_label(source)["properties"]
        return tuple(_named(entry) for entry in described if entry["label-value"] and _name(entry))
    except READ_ERRORS:
        return ()


def classes_of(source: Source) -> tuple[Named, ...]:
    """Return what `class_names` does, and the colours."""
    colours = _colours(source)
    return tuple(Named(id_, name, colours.get(id_, "")) for id_, name in class_names(source))


def _colours(source: Source) -> dict[int, str]:
    """Return the colours of label values, as far as there are any."""
    try:
        listed = _image_label(source)["colors"]
        return {int(e["label-value"]): f"#{bytes(e['rgba'][:3]).hex()}" for e in listed}
    except READ_ERRORS:
        return {}


def _image_label(source: Source) -> dict[str, Any]:
    """Return what NGFF says of a label image; a `KeyError` where nothing does."""
    if source.location is None or not Path(source.location).is_dir():
        raise KeyError("image-label")
    attributes = zarr.open_group(source.location, mode="r").attrs.asdict()
    described: dict[str, Any] = ome_attributes(attributes)["image-label"]
    return described


def _named(entry: dict[str, Any]) -> tuple[int, str]:
    return int(entry["label-value"]), str(_name(entry))


def _name(entry: dict[str, Any]) -> Any:
    return entry.get("class") or entry.get("name")
