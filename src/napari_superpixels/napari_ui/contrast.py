"""Contrast limits from a few blocks of the coarsest level, without nodata and NaN."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.io import Source
from napari_superpixels.tiling import Box, Interval

PERCENTILES = (1, 99)
"""Of the samples: what lies outside is shown black or white."""

PLANES, EDGE = 3, 256
"""At most 3 planes are looked at, in blocks of 256 pixels."""

BLOCKS, BLOCKS_OF_MANY = 4, 2
"""Blocks along y and along x: of a single plane, and of each of several. Files are opened on
napari's main thread, so this is kept small."""


def contrast_limits(source: Source) -> list[tuple[float, float]]:
    """Return the limits of every channel.

    Parameters
    ----------
    source
        The coarsest level; at most 2**20 pixels a channel of it are read.

    Returns
    -------
    list
        (low, high) a channel, low < high.

    Raises
    ------
    SourceError
        If the pixels cannot be read.
    """
    blocks = [_samples(source, plane, box) for plane, box in _places(source)]
    return [_limits(np.concatenate(channel)) for channel in zip(*blocks, strict=True)]


def _places(source: Source) -> Iterator[tuple[int, Box]]:
    planes = source.axes.planes
    blocks = BLOCKS if planes == 1 else BLOCKS_OF_MANY
    for plane in sorted({planes * (2 * i + 1) // (2 * PLANES) for i in range(PLANES)}):
        for y in _intervals(source.axes.plane_shape[0], blocks):
            for x in _intervals(source.axes.plane_shape[1], blocks):
                yield plane, Box((y, x))


def _intervals(size: int, blocks: int) -> list[Interval]:
    """Return stretches that are spread evenly over an axis: all of it where it is short."""
    if size <= blocks * EDGE:
        return [Interval(0, size)]
    starts = [(size - EDGE) * i // (blocks - 1) for i in range(blocks)]
    return [Interval(start, start + EDGE) for start in starts]


def _samples(source: Source, plane: int, box: Box) -> list[NDArray[np.float64]]:
    block = source.read(plane, box)
    valid = slice(None) if block.valid is None else block.valid
    return [channel[valid].ravel().astype(np.float64) for channel in block.pixels]


def _limits(samples: NDArray[np.float64]) -> tuple[float, float]:
    if not samples.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(samples, PERCENTILES))
    if low == high:  # a few bright spots on an even ground
        low, high = float(samples.min()), float(samples.max())
    return (low, high) if low < high else (min(low, 0.0), max(high, 1.0))
