"""What the classes of a class map are called, as its OME-Zarr says."""

from pathlib import Path
from typing import Any

import zarr

from napari_superpixels.io._ngff import ome_attributes
from napari_superpixels.io._reader import READ_ERRORS
from napari_superpixels.io.source import Source


def class_names(source: Source) -> tuple[tuple[int, str], ...]:
    """Return the classes of an image that have a name, and that; 0 is background and has none.

    NGFF has them in ``image-label``, as properties of label values. Nothing of an array in memory,
    nor of other formats.
    """
    if source.location is None or not Path(source.location).is_dir():
        return ()
    try:
        attributes = zarr.open_group(source.location, mode="r").attrs.asdict()
        described = ome_attributes(attributes)["image-label"]["properties"]
        return tuple(_named(entry) for entry in described if entry["label-value"] and _name(entry))
    except READ_ERRORS:
        return ()


def _named(entry: dict[str, Any]) -> tuple[int, str]:
    return int(entry["label-value"]), str(_name(entry))


def _name(entry: dict[str, Any]) -> Any:
    return entry.get("class") or entry.get("name")
