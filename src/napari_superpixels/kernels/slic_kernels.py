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
    weights: Int32
    """Weights of the features, shape (GH + 2, GW + 2, pairs), two of 16 bits a word."""
    moved: Bytes
    """Whether the centre is another one than before."""


@njit(nogil=True, cache=True)
def update(sums: Int64, centres: Centres, left: int, right: int, top: int, bottom: int) -> None:
    """Move the centres of a box of cells to the means of their pixels, rounded half up."""
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
    """Bring what follows from a centre's features up to date."""
    channels = centres.values.shape[2] - 2
    norm = 0
    for pair in range(centres.weights.shape[2]):
        first = centres.values[r, c, 2 * pair]
        second = centres.values[r, c, 2 * pair + 1] if 2 * pair + 1 < channels else 0
        norm += first * first + second * second
        centres.weights[r, c, pair] = _two_weights(first, second)
    centres.norms[r, c] = norm


@njit(nogil=True, cache=True)
def _two_weights(first: int, second: int) -> int:
    """Pack the weights of two coordinates into 32 bits, the first one low."""
    return ((-2 * WEIGHT_SCALE * first) & 0xFFFF) | ((-2 * WEIGHT_SCALE * second) << 16)


@njit(nogil=True, cache=True)
def _weigh(centres: Centres, position: int, r: int, c: int, weights: Int32, base: Int32) -> None:
    """Fill in weights and bases of the nine candidates of cell (r, c), rim counted."""
    channels = centres.values.shape[2] - 2
    pairs = centres.weights.shape[2]
    code = 0
    for dr in range(-1, 2):
        for dc in range(-1, 2):
            norm = np.int64(centres.norms[r + dr, c + dc])
            if norm < 0:
                base[code] = NONE
                weights[code] = 0
            else:
                y = centres.values[r + dr, c + dc, channels] + dr * position
                x = centres.values[r + dr, c + dc, channels + 1] + dc * position
                base[code] = VALUE_SCALE * (norm + y * y + x * x) + code
                for pair in range(pairs):
                    weights[code, pair] = centres.weights[r + dr, c + dc, pair]
                if channels % 2:
                    weights[code, pairs - 1] |= _two_weights(0, y)
                    weights[code, pairs] = _two_weights(x, 0)
                else:
                    weights[code, pairs] = _two_weights(y, x)
            code += 1


@njit(nogil=True, cache=True)
def _none_moved(moved: Bytes, r: int, c: int) -> bool:
    total = 0
    for dr in range(-1, 2):
        for dc in range(-1, 2):
            total |= moved[r + dr, c + dc]
    return total == 0


@njit(nogil=True, cache=True)
def associate(
    data: tuple[Int16, Bytes, Int16],
    centres: Centres,
    position: int,
    box: tuple[int, int, int, int],
    changes: Int64,
) -> None:
    """Give the pixels of a box of cells to their nearest candidates.

    A cell is left out when none of its candidates moved: its pixels would stay where they are.

    Parameters
    ----------
    data
        Features and codes of `Cells`, and the pair of features that cells share.
    centres, position
        The candidates; quanta a cell.
    box
        First and last row, first and last column of cells, half open.
    changes
        What the sums of the rows from one above to one below the box change by, as `merge` reads
        it, shape (rows + 2, GW, pairs + 2); starts with 0.
    """
    features, codes, shared = data
    top, bottom, left, right = box
    pairs, pixels, width = features.shape[2], codes.shape[2], changes.shape[1]
    corrections = _corrections(centres.values.shape[2] - 2, pairs, position)
    labels = changes.reshape(-1, pairs + 2)
    around = np.array([dr * width + dc for dr in range(-1, 2) for dc in range(-1, 2)])
    weights = np.zeros((CANDIDATES, pairs + 1), np.int32)
    base = np.zeros(CANDIDATES, np.int32)
    new = np.zeros(pixels, np.uint8)
    moved = np.zeros(pixels, np.uint32)
    for r in range(top, bottom):
        for c in range(left, right):
            if _none_moved(centres.moved, r + 1, c + 1):
                continue
            _weigh(centres, position, r + 1, c + 1, weights, base)
            count = _assign(features[r, c], shared, weights, base, codes[r, c], new, moved)
            if count > 0:
                own = (r - top + 1) * width + c
                pixel = (features[r, c], shared, codes[r, c])
                _move(pixel, new, moved[:count], corrections, around + own, labels)


