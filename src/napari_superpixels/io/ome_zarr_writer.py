"""OME-Zarr 0.5 of what a run writes: arrays first, metadata last.

The root is itself the multiscale, because readers open it then (a root that only holds
``labels/`` shows nothing). Beside the levels of superpixels lie the cell tables::

    OUT/0 1 2 ...        (t, c, z,) y, x, each level the mode, or the mean, of the one before
    OUT/cells/means      float32, (t, z,) cells y, cells x, channels
    OUT/cells/counts     uint32, (t, z,) cells y, cells x

Scales are positive, as NGFF wants, and y grows downwards: the labels of a map whose rows run south
have y = -northing, at every level and of every region. The reference system and the true transform
are the `georeference` in the provenance.

What one super-tile of the work writes is one file: a shard of whole chunks where it holds several.
The coarser levels have it so too, as far down as what lies over a super-tile is whole chunks.

Until `finish_image` has written the metadata the root says nothing about an image.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, BloscShuffle

from napari_superpixels.axes import Axes, Axis

AXIS_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
NGFF_UNITS = {"metre": "meter", "um": "micrometer", "µm": "micrometer", "nm": "nanometer"}
"""Spellings that occur in files, and how NGFF wants them."""
NODATA_ONLY = {"properties": [{"label-value": 0, "class": "nodata"}]}
"""What is known of plain labels."""


@dataclass(frozen=True, slots=True)
class CellArray:
    """An array that has a place for each cell."""

    name: str
    """Its path below the root."""
    dtype: np.dtype[Any]
    depth: tuple[int, ...]
    """Sizes of the axes behind those of the cells: the channels, or none."""
    fill: float
    """The value where nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How an output lies on disk."""

    axes: Axes
    """Axes of the finest level; channels only where a pixel has several values."""
    dtype: np.dtype[Any]
    """Type of its values."""
    chunk: tuple[int, int]
    """Chunk along y and x, in pixels; leading axes have chunks of one."""
    tile: tuple[int, int]
    """What is written at once, along y and x, in pixels of the finest level: whole chunks."""
    factors: tuple[tuple[int, int], ...]
    """Scale of each further level to the one before, along y and x."""
    cells: tuple[int, int]
    """Cells along y and x that the tables hold."""
    cell_chunk: tuple[int, int]
    """Chunk of the tables, in cells."""
    tables: tuple[CellArray, ...] = ()
    """What is written of every cell."""
    fill: float = 0
    """The value of pixels where nothing was written."""
    reduction: str = "mode"
    """How a level is made of the one before, as NGFF calls it."""
    rule: str = "each level is the most frequent label of the one before"
    """The same in words."""
    about: Mapping[str, Any] = field(default_factory=lambda: {"image-label": NODATA_ONLY})
    """What NGFF says of the values, beside the multiscale."""

    @property
    def leading(self) -> tuple[int, ...]:
        """Sizes of t and z."""
        return self.axes.leading_shape

    @property
    def outer(self) -> tuple[int, ...]:
        """Sizes of all axes before y and x."""
        return self.axes.shape[:-2]

    @property
    def outer_tile(self) -> tuple[int, ...]:
        """What of these is written at once: one plane, with all of its channels."""
        return tuple(axis.size if axis.name == "c" else 1 for axis in self.axes.items[:-2])

    @property
    def level_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of every level."""
        shapes = [self.axes.plane_shape]
        for fy, fx in self.factors:
            y, x = shapes[-1]
            shapes.append((-(-y // fy), -(-x // fx)))
        return tuple((*self.outer, *shape) for shape in shapes)

    @property
    def level_scales(self) -> tuple[tuple[int, int], ...]:
        """Pixels of the finest level in a pixel of each level, along y and x."""
        scales = [(1, 1)]
        for fy, fx in self.factors:
            scales.append((scales[-1][0] * fy, scales[-1][1] * fx))
        return tuple(scales)

    def chunk_shape(self, level: int) -> tuple[int, int]:
        """Return the chunk of a level along y and x."""
        height, width = self.level_shapes[level][-2:]
        return min(self.chunk[0], height), min(self.chunk[1], width)

    def shard_shape(self, level: int) -> tuple[int, int] | None:
        """Return what of a level lies over what is written at once; None where chunks are cut."""
        sides = zip(
            self.tile,
            self.axes.plane_shape,
            self.level_scales[level],
            self.level_shapes[level][-2:],
            self.chunk_shape(level),
            strict=True,
        )
        height, width = (_shard_edge(*side) for side in sides)
        return (height, width) if height and width else None

    @property
    def levels_at_once(self) -> int:
        """How many levels, from the finest on, are written at once."""
        shards = map(self.shard_shape, range(len(self.factors) + 1))
        return sum(1 for _ in takewhile(bool, shards))


def _shard_edge(tile: int, whole: int, scale: int, size: int, chunk: int) -> int:
    """Return how long a shard of a level is along an axis; 0 where chunks would be cut."""
    if tile >= whole:  # nothing lies beside it, so it may be filled up
        return -(-size // chunk) * chunk
    edge, rest = divmod(tile, scale)
    return 0 if rest or edge % chunk else edge


def create_arrays(path: Path, layout: Layout) -> None:
    """Make the group and its empty arrays in an empty folder; the root has no metadata yet."""
    root = zarr.create_group(path, zarr_format=3)
    names = list(layout.axes.names)
    for number, shape in enumerate(layout.level_shapes):
        chunk = (*(1,) * len(layout.outer), *layout.chunk_shape(number))
        shard = layout.shard_shape(number) if number < layout.levels_at_once else None
        shards = None if shard is None else (*layout.outer_tile, *shard)
        _create(root, str(number), shape, chunk, layout.dtype, names, layout.fill, shards=shards)
    named = [name for name in names if name != "c"]
    for table in layout.tables:
        shape = (*layout.leading, *layout.cells, *table.depth)
        chunk = (*(1,) * len(layout.leading), *layout.cell_chunk, *table.depth)
        axes = [*named, "c"] if table.depth else named
        _create(root, table.name, shape, chunk, table.dtype, axes, table.fill)


def _create(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    dtype: np.dtype[Any],
    names: list[str],
    fill: float,
    shards: tuple[int, ...] | None = None,
) -> None:
    codec = BloscCodec(cname="zstd", clevel=1, shuffle=BloscShuffle.shuffle)
    group.create_array(
        name,
        shape=shape,
        chunks=chunks,
        shards=None if shards == chunks else shards,
        dtype=dtype,
        compressors=codec,
        fill_value=fill,
        dimension_names=names,
    )


def finish_image(path: Path, layout: Layout, name: str, provenance: dict[str, Any]) -> None:
    """Write the metadata that makes the arrays an image."""
    root = zarr.open_group(path, mode="r+")
    root.attrs.update(
        {
            "ome": {
                "version": "0.5",
                "multiscales": [multiscale(layout, name)],
                **layout.about,
            },
            "napari_superpixels": provenance,
        }
    )


def multiscale(layout: Layout, name: str) -> dict[str, Any]:
    """Return the NGFF ``multiscales`` entry of a layout."""
    datasets = [
        {"path": str(number), "coordinateTransformations": _transformations(layout.axes, scale)}
        for number, scale in enumerate(layout.level_scales)
    ]
    return {
        "name": name,
        "axes": [_axis(axis) for axis in layout.axes.items],
        "datasets": datasets,
        "type": layout.reduction,
        "metadata": {"description": layout.rule},
    }


def _axis(axis: Axis) -> dict[str, str]:
    entry = {"name": axis.name, "type": AXIS_TYPES[axis.name]}
    if axis.unit:
        entry["unit"] = NGFF_UNITS.get(axis.unit, axis.unit)
    return entry


def _transformations(axes: Axes, scale: tuple[int, int]) -> list[dict[str, Any]]:
    factors = dict(zip("yx", scale, strict=True))
    spacings = [axis.spacing * factors.get(axis.name, 1) for axis in axes.items]
    # The centre of a coarse pixel lies between the centres of the fine ones that it covers.
    origins = [
        axis.origin + (factors.get(axis.name, 1) - 1) / 2 * axis.spacing for axis in axes.items
    ]
    return [
        {"type": "scale", "scale": spacings},
        {"type": "translation", "translation": origins},
    ]
