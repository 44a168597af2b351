"""Images as lazy arrays for napari: each block is read from the file when it is looked at.

Like the lazy labels these arrays have no array under them, so a graph of any size costs nothing.
"""

from collections.abc import Iterator
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from napari_superpixels.io import Block, Source
from napari_superpixels.tiling import Box, Interval

CHUNK, LARGEST_CHUNK = 1024, 2048
"""Edges of blocks are about the one and never more than the other, in pixels: napari refuses to
show blocks that are larger than a texture."""

MOST_READ = 2**26
"""Pixels of a plane of which all may be read for a coarse level."""

MOST_WHOLE = 4
"""Of a larger plane, the factor up to which they are. Of a coarser level every n-th block is
read along y and x and the others stay dark, so that 2048 x 2048 of its pixels, about what a viewer
shows at once, never cost more than 8192 x 8192 of the image's."""


def lazy_pixels(source: Source, *, factor: int = 1) -> da.Array:
    """Return a level as a lazy array; nothing is read.

    Parameters
    ----------
    source
        The level: one channel, or three that are RGB.
    factor
        Only one in so many pixels along y and x; 1 for all. Of huge planes there are gaps from
        more than 4 on: only so many blocks are read that a view costs no more than at 4.

    Returns
    -------
    dask.array.Array
        Shape ((t, z,) Y, X) or ((t, z,) Y, X, 3). Pixels without data are NaN, or the smallest
        number where the type has no NaN.
    """
    reader = _BlockReader(source, factor)
    axes = source.axes
    sides = (
        _cut(edge, -(-size // factor))
        for edge, size in zip(reader.edges, axes.plane_shape, strict=True)
    )
    colours = ((source.channels,),) if source.rgb else ()
    array: da.Array = da.map_blocks(
        reader.at,
        chunks=(*((1,) * n for n in axes.leading_shape), *sides, *colours),
        dtype=source.dtype,
        meta=np.empty((0,) * (len(axes.leading_shape) + 2 + source.rgb), source.dtype),
        name=f"image-{source.identity}-{factor}",
    )
    return array


class _BlockReader:
    """Reads the block at a place of a chunk grid.

    A plain class on purpose: dask looks for arrays inside dataclasses, and would compute them.
    """

    def __init__(self, source: Source, factor: int) -> None:
        self.source, self.factor = source, factor
        self.edges = tuple(_edge(chunk) for chunk in source.chunk_shape)

    def at(self, block_id: tuple[int, ...] | None = None) -> NDArray[Any]:
        """Return its pixels, the leading axes of length one."""
        assert block_id is not None, "dask fills it in"
        shape = self.source.axes.leading_shape
        leading, place = block_id[: len(shape)], block_id[len(shape) : len(shape) + 2]
        plane = int(np.ravel_multi_index(leading, shape)) if leading else 0
        pixels = self.whole(plane, place) if self.factor == 1 else self.sampled(plane, place)
        return pixels.reshape((1,) * len(leading) + pixels.shape)

    def whole(self, plane: int, place: tuple[int, ...]) -> NDArray[Any]:
        """Return a block of all pixels."""
        sides = zip(place, self.edges, self.source.axes.plane_shape, strict=True)
        box = Box.of(*((i * edge, min((i + 1) * edge, size)) for i, edge, size in sides))
        return _shown(self.source.read(plane, box), rgb=self.source.rgb)

    def sampled(self, plane: int, place: tuple[int, ...]) -> NDArray[Any]:
        """Return a block of every `factor`-th pixel, read piece by piece."""
        shape = self.source.axes.plane_shape
        ys, xs = (self._samples(*side) for side in zip(place, self.edges, shape, strict=True))
        colours = (self.source.channels,) if self.source.rgb else ()
        every = -(-self.factor // MOST_WHOLE) if shape[0] * shape[1] > MOST_READ else 1
        dtype = self.source.dtype
        out = np.full((ys.size, xs.size, *colours), nothing(dtype), dtype)
        for y, rows in _pieces(ys, self.edges[0], shape[0], every):
            for x, columns in _pieces(xs, self.edges[1], shape[1], every):
                pixels = _shown(self.source.read(plane, Box((y, x))), rgb=self.source.rgb)
                inside = np.ix_(ys[rows] - y.start, xs[columns] - x.start)
                out[rows, columns] = pixels[inside]
        return out

    def _samples(self, number: int, edge: int, size: int) -> NDArray[np.int64]:
        """Return the pixels along an axis that a block consists of: the middle of every step."""
        starts = np.arange(number * edge, min((number + 1) * edge, -(-size // self.factor)))
        return np.minimum(starts * self.factor + self.factor // 2, size - 1)


def _pieces(
    samples: NDArray[np.int64], edge: int, size: int, every: int
) -> Iterator[tuple[Interval, slice]]:
    """Yield every n-th block of the image in which samples lie, and which samples these are."""
    first_block = -(-(int(samples[0]) // edge) // every) * every
    for number in range(first_block, int(samples[-1]) // edge + 1, every):
        block = Interval(number * edge, min((number + 1) * edge, size))
        first, last = np.searchsorted(samples, [block.start, block.stop])
        if first < last:
            yield block, slice(int(first), int(last))


def _shown(block: Block, *, rgb: bool) -> NDArray[Any]:
    """Return a channel, or RGB with the colours last; dark where there are no data."""
    pixels = np.moveaxis(block.pixels, 0, -1) if rgb else block.pixels[0]
    if block.valid is None:
        return np.ascontiguousarray(pixels)
    valid = block.valid[..., None] if rgb else block.valid
    return np.where(valid, pixels, nothing(pixels.dtype))


def nothing(dtype: np.dtype[Any]) -> Any:
    """Return what stands for no data: NaN, or the smallest number."""
    return dtype.type(np.nan) if dtype.kind == "f" else dtype.type(np.iinfo(dtype).min)


def _edge(chunk: int) -> int:
    """Return the edge of blocks: whole chunks of the source, where these are not huge."""
    return min(-(-CHUNK // chunk) * chunk, LARGEST_CHUNK)


def _cut(edge: int, size: int) -> tuple[int, ...]:
    return tuple(min(edge, size - start) for start in range(0, size, edge))
