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
    moved: Int32
    """The update that moved the centre last, counted from 1."""


@kernel()
def update(
    sums: Int64, centres: Centres, number: int, columns: tuple[int, int], top: int, bottom: int
) -> None:
    """Move the centres of a box of cells to the means of their pixels, rounded half up.

    This is update `number`; `columns` are the first column of cells and the one behind the last.
    """
    values, norms, weights, last_moves = centres
    last = values.shape[2]
    for r in range(top, bottom):
        for c in range(columns[0], columns[1]):
            n = sums[r, c, last]
            if n > 0:
                moved = norms[r + 1, c + 1] < 0
                for i in range(last):
                    mean = (2 * sums[r, c, i] + n) // (2 * n)
                    moved |= mean != values[r + 1, c + 1, i]
                    values[r + 1, c + 1, i] = mean
                if moved:
                    last_moves[r + 1, c + 1] = number
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
    """Fill in weights and bases of the nine candidates of cell (r, c), rim counted."""
    values, norms, words = centres
    channels, pairs = values.shape[2] - 2, words.shape[2]
    for code in range(CANDIDATES):
        dr, dc = code // 3 - 1, code % 3 - 1
        norm = np.int64(norms[r + dr, c + dc])
        y = values[r + dr, c + dc, channels] + dr * position
        x = values[r + dr, c + dc, channels + 1] + dc * position
        base[code] = NONE if norm < 0 else VALUE_SCALE * (norm + y * y + x * x) + code
        for pair in range(pairs):
            weights[code, pair] = words[r + dr, c + dc, pair]
        if channels % 2:
            weights[code, pairs - 1] |= _two_weights(0, y)
            weights[code, pairs] = _two_weights(x, 0)
        else:
            weights[code, pairs] = _two_weights(y, x)
        if norm < 0:
            weights[code] = 0


@kernel(forceinline=True)
def _last_move(moved: Int32, r: int, c: int) -> int:
    """Return the last update that moved any of the nine candidates of a cell."""
    last = np.int32(0)
    for dr in range(-1, 2):
        for dc in range(-1, 2):
            last = max(last, moved[r + dr, c + dc])
    return last


@kernel()
def associate(
    data: tuple[Int32, Bytes, Int32],
    centres: Centres,
    position: int,
    visit: tuple[int, int, Int32, Int32],
    box: tuple[int, int, int, int],
    changes: Int64,
) -> None:
    """Give some rows of a box of cells to their nearest candidates.

    Rows are left out when no candidate moved since they were visited: they would stay as they are.

    Parameters
    ----------
    data
        Features and codes of `Cells`, and the pair of features that cells share.
    centres, position
        The candidates; quanta a cell.
    visit
        First and last class of rows, half open; where the classes start in a cell, and which update
        came before the last visit of each, 0 for none.
    box
        First and last row, first and last column of cells, half open.
    changes
        What the sums of the box's rows and those next to them change by, as `merge` reads it,
        shape (rows + 2, GW + 2, pairs + 2); starts with 0.
    """
    codes = data[1]
    values, norms, words, last_moves = centres
    first, last, bounds, since = visit
    top, bottom, left, right = box
    pairs = words.shape[2]
    corrections = _corrections(values.shape[2] - 2, pairs, position)
    net = np.zeros((CANDIDATES, pairs + 2), np.int64)
    weights = np.zeros((CANDIDATES, pairs + 1), np.int32)
    base = np.zeros(CANDIDATES, np.int32)
    new = np.zeros(codes.shape[2], np.uint8)
    moved = np.zeros(codes.shape[2], np.uint32)
    for r in range(top, bottom):
        for c in range(left, right):
            last_move = _last_move(last_moves, r + 1, c + 1)
            is_ready, count = False, 0
            for kind in range(first, last):
                if last_move > since[kind]:
                    if not is_ready:
                        _weigh((values, norms, words), position, r + 1, c + 1, weights, base)
                        is_ready = True
                    places = (np.intp(bounds[kind]), np.intp(bounds[kind + 1]))
                    cell = r * codes.shape[1] + c
                    for start in range(places[0], places[1], LANES):
                        prefetch(data, cell + 2, start)
                    count = _assign(data, (weights, base), new, cell, places, (moved, count))
            if count > 0:
                _move(data, r, c, new, moved, count, net)
                _book(net, corrections, r - top, c, changes)


