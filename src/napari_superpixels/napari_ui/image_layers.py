"""An image file as layers: one lazy array a level, one layer a channel, placed in the world."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from napari_superpixels.io import Block, Source, open_source
from napari_superpixels.napari_ui.contrast import contrast_limits
from napari_superpixels.napari_ui.world import layer_place
from napari_superpixels.tiling import Box

LayerData = tuple[Any, dict[str, Any], str]
"""Data, keyword arguments and type of a layer, as napari takes them from readers."""

CHUNK, LARGEST_CHUNK = 1024, 2048
"""Edges of the blocks of lazy arrays are about the one and never more than the other, in pixels."""

SHOWN = 6
"""Of more channels than this only the first is visible at the beginning, and grey."""

COLOURMAPS: dict[int, Sequence[str]] = {1: ["gray"], 2: ["green", "magenta"]}
"""Colours of channels by their number; else the first of `MANY`."""

MANY = ("red", "green", "blue", "cyan", "magenta", "yellow")


def image_layers(path: Path) -> list[LayerData]:
    """Return the layers of an image on disk; only metadata and a few blocks are read.

    Parameters
    ----------
    path
        Anything that `open_source` takes.

    Returns
    -------
    list
        One layer for RGB in 8 bits, else one a channel.

    Raises
    ------
    SourceError
        If it is missing or broken.
    InputError
        If it is no image.
    """
    source = open_source(path)
    return layers_of(source)


def layers_of(source: Source) -> list[LayerData]:
    """Return the layers of an open image, see `image_layers`."""
    levels = [source, *_coarser(source)]
    if source.rgb and source.dtype == np.uint8:
        keywords = _keywords(source) | {"name": source.name, "rgb": True}
        keywords["metadata"] = _metadata(source, None)
        return [(_pyramid(levels, None), keywords, "image")]
    return _channel_layers(levels)


def _channel_layers(levels: list[Source]) -> list[LayerData]:
    source, count = levels[0], levels[0].channels
    limits = contrast_limits(levels[-1])
    if source.rgb:  # colours of one picture keep their balance
        limits = [(min(a for a, _ in limits), max(b for _, b in limits))] * count
    layers: list[LayerData] = []
    for channel in range(count):
        keywords = _keywords(source) | _look(channel, count)
        keywords |= {"name": _name(source, channel), "contrast_limits": limits[channel]}
        keywords["metadata"] = _metadata(source, channel if count > 1 else None)
        layers.append((_pyramid(levels, channel), keywords, "image"))
    return layers


def _coarser(source: Source) -> list[Source]:
    assert source.opened is not None, "layers are made of images on disk"
    return [
        open_source(**source.opened | {"level": level})
        for level in range(1, len(source.level_shapes))
    ]


def _keywords(source: Source) -> dict[str, Any]:
    return {**layer_place(source.axes), "multiscale": len(source.level_shapes) > 1}


def _look(channel: int, count: int) -> dict[str, Any]:
    if count > SHOWN:
        return {"colormap": "gray", "visible": channel == 0}
    colourmap = COLOURMAPS.get(count, MANY)[channel]
    return {"colormap": colourmap, "blending": "additive" if count > 1 else "translucent_no_depth"}


def _name(source: Source, channel: int) -> str:
    if source.channels == 1:
        return source.name
    return f"{source.name} {source.channel_names[channel] or channel}"


def _metadata(source: Source, channel: int | None) -> dict[str, Any]:
    """Return what the widget needs to plan from the file and not from an array in memory."""
    where = source.georeference
    facts = {
        "opened": source.opened,
        "identity": source.identity,
        "nodata": source.nodata,
        "channel": channel,
        "georeference": where.as_json() if where else None,
    }
    return {"napari_superpixels": facts}


def _pyramid(levels: list[Source], channel: int | None) -> list[da.Array] | da.Array:
    """Return lazy arrays of one channel, or of RGB with the colours last."""
    arrays = [lazy_pixels(level, channel) for level in levels]
    return arrays if len(arrays) > 1 else arrays[0]


class _BlockReader:
    """Reads the block at a place of a chunk grid.

    A plain class on purpose: dask looks for arrays inside dataclasses, and would compute them.
    """

    def __init__(self, source: Source, channel: int | None, edges: tuple[int, int]) -> None:
        self.source, self.channel, self.edges = source, channel, edges

    def at(self, block_id: tuple[int, ...] | None = None) -> NDArray[Any]:
        """Return its pixels, the leading axes of length one."""
        assert block_id is not None, "dask fills it in"
        axes = self.source.axes
        leading = block_id[: len(axes.leading_shape)]
        plane = int(np.ravel_multi_index(leading, axes.leading_shape)) if leading else 0
        row, column = block_id[len(leading) : len(leading) + 2]
        bounds = zip((row, column), self.edges, axes.plane_shape, strict=True)
        box = Box.of(*((i * edge, min((i + 1) * edge, size)) for i, edge, size in bounds))
        pixels = self.shown(self.source.read(plane, box))
        return pixels.reshape((1,) * len(leading) + pixels.shape)

    def shown(self, block: Block) -> NDArray[Any]:
        """Return one channel, or RGB with the colours last; dark where there are no data."""
        pixels = block.pixels
        pixels = np.moveaxis(pixels, 0, -1) if self.channel is None else pixels[self.channel]
        if block.valid is None:
            return np.ascontiguousarray(pixels)
        valid = block.valid if self.channel is not None else block.valid[..., None]
        return np.where(valid, pixels, nothing(pixels.dtype))


def nothing(dtype: np.dtype[Any]) -> Any:
    """Return the value that pixels without data are shown with: NaN, or the smallest number."""
    return dtype.type(np.nan) if dtype.kind == "f" else np.iinfo(dtype).min


def lazy_pixels(source: Source, channel: int | None) -> da.Array:
    """Return a level as a lazy array; nothing is read.

    Parameters
    ----------
    source
        The level.
    channel
        Which channel, None for all of them as colours.

    Returns
    -------
    dask.array.Array
        Shape ((t, z,) Y, X) or ((t, z,) Y, X, 3).
    """
    axes = source.axes
    edges = tuple(_edge(chunk) for chunk in source.chunk_shape)
    sides = zip(edges, axes.plane_shape, strict=True)
    colours = ((source.channels,),) if channel is None else ()
    chunks = (*((1,) * n for n in axes.leading_shape), *(_cut(*side) for side in sides), *colours)
    array: da.Array = da.map_blocks(
        _BlockReader(source, channel, (edges[0], edges[1])).at,
        chunks=chunks,
        dtype=source.dtype,
        meta=np.empty((0,) * len(chunks), source.dtype),
        name=f"image-{source.identity}-{channel}",
    )
    return array


def _edge(chunk: int) -> int:
    """Return the edge of blocks: whole chunks of the source, where these are not huge."""
    return min(-(-CHUNK // chunk) * chunk, LARGEST_CHUNK)


def _cut(edge: int, size: int) -> tuple[int, ...]:
    return tuple(min(edge, size - start) for start in range(0, size, edge))
