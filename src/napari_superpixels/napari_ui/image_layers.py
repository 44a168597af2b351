"""An image file as layers: one layer for RGB, else one a channel, placed in the world."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from napari_superpixels.io import Source, open_level, open_source
from napari_superpixels.napari_ui.contrast import contrast_limits
from napari_superpixels.napari_ui.layer_facts import OURS
from napari_superpixels.napari_ui.lazy_pixels import lazy_pixels
from napari_superpixels.napari_ui.reader import LayerData
from napari_superpixels.napari_ui.world import layer_place

LARGEST_SINGLE = 2**26
"""Pixels of a plane above which an image without a pyramid gets levels of every 2nd, 4th ...
pixel: napari would hold all of a single level in memory, whatever part of it is looked at."""

COARSEST = 2048
"""Such levels are added until one has edges of this many pixels or fewer."""

MOST_COLOURED = 6
"""Channels that are shown together, in colours; of more, only the first is visible, in grey."""

COLOURMAPS = ("red", "green", "blue", "cyan", "magenta", "yellow")
"""Of several channels, except of two."""


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
    return layers_of(open_source(path))


def layers_of(source: Source) -> list[LayerData]:
    """Return the layers of an open image, see `image_layers`."""
    levels = [source, *_coarser(source)]
    if source.rgb and source.dtype == np.uint8:
        return [_layer(levels, {"name": source.name, "rgb": True}, None)]
    looks = [
        {**_look(channel, source.channels), "contrast_limits": limits}
        for channel, limits in enumerate(_limits(levels[-1]))
    ]
    if source.channels == 1:
        return [_layer(levels, looks[0] | {"name": source.name}, None)]
    return [
        _layer([level.only(i) for level in levels], look | {"name": _name(source, i)}, i)
        for i, look in enumerate(looks)
    ]


def _coarser(source: Source) -> list[Source]:
    return [open_level(source, level) for level in range(1, len(source.level_shapes))]


def _layer(levels: list[Source], look: dict[str, Any], channel: int | None) -> LayerData:
    arrays = _arrays(levels)
    keywords = {
        **layer_place(levels[0].axes),
        **look,
        "multiscale": len(arrays) > 1,
        "metadata": _metadata(levels[0], channel, arrays),
    }
    return arrays if len(arrays) > 1 else arrays[0], keywords, "image"


def _arrays(levels: list[Source]) -> list[da.Array]:
    """Return an array a level, the finest first."""
    height, width = levels[0].axes.plane_shape
    if len(levels) > 1 or height * width <= LARGEST_SINGLE:
        return [lazy_pixels(level) for level in levels]
    factors = [1]
    while max(height, width) > factors[-1] * COARSEST:
        factors.append(2 * factors[-1])
    return [lazy_pixels(levels[0], factor=factor) for factor in factors]


def _limits(coarsest: Source) -> Sequence[tuple[float, float]]:
    limits = contrast_limits(coarsest)
    if coarsest.rgb:  # colours of one picture keep their balance
        low, high = min(low for low, _ in limits), max(high for _, high in limits)
        return [(low, high)] * len(limits)
    return limits


def _look(channel: int, count: int) -> dict[str, Any]:
    if count == 1 or count > MOST_COLOURED:
        return {"colormap": "gray", "visible": channel == 0}
    colours = ("green", "magenta") if count == 2 else COLOURMAPS
    return {"colormap": colours[channel], "blending": "additive"}


def _name(source: Source, channel: int) -> str:
    return f"{source.name} {source.channel_names[channel] or channel}"


def _metadata(source: Source, channel: int | None, arrays: list[da.Array]) -> dict[str, Any]:
    """Return what the widget needs to plan from the file and not from an array in memory."""
    where = source.georeference
    facts = {
        "opened": source.opened,
        "arrays": [array.name for array in arrays],
        "identity": source.identity,
        "nodata": source.nodata,
        "channel": channel,
        "levels": len(source.level_shapes),
        "georeference": where.as_json() if where else None,
    }
    return {OURS: facts}
