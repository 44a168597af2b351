"""Whole-image statistics from samples whose places depend on the image's shape alone.

Small images are read whole. Of larger ones at most 64 MB are read, in square blocks of the finest
chosen level whose corners follow an additive recurrence (the R2 sequence of Roberts, 2018): evenly
spread, without a random generator whose stream could change between library versions.
"""

import threading
from collections.abc import Iterable, Iterator
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import Cancelled
from napari_superpixels.io.source import Block, Source
from napari_superpixels.models.learned import stretch
from napari_superpixels.models.statistics import Projection, Statistics
from napari_superpixels.tiling import Box

READ_BUDGET_BYTES = 64_000_000
"""How much of an image is read to measure it."""
SAMPLE_EDGE_PX = 256
"""Edge of one sampled block, where the budget holds enough of them."""
FEWEST_BLOCKS = 4
"""Of images with very many channels, blocks are so small that the budget holds that many."""
RATIOS = (0.8191725133961645, 0.6710436067037893, 0.5497004779019703)
"""Additive recurrence in three dimensions (plane, y, x): powers of the root of x^4 = x + 1."""
GOLDEN_RATIO = 0.6180339887498949
"""The same recurrence in one dimension."""
PERCENTILES = (1.0, 99.0)
MOST_VALUES = 4_000_000
"""How many samples decide the components: as floats they are up to eight times as large."""
COMPONENTS = 3
"""Channels that more of them are projected to, for weights that take so many."""


def sample_places(
    shape: tuple[int, int], planes: int, count: int, edge_px: int = SAMPLE_EDGE_PX
) -> Iterator[tuple[int, Box]]:
    """Yield `count` places (plane, box of pixels); the same for the same arguments."""
    edges = tuple(min(edge_px, size) for size in shape)
    for number in range(1, count + 1):
        plane, y, x = (0.5 + number * ratio for ratio in RATIOS)
        starts = (
            int((fraction % 1.0) * (size - edge + 1))
            for fraction, size, edge in zip((y, x), shape, edges, strict=True)
        )
        bounds = ((start, start + edge) for start, edge in zip(starts, edges, strict=True))
        yield int((plane % 1.0) * planes), Box.of(*bounds)


def places_to_measure(source: Source) -> list[tuple[int, Box]]:
    """Return what is read to measure an image: all of it, or samples within the budget."""
    shape, planes = source.axes.plane_shape, source.axes.planes
    pixel_bytes = source.channels * source.dtype.itemsize
    if planes * shape[0] * shape[1] * pixel_bytes <= READ_BUDGET_BYTES:
        return [(plane, Box.whole(shape)) for plane in range(planes)]
    largest = isqrt(READ_BUDGET_BYTES // (FEWEST_BLOCKS * pixel_bytes))
    edge = max(1, min(SAMPLE_EDGE_PX, largest))
    block = min(edge, shape[0]) * min(edge, shape[1]) * pixel_bytes
    return list(sample_places(shape, planes, max(1, READ_BUDGET_BYTES // block), edge))


def measure(source: Source, cancel: threading.Event | None = None) -> Statistics:
    """Measure the statistics of an image, reading at most 64 MB of it.

    Nodata, masked and non-finite pixels are not counted.

    Parameters
    ----------
    source
        The image.
    cancel
        Set it, from any thread, to stop between two blocks.

    Returns
    -------
    Statistics
        1st and 99th percentile, minimum and maximum of each channel; zeros without any valid pixel.

    Raises
    ------
    Cancelled
        If it was cancelled.
    """
    blocks = (_read(source, *place, cancel) for place in places_to_measure(source))
    return summarise((block.pixels, block.valid) for block in blocks)


def is_blank(source: Source) -> bool:
    """Return whether no pixel holds data; of images that are too large to read, it is not known."""
    places = places_to_measure(source)
    if sum(np.prod(box.shape) for _, box in places) < source.axes.planes * np.prod(
        source.axes.plane_shape
    ):
        return False
    valid = (source.read(plane, box).valid for plane, box in places)
    return all(where is not None and not where.any() for where in valid)


def _read(source: Source, plane: int, box: Box, cancel: threading.Event | None) -> Block:
    if cancel is not None and cancel.is_set():
        raise Cancelled("Measuring the image was cancelled.")
    return source.read(plane, box)


def summarise(
    samples: Iterable[tuple[NDArray[np.generic], NDArray[np.bool_] | None]],
) -> Statistics:
    """Summarise sampled pixels (C, Y, X) with their validity (Y, X)."""
    flat = [
        pixels.reshape(len(pixels), -1) if valid is None else pixels[:, valid]
        for pixels, valid in samples
    ]
    values = np.concatenate(flat, axis=1)
    if not values.shape[1]:
        values = np.zeros((len(values), 1), values.dtype)
    if values.dtype == bool:
        values = values.view(np.uint8)
    low, high = percentiles(values)
    joint = percentiles(values.reshape(1, -1))
    return Statistics(
        low=tuple(map(float, low)),
        high=tuple(map(float, high)),
        minimum=tuple(map(float, values.min(axis=1))),
        maximum=tuple(map(float, values.max(axis=1))),
        joint_low=float(joint[0, 0]),
        joint_high=float(joint[1, 0]),
        projection=project(values, low, high) if len(values) > COMPONENTS else None,
    )


def project(
    values: NDArray[np.generic], low: NDArray[np.float64], high: NDArray[np.float64]
) -> Projection:
    """Return the principal components of samples, shape (C, n), stretched from low to high.

    Of more than `MOST_VALUES` some decide for all. The largest weight of a component is positive:
    either sign would do.
    """
    values = _some(values, max(1, MOST_VALUES // len(values)))
    samples = np.stack([stretch(one, *pair) for one, *pair in zip(values, low, high, strict=True)])
    centred = samples - samples.mean(axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(centred @ centred.T)
    weights = vectors.T[::-1][:COMPONENTS]
    largest = np.take_along_axis(weights, abs(weights).argmax(axis=1)[:, None], axis=1)
    weights = weights * np.where(largest < 0, -1.0, 1.0)
    ends = percentiles(weights @ samples)
    return Projection(
        weights=tuple(tuple(map(float, row)) for row in weights),
        low=tuple(map(float, ends[0])),
        high=tuple(map(float, ends[1])),
    )


def _some(values: NDArray[np.generic], count: int) -> NDArray[np.generic]:
    """Return at most so many columns, spread so that they fall in with no period of an image."""
    if values.shape[1] <= count:
        return values
    places = np.arange(1, count + 1) * GOLDEN_RATIO % 1.0 * values.shape[1]
    return values[:, places.astype(np.intp)]


def percentiles(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the `PERCENTILES` of each row, linear between neighbours, shape (2, rows).

    Unlike `np.percentile` this takes differences in float64, where those of small types would wrap
    around or overflow, and without a copy of all samples in float64.
    """
    places = np.array(PERCENTILES) / 100 * (values.shape[1] - 1)
    below = np.floor(places).astype(np.intp)
    above = np.minimum(below + 1, values.shape[1] - 1)
    ranks = np.unique([below, above])
    ordered = np.partition(values, ranks, axis=1)
    first, second = (ordered[:, k].T.astype(np.float64) for k in (below, above))
    part = (places - below)[:, None]
    # From the nearer neighbour, as numpy does, so that equal neighbours give themselves.
    near = np.where(part < 0.5, first, second)
    found: NDArray[np.float64] = near + (second - first) * np.where(part < 0.5, part, part - 1)
    return found
