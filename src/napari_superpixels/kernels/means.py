"""What a superpixel looks like: counts, sums and means of the image's own channels.

A superpixel lies inside the 3 x 3 cells around its own, so one cell of halo gives its sums exactly.
Samples are added in raster order, so sums of floats do not depend on the window either. Integers
of 64 bits are added as float64 too, for a few of them may pass what an int64 holds.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.jit import kernel

RGB = 3
"""So many channels are summed in one go, in two thirds of the time."""


def cell_sums(
    codes: NDArray[np.uint8], pixels: NDArray[Any], step: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the pixels of each superpixel and the sums of its samples.

    Parameters
    ----------
    codes : ndarray of uint8, shape (Y, X)
        Assignment, 255 where there is no data; starts at a corner of a cell. Pixels that belong to
        cells outside the array are in no sum.
    pixels : ndarray, shape (C, Y, X)
        Samples: integers, booleans or floats.
    step : (int, int)
        Size of a cell, in pixels.

    Returns
    -------
    counts : ndarray of int64, shape (GH, GW)
        Number of pixels.
    sums : ndarray of int64 or, for floats and integers of 64 bits, float64, shape (C, GH, GW)
        Sums of samples.
    """
    assert pixels.shape[1:] == codes.shape, "one code a pixel"
    cells = -(-codes.shape[0] // step[0]) + 2, -(-codes.shape[1] // step[1]) + 2
    counts = np.zeros(cells, np.int64)
    sums = np.zeros((pixels.shape[0], *cells), _type_of_sums(pixels.dtype))
    if pixels.dtype == np.float16:
        pixels = pixels.astype(np.float32)
    if len(pixels) == RGB:
        _count_and_sum(codes, pixels, step, counts, sums)
    else:
        _count(codes, step, counts)
        for channel, into in zip(pixels, sums, strict=True):
            _sum(codes, channel, step, into)
    return counts[1:-1, 1:-1].copy(), sums[:, 1:-1, 1:-1].copy()


def cell_means(counts: NDArray[np.int64], sums: NDArray[Any]) -> NDArray[np.float32]:
    """Return the mean of each channel over each superpixel, shape (GH, GW, C).

    NaN where a cell has no superpixel. Parameters are what `cell_sums` returns, or a part of it.
    """
    with np.errstate(invalid="ignore"):
        means = np.where(counts > 0, sums / counts, np.nan)
    return np.moveaxis(means, 0, -1).astype(np.float32)


def _type_of_sums(dtype: np.dtype[Any]) -> type[np.int64] | type[np.float64]:
    """Return a type in which sums of samples never wrap around."""
    exact = dtype.kind in "bui" and dtype.itemsize < 8
    return np.int64 if exact else np.float64


@kernel()
def _offsets(width: int) -> NDArray[np.int64]:
    """Return how far the cell of each code lies from the first of the nine, in a flat lattice."""
    offsets = np.zeros(9, np.int64)
    for code in range(9):
        offsets[code] = code // 3 * width + code % 3
    return offsets


@kernel()
def _count(codes: NDArray[np.uint8], step: tuple[int, int], counts: NDArray[np.int64]) -> None:
    flat, offsets = counts.reshape(-1), _offsets(counts.shape[1])
    for y in range(codes.shape[0]):
        cell = y // step[0] * counts.shape[1]
        for left in range(0, codes.shape[1], step[1]):
            for x in range(left, min(left + step[1], codes.shape[1])):
                code = codes[y, x]
                if code < 9:
                    flat[cell + offsets[code]] += 1
            cell += 1


@kernel()
def _count_and_sum(
    codes: NDArray[np.uint8],
    samples: NDArray[Any],
    step: tuple[int, int],
    counts: NDArray[np.int64],
    sums: NDArray[Any],
) -> None:
    number, offsets = counts.reshape(-1), _offsets(counts.shape[1])
    a, b, c = sums[0].reshape(-1), sums[1].reshape(-1), sums[2].reshape(-1)
    for y in range(codes.shape[0]):
        cell = y // step[0] * counts.shape[1]
        for left in range(0, codes.shape[1], step[1]):
            for x in range(left, min(left + step[1], codes.shape[1])):
                code = codes[y, x]
                if code < 9:
                    owner = cell + offsets[code]
                    number[owner] += 1
                    a[owner] += samples[0, y, x]
                    b[owner] += samples[1, y, x]
                    c[owner] += samples[2, y, x]
            cell += 1


@kernel()
def _sum(
    codes: NDArray[np.uint8], samples: NDArray[Any], step: tuple[int, int], sums: NDArray[Any]
) -> None:
    flat, offsets = sums.reshape(-1), _offsets(sums.shape[1])
    for y in range(codes.shape[0]):
        cell = y // step[0] * sums.shape[1]
        for left in range(0, codes.shape[1], step[1]):
            for x in range(left, min(left + step[1], codes.shape[1])):
                code = codes[y, x]
                if code < 9:
                    flat[cell + offsets[code]] += samples[y, x]
            cell += 1
