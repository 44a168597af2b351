"""The loops of SLIC over cells: centres, associations, distances of single pixels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.bits import trailing_zeros
from napari_superpixels.kernels.cells import feature
from napari_superpixels.kernels.cone import NONE
from napari_superpixels.kernels.jit import kernel
from napari_superpixels.kernels.nearest import (
    ABSENT,
    CANDIDATES,
    FEATURE_SCALE,
    LANES,
    VALUE_SCALE,
    WEIGHT_SCALE,
    nearest,
    prefetch,
)

AHEAD = 2
"""Cells between the one worked on and the one that is fetched from memory meanwhile."""

TOGETHER = 32
"""Single pixels that are fetched together."""

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


@kernel()
def update(sums: Int64, centres: Centres, left: int, right: int, top: int, bottom: int) -> None:
    """Move the centres of a box of cells to the means of their pixels, rounded half up."""
    values, norms, weights, moves = centres
    last = values.shape[2]
    for r in range(top, bottom):
        for c in range(left, right):
            n = sums[r, c, last]
            moved = False
            if n > 0:
                moved = norms[r + 1, c + 1] < 0
                for i in range(last):
                    mean = (2 * sums[r, c, i] + n) // (2 * n)
                    moved |= mean != values[r + 1, c + 1, i]
                    values[r + 1, c + 1, i] = mean
            moves[r + 1, c + 1] = moved
            if moved:
                _prepare(values, norms, weights, r + 1, c + 1)


@kernel(forceinline=True)
def _prepare(values: Int32, norms: Int32, weights: Int32, r: int, c: int) -> None:
    """Bring what follows from a centre's features up to date."""
    channels = values.shape[2] - 2
    norm = 0
    for pair in range(weights.shape[2]):
        first = values[r, c, 2 * pair]
        second = values[r, c, 2 * pair + 1] if 2 * pair + 1 < channels else 0
        norm += first * first + second * second
        weights[r, c, pair] = _two_weights(first, second)
    norms[r, c] = norm


@kernel(forceinline=True)
def _two_weights(first: int, second: int) -> int:
    """Pack the weights of two coordinates into 32 bits, the first one low."""
    return ((-2 * WEIGHT_SCALE * first) & 0xFFFF) | ((-2 * WEIGHT_SCALE * second) << 16)


