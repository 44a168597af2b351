"""Finished label images, opened to be exported: their levels, place on Earth and provenance."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_superpixels.axes import Axes, Axis
from napari_superpixels.errors import SourceError
from napari_superpixels.io._ngff import Multiscale, ome_attributes, parse_multiscale
from napari_superpixels.io._reader import (
    READ_ERRORS,
    GeoReference,
    Slices,
    box_text,
    pick_level,
    reason,
)
from napari_superpixels.tiling import Box

EXPORT_PX = 2048
"""Edge of the pieces that exports copy, in pixels: memory stays flat in the image's size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOutput:
    """A label image, or one of classes, that `run` or `write_into` has finished."""

    path: Path
    axes: Axes
    """Of the finest level, some of ``t z`` and then ``y x``."""
    levels: tuple[zarr.Array[Any], ...]
    """The finest first."""
    factors: tuple[tuple[int, int], ...]
    """Pixels of the finest level in a pixel of each level, along y and x."""
    provenance: dict[str, Any]
    """How the labels were made."""
    about: dict[str, Any]
    """What NGFF says of them: properties, and of classes colours."""

    @property
    def classes(self) -> dict[int, tuple[str, tuple[int, ...]]]:
        """Names and colours, red to alpha in bytes, of classes by their ids; none of labels."""
        names = {one["label-value"]: one["class"] for one in self.about.get("properties", ())}
        colours = self.about.get("colors", ())
        return {
            int(one["label-value"]): (names[one["label-value"]], tuple(one["rgba"]))
            for one in colours
        }

    @property
    def letters(self) -> str:
        """Names of the axes."""
        return self.axes.names

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the finest level."""
        return tuple(self.levels[0].shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the labels."""
        return np.dtype(self.levels[0].dtype)

    @property
    def location(self) -> str | None:
        """Where the image lay, None where it was an array in memory."""
        location: str | None = self.provenance.get("location")
        return location

    def georeference(self, level: int) -> GeoReference | None:
        """Return where on Earth a level lies."""
        stored = self.provenance.get("georeference")
        if stored is None:
            return None
        a, b, c, d, e, f = stored["transform"]
        return GeoReference(stored["crs"], (a, b, c, d, e, f)).coarser(self.factors[level])

    def read(self, level: int, box: Slices) -> NDArray[Any]:
        """Return a box of labels of a level, all axes kept.

        Raises
        ------
        SourceError
            If a chunk cannot be decoded.
        """
        return read_labels(self.levels[level], box, self.path)


def read_labels(array: "zarr.Array[Any]", box: Slices, path: Path) -> NDArray[Any]:
    """Return a box of an array of labels; `path` is named where it cannot be read.

    Raises
    ------
    SourceError
        If a chunk cannot be decoded.
    """
    try:
        return np.asarray(array[box])
    except READ_ERRORS as error:
        raise SourceError(
            f"A chunk of the labels {path} in the block {box_text(box)} cannot be read "
            f"({reason(error)}); restore it from a good copy, or run again"
        ) from None


def is_label_output(path: Path) -> bool:
    """Whether a folder says that it is a label image of this software."""
    try:
        attributes = zarr.open_group(path, mode="r").attrs.asdict()
    except READ_ERRORS:
        return False
    return _is_ours(attributes)


def _is_ours(attributes: dict[str, Any]) -> bool:
    return "napari_superpixels" in attributes and "image-label" in ome_attributes(attributes)


def open_labels(path: Path) -> LabelOutput:
    """Open a finished label image.

    Parameters
    ----------
    path
        Folder that `run` wrote, or a group below ``labels/`` that `write_into` wrote.

    Raises
    ------
    SourceError
        If it is missing, unfinished, broken, or no label image of ours.
    """
    _check_there(path)
    try:
        group = zarr.open_group(path, mode="r")
        attributes = group.attrs.asdict()
        return _parse(path, group, attributes)
    except READ_ERRORS as error:
        raise SourceError(
            f"{path} is no finished label image of this software ({reason(error)}); give the "
            f"folder that a run has written, or resume the run"
        ) from None


def pieces(shape: tuple[int, ...], edge: int = EXPORT_PX) -> Iterator[Box]:
    """Yield boxes of one plane each that cover an array, plane by plane in raster order."""
    starts = [range(n) for n in shape[:-2]] + [range(0, n, edge) for n in shape[-2:]]
    sizes = (1,) * len(shape[:-2]) + (edge, edge)
    for start in product(*starts):
        bounds = [(a, min(a + size, n)) for a, size, n in zip(start, sizes, shape, strict=True)]
        yield Box.of(*bounds)


def plane_names(letters: str, shape: tuple[int, ...]) -> list[str]:
    """Return what to call the planes of an array, e.g. ``t=0 z=3``; a single one has no name."""
    if prod(shape[:-2]) == 1:
        return []
    places = np.ndindex(shape[:-2])
    return [" ".join(f"{a}={i}" for a, i in zip(letters, place)) for place in places]


def _check_there(path: Path) -> None:
    if path.is_dir():
        return
    if path.with_name(path.name + ".partial").exists():
        raise SourceError(f"{path} is not finished; resume it, and then export it")
    raise SourceError(f"There is no label image {path}; give the folder that a run has written")


def _parse(path: Path, group: zarr.Group, attributes: dict[str, Any]) -> LabelOutput:
    if not _is_ours(attributes):
        made = attributes.get("napari_superpixels", {}).get("output", {}).get("kind")
        raise ValueError(f"it holds a {made}" if made else "its metadata do not say so")
    ndim = len(ome_attributes(attributes)["multiscales"][0]["axes"])
    image = parse_multiscale(attributes, ndim)
    sizes = [(level["y"].spacing, level["x"].spacing) for level in image.calibrations]
    finest = sizes[0]
    factors = tuple((round(y / finest[0]), round(x / finest[1])) for y, x in sizes)
    levels = tuple(_level(group, name) for name in image.paths)
    return LabelOutput(
        path=path,
        axes=_axes(image, tuple(levels[0].shape)),
        levels=levels,
        factors=factors,
        provenance=dict(attributes["napari_superpixels"]),
        about=dict(ome_attributes(attributes)["image-label"]),
    )


def _axes(image: Multiscale, shape: tuple[int, ...]) -> Axes:
    known = image.calibrations[0]
    sizes = zip(image.letters, shape, strict=True)
    return Axes(
        tuple(Axis(a, n, known[a].spacing, known[a].unit, known[a].origin) for a, n in sizes)
    )


def _level(group: zarr.Group, name: str) -> "zarr.Array[Any]":
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise TypeError(f"{name} is no array")
    return array


def check_level(labels: LabelOutput, level: int) -> None:
    """Refuse a level that there is not.

    Raises
    ------
    InputError
        If it is out of range.
    """
    pick_level(level, len(labels.levels), str(labels.path))