@njit(nogil=True, cache=True)
def _assign(
    cell: Int16,
    shared: Int16,
    weights: Int32,
    base: Int32,
    old: Bytes,
    new: Bytes,
    moved: NDArray[np.uint32],
) -> int:
    """Find the codes of a cell's pixels; return how many changed, and which ones in `moved`."""
    count = 0
    for first in range(0, old.shape[0], 64):
        changed = np.uint64(0)
        for start in range(first, min(first + 64, old.shape[0]), LANES):
            bits = nearest(cell, shared, weights, base, old, new, start)
            changed |= np.uint64(bits) << np.uint64(start - first)
        while changed:
            moved[count] = first + trailing_zeros(changed)
            changed &= changed - np.uint64(1)
            count += 1
    return count


@njit(nogil=True, cache=True)
def _move(
    cell: tuple[Int16, Int16, Bytes],
    new: Bytes,
    moved: NDArray[np.uint32],
    corrections: Int64,
    around: Int64,
    labels: Int64,
) -> None:
    """Take pixels out of one label's sums and into another's; `around` are the nine labels."""
    features, shared, old = cell
    pairs = features.shape[0]
    for pixel in moved:
        p = np.uintp(pixel)
        before, after = np.uintp(old[p]), np.uintp(new[p])
        old[p] = new[p]
        source, target = np.uintp(around[before]), np.uintp(around[after])
        for pair in range(pairs):
            value = _two_sums(features[pair, p, 0], features[pair, p, 1])
            labels[source, pair] -= value + corrections[before, pair]
            labels[target, pair] += value + corrections[after, pair]
        value = _two_sums(shared[p, 0], shared[p, 1])
        labels[source, pairs] -= value + corrections[before, pairs]
        labels[target, pairs] += value + corrections[after, pairs]
        labels[source, pairs + 1] -= 1
        labels[target, pairs + 1] += 1


@njit(nogil=True, cache=True)
def _two_sums(first: int, second: int) -> int:
    """Pack two numbers into one that sums up both.

    The lower 32 bits hold the first sum; `LARGEST_CELL` keeps it from running over. What it
    borrows from the upper half when negative, `merge` gives back.
    """
    return (np.int64(second) << 32) + np.int64(first)


@njit(nogil=True, cache=True)
def _corrections(channels: int, pairs: int, position: int) -> Int64:
    """Per code, what makes a pixel's position relative to the candidate instead of its own cell."""
    out = np.zeros((CANDIDATES, pairs + 1), np.int64)
    for code in range(CANDIDATES):
        y = FEATURE_SCALE * position * (1 - code // 3)
        x = FEATURE_SCALE * position * (1 - code % 3)
        if channels % 2:
            out[code, pairs - 1] = _two_sums(0, y)
            out[code, pairs] = _two_sums(x, 0)
        else:
            out[code, pairs] = _two_sums(y, x)
    return out


@njit(nogil=True, cache=True)
def merge(changes: Int64, sums: Int64) -> None:
    """Add the changes of `associate`, shape (rows, GW, pairs + 2), to sums (rows, GW, C + 3)."""
    last = sums.shape[2] - 1
    for r in range(sums.shape[0]):
        for c in range(sums.shape[1]):
            for i in range(last):
                word = changes[r, c, i // 2]
                first = np.int64(np.int32(word & 0xFFFFFFFF))
                number = (word - first) >> 32 if i % 2 else first
                sums[r, c, i] += number // FEATURE_SCALE
            sums[r, c, last] += changes[r, c, changes.shape[2] - 1]


@njit(nogil=True, cache=True)
def cost(
    data: tuple[Int16, Bytes, Int16],
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
    features, codes, _ = data
    sy, sx, top, left, width = place
    channels = centres.values.shape[2] - 2
    for n in range(index.shape[0]):
        y, x = index[n] // width, index[n] % width
        r, c, u, v = top + y // sy, left + x // sx, y % sy, x % sx
        dr, dc = np.int64(code[n]) // 3 - 1, np.int64(code[n]) % 3 - 1
        centre = centres.values[r + dr + 1, c + dc + 1]
        if centres.norms[r + dr + 1, c + dc + 1] < 0:
            out[n] = NONE
            continue
        total = ((u * position + sy // 2) // sy - dr * position - centre[channels]) ** 2
        total += ((v * position + sx // 2) // sx - dc * position - centre[channels + 1]) ** 2
        p = u * sx + v
        if codes[r, c, p] != ABSENT:
            for i in range(channels):
                total += (features[r, c, i // 2, p, i % 2] // FEATURE_SCALE - centre[i]) ** 2
        out[n] = total