@kernel(forceinline=True)
def _weigh(
    centres: tuple[Int32, Int32, Int32], position: int, r: int, c: int, weights: Int32, base: Int32
) -> None:
    """Fill in weights and bases of the nine candidates of cell (r, c)."""
    values, norms, words = centres
    channels, pairs = np.uintp(values.shape[2] - 2), np.uintp(words.shape[2])
    odd, one = channels & np.uintp(1), np.uintp(1)
    # The longer loop is the inner one: of few turns and a fixed number, it is unrolled.
    for i in range(pairs):
        for code in range(CANDIDATES):
            y, x = _candidate(r, c, code)
            weights[np.uintp(code), np.uintp(i)] = words[y, x, np.uintp(i)]
    for code in range(CANDIDATES):
        y, x = _candidate(r, c, code)
        norm, k = norms[y, x], np.uintp(code)
        is_there = np.int32(-1 if norm >= 0 else 0)
        py = (values[y, x, channels] + np.int32((code // 3 - 1) * position)) & is_there
        px = (values[y, x, channels + one] + np.int32((code % 3 - 1) * position)) & is_there
        length = np.int32(VALUE_SCALE * np.int32(norm + py * py + px * px) + code)
        base[k] = length if is_there else np.int32(NONE)
        if odd:
            weights[k, pairs - one] |= _two_weights(0, py)
            weights[k, pairs] = _two_weights(px, 0)
        else:
            weights[k, pairs] = _two_weights(py, px)


@kernel(forceinline=True)
def _candidate(r: int, c: int, code: int) -> tuple[np.uintp, np.uintp]:
    """Return where a candidate of cell (r, c) is on the lattice with a rim.

    The rim makes up for the -1; unsigned indices spare tests for negatives.
    """
    return np.uintp(r + code // 3), np.uintp(c + code % 3)


@kernel(forceinline=True)
def _none_moved(moved: Bytes, r: int, c: int) -> bool:
    total = 0
    for dr in range(3):
        for dc in range(3):
            total |= moved[np.uintp(r + dr), np.uintp(c + dc)]
    return total == 0


@kernel()
def associate(
    data: tuple[Int32, Bytes, Int32],
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
        What the sums of the box's rows and those next to them change by, as `merge` reads it,
        shape (rows + 2, GW + 2, pairs + 2); starts with 0.
    """
    codes = data[1]
    values, norms, words, moves = centres
    top, bottom, left, right = box
    pairs, columns = words.shape[2], codes.shape[1]
    tables = _corrections(values.shape[2] - 2, pairs, position), _steps(changes.shape)
    flat = changes.reshape(-1)
    weights = np.zeros((CANDIDATES, pairs + 1), np.int32)
    base = np.zeros(CANDIDATES, np.int32)
    new = np.zeros(codes.shape[2], np.uint8)
    for r in range(top, bottom):
        for c in range(left, right):
            if not _none_moved(moves, r, c):
                _weigh((values, norms, words), position, r, c, weights, base)
                first = ((r - top) * (columns + 2) + c) * (pairs + 2)
                _assign(data, (weights, base), r * columns + c, new, tables, (flat, first))


@kernel(forceinline=True)
def _assign(
    data: tuple[Int32, Bytes, Int32],
    candidates: tuple[Int32, Int32],
    cell: int,
    new: Bytes,
    tables: tuple[Int64, Int64],
    booked: tuple[Int64, int],
) -> None:
    """Give the pixels of a cell to their nearest candidates, and book what sums change by.

    `booked` are the changes, flat, and where those of the first candidate are; `new` is room for
    the cell's codes.
    """
    features, codes, shared = data
    pairs, pixels = np.uintp(features.shape[2]), np.uintp(codes.shape[2])
    flat_codes = codes.reshape(-1)
    flat_features = features.reshape(-1)
    origin = np.uintp(cell) * pixels
    for first in range(0, codes.shape[2], 64):
        changed = np.uint64(0)
        for start in range(first, min(first + 64, codes.shape[2]), LANES):
            prefetch(data, cell + AHEAD, start)
            bits = nearest(data, candidates, new, cell, start)
            changed |= np.uint64(bits) << np.uint64(start - first)
        while changed:
            p = np.uintp(first) + np.uintp(trailing_zeros(changed))
            changed &= changed - np.uint64(1)
            before, after = np.uintp(flat_codes[origin + p]), np.uintp(new[p])
            flat_codes[origin + p] = new[p]
            pixel = origin * pairs + p
            _move((flat_features, shared), (pixel, pixels, p), (before, after), tables, booked)


@kernel(forceinline=True)
def _move(
    data: tuple[Int32, Int32],
    place: tuple[np.uintp, np.uintp, np.uintp],
    codes: tuple[np.uintp, np.uintp],
    tables: tuple[Int64, Int64],
    booked: tuple[Int64, int],
) -> None:
    """Take a pixel from the sums of one label and add it to those of another.

    `place` says where its first pair is, how far it is to the next one, and where its shared pair.
    """
    features, shared = data
    corrections, steps = tables
    changes, first = booked
    before, after = codes
    pixel, stride, p = place
    pairs = np.uintp(corrections.shape[1] - 2)
    old, new = np.uintp(first + steps[before]), np.uintp(first + steps[after])
    for i in range(pairs + np.uintp(1)):
        k = np.uintp(i)
        word = shared[p] if k == pairs else features[pixel + k * stride]
        value = _two_sums(word)
        changes[old + k] -= value + corrections[before, k]
        changes[new + k] += value + corrections[after, k]
    changes[old + pairs + np.uintp(1)] -= 1
    changes[new + pairs + np.uintp(1)] += 1


@kernel(forceinline=True)
def _two_sums(word: np.int32) -> np.int64:
    """Spread the two features in a word so far apart that both can be summed up in one number.

    The lower 32 bits hold the first sum; `cells.LARGEST_CELL` keeps it from running over. What it
    borrows from the upper half when negative, `merge` gives back.
    """
    return (np.int64(word >> 16) << 32) + np.int64(np.int16(word))


@kernel()
def _corrections(channels: int, pairs: int, position: int) -> Int64:
    """Per code, what makes one pixel's position relative to the candidate instead of its cell."""
    out = np.zeros((CANDIDATES, pairs + 2), np.int64)
    for code in range(CANDIDATES):
        y = FEATURE_SCALE * position * (1 - code // 3)
        x = FEATURE_SCALE * position * (1 - code % 3)
        if channels % 2:
            out[code, pairs - 1] = y << 32
            out[code, pairs] = x
        else:
            out[code, pairs] = (x << 32) + y
    return out


@kernel()
def _steps(shape: tuple[int, int, int]) -> Int64:
    """Return how far the changes of each candidate are from those of the first one."""
    out = np.empty(CANDIDATES, np.int64)
    for code in range(CANDIDATES):
        out[code] = ((code // 3) * shape[1] + code % 3) * shape[2]
    return out


@kernel()
def merge(changes: Int64, sums: Int64) -> None:
    """Add the changes of `associate`, (rows, GW + 2, pairs + 2), to sums (rows, GW, C + 3)."""
    last = sums.shape[2] - 1
    for r in range(sums.shape[0]):
        for c in range(sums.shape[1]):
            for i in range(last):
                word = changes[r, c + 1, i // 2]
                first = np.int64(np.int32(word & 0xFFFFFFFF))
                number = (word - first) >> 32 if i % 2 else first
                sums[r, c, i] += number // FEATURE_SCALE
            sums[r, c, last] += changes[r, c + 1, changes.shape[2] - 1]


@kernel()
def cost(
    pixels: tuple[Int32, Bytes, Int32],
    centres: Centres,
    position: int,
    place: tuple[int, int, int, int, int],
    index: Int64,
    code: Bytes,
    out: Int32,
) -> None:
    """Squared distances of pixels to one candidate each.

    Parameters
    ----------
    pixels
        Features and codes of `Cells`, offsets of its frame.
    centres, position
        The candidates; quanta a cell.
    place
        The step along y and x; of the image that `index` counts in, the first cell along y and x,
        and the width; it has less than 2^32 pixels.
    index, code
        Pixels and candidates.
    out
        Where the distances go.
    """
    columns = pixels[1].shape[1]
    cells, places = np.empty(TOGETHER, np.uint32), np.empty(TOGETHER, np.uint32)
    for start in range(0, index.size, TOGETHER):
        count = min(TOGETHER, index.size - start)
        # The pixels lie far from each other: all are fetched before the first is looked at.
        for i in range(count):
            cell, p = _locate(np.uint32(index[start + i]), place, columns)
            prefetch(pixels, np.intp(cell), np.intp(p))
            cells[i], places[i] = cell, p
        for i in range(count):
            r, c = cells[i] // np.uint32(columns), cells[i] % np.uint32(columns)
            here = (np.uintp(r), np.uintp(c), np.uintp(places[i]))
            candidate = int(np.int64(code[start + i]))
            out[start + i] = _distance(pixels, centres, position, here, candidate)


@kernel(forceinline=True)
def _locate(
    flat: np.uint32, place: tuple[int, int, int, int, int], columns: int
) -> tuple[np.uint32, np.uint32]:
    """Return the cell of a pixel, counted in raster order, and its place there.

    Unsigned numbers of 32 bits divide several times faster than int64.
    """
    sy, sx, width = np.uint32(place[0]), np.uint32(place[1]), np.uint32(place[4])
    y = np.uint32(flat // width)
    x = np.uint32(flat - y * width)
    v, u = np.uint32(y // sy), np.uint32(x // sx)
    cell = np.uint32((place[2] + np.int64(v)) * columns + place[3] + np.int64(u))
    return cell, np.uint32((y - v * sy) * sx + (x - u * sx))


@kernel(forceinline=True)
def _distance(
    pixels: tuple[Int32, Bytes, Int32],
    centres: Centres,
    position: int,
    here: tuple[np.uintp, np.uintp, np.uintp],
    code: int,
) -> np.int64:
    """Return the squared distance of a pixel, given by its cell and its place, to a candidate."""
    features, codes, offsets = pixels
    values = centres.values
    r, c, p = here
    y, x = r + np.uintp(code // 3), c + np.uintp(code % 3)
    if centres.norms[y, x] < 0:
        return np.int64(NONE)
    channels = values.shape[2] - 2
    down = offsets[0, p] - (code // 3 - 1) * position - values[y, x, channels]
    right = offsets[1, p] - (code % 3 - 1) * position - values[y, x, channels + 1]
    total = down**2 + right**2
    if codes[r, c, p] != ABSENT:
        for i in range(channels):
            own = feature(features[r, c, np.uintp(i // 2), p], i)
            total += (own - values[y, x, np.uintp(i)]) ** 2
    return np.int64(total)
