"""The loops of SLIC over cells: centres, associations, distances of single pixels."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_superpixels.kernels.cone import NONE
from napari_superpixels.kernels.nearest import (
    ABSENT,
    CANDIDATES,
    FEATURE_SCALE,
    LANES,
    VALUE_SCALE,
    WEIGHT_SCALE,
    nearest,
    trailing_zeros,
)

Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Bytes = NDArray[np.uint8]


class Centres(NamedTuple):
    """Centres on a lattice with a rim of one cell on each side, so that all cells have nine."""

    values: Int32
    """Shape (GH + 2, GW + 2, C + 2): features, and y, x relative to the cell."""
    norms: Int32
    """Squared length of the features; negative where a cell is no candidate."""
    weights: Int16
    """Weights of the features, shape (GH + 2, GW + 2, pairs, 2)."""
    moved: Bytes
    """Whether the centre is another one than before."""


@njit(nogil=True, cache=True)
def update(sums: Int64, centres: Centres, left: int, right: int, top: int, bottom: int) -> None:
    """Move the centres of a box of cells to the means of their pixels."""
    values = centres.values
    last = values.shape[2]
    for r in range(top, bottom):
        for c in range(left, right):
            n = sums[r, c, last]
            centre = values[r + 1, c + 1]
            moved = False
            if n > 0:
                moved = centres.norms[r + 1, c + 1] < 0
                for i in range(last):
                    mean = (2 * sums[r, c, i] + n) // (2 * n)
                    moved |= mean != centre[i]
                    centre[i] = mean
            centres.moved[r + 1, c + 1] = moved
            if moved:
                _prepare(centres, r + 1, c + 1)


@njit(nogil=True, cache=True)
def _prepare(centres: Centres, r: int, c: int) -> None:
    norm = 0
    for i in range(centres.values.shape[2] - 2):
        value = centres.values[r, c, i]
        norm += value * value
        centres.weights[r, c, i // 2, i % 2] = -2 * WEIGHT_SCALE * value
    centres.norms[r, c] = norm


@njit(nogil=True, cache=True)
def _weigh(centres: Centres, position: int, r: int, c: int, weights: Int16, base: Int32) -> None:
    """Fill in weights and bases of the nine candidates of cell (r, c), rim counted."""
    channels = centres.values.shape[2] - 2
    pairs = weights.shape[1] - 1
    for code in range(CANDIDATES):
        dr, dc = code // 3 - 1, code % 3 - 1
        norm = centres.norms[r + dr, c + dc]
        centre = centres.values[r + dr, c + dc]
        if norm < 0:
            base[code] = NONE
            weights[code] = 0
        else:
            y = centre[channels] + dr * position
            x = centre[channels + 1] + dc * position
            base[code] = VALUE_SCALE * (norm + y * y + x * x) + code
            for pair in range(pairs):
                weights[code, pair, 0] = centres.weights[r + dr, c + dc, pair, 0]
                weights[code, pair, 1] = centres.weights[r + dr, c + dc, pair, 1]
            wy, wx = -2 * WEIGHT_SCALE * y, -2 * WEIGHT_SCALE * x
            if channels % 2:
                weights[code, pairs - 1, 1] = wy
                weights[code, pairs, 0] = wx
                weights[code, pairs, 1] = 0
            else:
                weights[code, pairs, 0] = wy
                weights[code, pairs, 1] = wx


@njit(nogil=True, cache=True)
def _none_moved(moved: Bytes, r: int, c: int) -> bool:
    for dr in range(-1, 2):
        for dc in range(-1, 2):
            if moved[r + dr, c + dc]:
                return False
    return True


@njit(nogil=True, cache=True)
def associate(
    data: tuple[Int16, Bytes, Int16, Int16],
    centres: Centres,
    position: int,
    box: tuple[int, int, int, int],
    changes: Int64,
) -> None:
    """Give the pixels of a box of cells to their nearest candidates.

    Parameters
    ----------
    data
        Features and codes of `Cells`, its shared pair, its offsets.
    centres, position
        The candidates; quanta a cell.
    box
        First and last row, first and last column of cells, half open.
    changes
        What the sums of the rows from one above to one below the box change by; starts with 0.
    """
    features, codes, shared, offsets = data
    top, bottom, left, right = box
    channels, pixels = centres.values.shape[2] - 2, codes.shape[2]
    weights = np.zeros((CANDIDATES, features.shape[2] + 1, 2), np.int16)
    base = np.zeros(CANDIDATES, np.int32)
    new = np.zeros(pixels, np.uint8)
    for r in range(top, bottom):
        for c in range(left, right):
            if _none_moved(centres.moved, r + 1, c + 1):
                continue
            _weigh(centres, position, r + 1, c + 1, weights, base)
            cell, old = features[r, c], codes[r, c]
            for start in range(0, pixels, LANES):
                changed = nearest(cell, shared, weights, base, old, new, start)
                while changed:
                    p = start + trailing_zeros(changed)
                    changed &= changed - np.uint32(1)
                    before, after = np.int64(old[p]), np.int64(new[p])
                    old[p] = after
                    source = changes[r - top + before // 3, c + before % 3 - 1]
                    target = changes[r - top + after // 3, c + after % 3 - 1]
                    for i in range(channels):
                        value = np.int64(cell[i // 2, p, i % 2]) // FEATURE_SCALE
                        source[i] -= value
                        target[i] += value
                    y, x = np.int64(offsets[0, p]), np.int64(offsets[1, p])
                    source[channels] -= y - (before // 3 - 1) * position
                    target[channels] += y - (after // 3 - 1) * position
                    source[channels + 1] -= x - (before % 3 - 1) * position
                    target[channels + 1] += x - (after % 3 - 1) * position
                    source[channels + 2] -= 1
                    target[channels + 2] += 1


@njit(nogil=True, cache=True)
def cost(
    data: tuple[Int16, Bytes, Int16, Int16],
    centres: Centres,
    position: int,
    place: tuple[int, int, int, int, int],
    index: Int64,
    code: Bytes,
    out: Int32,
) -> None:
    """Squared distances of pixels to one candidate each.

    `place` holds the step along y and x, the first cell along y and x of the image that `index`
    counts in, and that image's width.
    """
    features, codes, _, offsets = data
    sy, sx, top, left, width = place
    channels = centres.values.shape[2] - 2
    for n in range(index.shape[0]):
        y, x = index[n] // width, index[n] % width
        r, c, p = top + y // sy, left + x // sx, (y % sy) * sx + x % sx
        dr, dc = np.int64(code[n]) // 3 - 1, np.int64(code[n]) % 3 - 1
        centre = centres.values[r + dr + 1, c + dc + 1]
        if centres.norms[r + dr + 1, c + dc + 1] < 0:
            out[n] = NONE
            continue
        total = (offsets[0, p] - dr * position - np.int64(centre[channels])) ** 2
        total += (offsets[1, p] - dc * position - np.int64(centre[channels + 1])) ** 2
        if codes[r, c, p] != ABSENT:
            for i in range(channels):
                value = np.int64(features[r, c, i // 2, p, i % 2]) // FEATURE_SCALE
                total += (value - centre[i]) ** 2
        out[n] = total