@kernel(forceinline=True)
def _assign(
    data: tuple[Int32, Bytes, Int32],
    candidates: tuple[Int32, Int32],
    new: Bytes,
    cell: int,
    places: tuple[int, int],
    noted: tuple[NDArray[np.uint32], int],
) -> int:
    """Find the codes of some pixels of a cell, and note which ones change.

    `noted` are such pixels and how many there are already; returns how many there are then.
    """
    moved, count = noted
    for first in range(places[0], places[1], 64):
        changed = np.uint64(0)
        for start in range(first, min(first + 64, places[1]), LANES):
            bits = nearest(data, candidates, new, cell, start)
            changed |= np.uint64(bits) << np.uint64(start - first)
        while changed:
            moved[np.uintp(count)] = first + trailing_zeros(changed)
            changed &= changed - np.uint64(1)
            count += 1
    return count


@kernel(forceinline=True)
def _move(
    data: tuple[Int32, Bytes, Int32],
    r: int,
    c: int,
    new: Bytes,
    moved: NDArray[np.uint32],
    count: int,
    net: Int64,
) -> None:
    """Give pixels their new codes; `net` becomes what the nine candidates' sums change by."""
    features, codes, shared = data
    pairs = features.shape[2]
    net[:] = 0
    for i in range(count):
        p = np.uintp(moved[i])
        before, after = np.uintp(codes[r, c, p]), np.uintp(new[p])
        codes[r, c, p] = new[p]
        for pair in range(pairs):
            value = _two_sums(features[r, c, pair, p])
            net[before, pair] -= value
            net[after, pair] += value
        value = _two_sums(shared[p])
        net[before, pairs] -= value
        net[after, pairs] += value
        net[before, pairs + 1] -= 1
        net[after, pairs + 1] += 1


@kernel(forceinline=True)
def _book(net: Int64, corrections: Int64, r: int, c: int, changes: Int64) -> None:
    """Add what a cell's pixels change to the labels around it, the first of which is (r, c)."""
    last = net.shape[1] - 1
    for code in range(CANDIDATES):
        n = net[code, last]
        for i in range(last + 1):
            changes[r + code // 3, c + code % 3, i] += net[code, i] + n * corrections[code, i]


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
    pixels: tuple[Int32, Bytes, Int32, Int32],
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
        Features and codes of `Cells`, offsets of its frame, and where rows start in a cell.
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
    features, codes, offsets, starts = pixels
    # Unsigned numbers of 32 bits divide several times faster than int64.
    sy, sx, width = np.uint32(place[0]), np.uint32(place[1]), np.uint32(place[4])
    values, norms = centres.values, centres.norms
    channels = values.shape[2] - 2
    for n in range(index.shape[0]):
        flat, dr = np.uint32(index[n]), np.int64(code[n] // 3)
        y, dc = np.uint32(flat // width), np.int64(code[n] % 3)
        x = np.uint32(flat - y * width)
        v, u = np.uint32(y // sy), np.uint32(x // sx)
        r, c = place[2] + np.int64(v), place[3] + np.int64(u)
        p = np.uintp(np.uint32(starts[y - v * sy]) + (x - u * sx))
        near_r, near_c = r + dr, c + dc
        out[n] = NONE
        if norms[near_r, near_c] >= 0:
            down = offsets[0, p] + (1 - dr) * position - values[near_r, near_c, channels]
            right = offsets[1, p] + (1 - dc) * position - values[near_r, near_c, channels + 1]
            total = down**2 + right**2
            if codes[r, c, p] != ABSENT:
                for i in range(channels):
                    own = feature(features[r, c, i // 2, p], i)
                    total += (own - values[near_r, near_c, i]) ** 2
            out[n] = total
