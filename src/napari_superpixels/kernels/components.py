"""Rules 1 to 3 of connectivity: which component each label keeps.

The image is scanned once. Runs of equal code (cut at cell borders) are joined by union-find in a
ring that holds three rows of cells; a row of labels is decided as soon as the row of cells below it
was scanned, for a label never lies further from its own cell than that.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_superpixels.kernels.ids import OWN

# Values of a pixel that has no label yet; a pending or weak code is `code + PENDING`.
FREE, QUEUED, PENDING = 254, 253, 16

# Columns of the table of runs. A run starts where the one before it ended.
PARENT, SCORE, END, LABEL = 0, 1, 2, 3
OWNS = 1 << 30  # added to the score of a component that touches its label's own cell

# What a cell holds: home pixels, pixels of rule 2 not yet decided, pixels of rule 2 kept.
HOME, WEAK, KEPT = 1, 2, 4

SCAN_PIXELS = 1 << 22  # pixels scanned between two pulses


class _Scan(NamedTuple):
    """What the scan carries from row to row; lattices have a border of one cell."""

    runs: NDArray[np.int32]  # ring of runs, numbered in raster order
    first: NDArray[np.int64]  # number of the first run of each row
    best: NDArray[np.int32]  # of each label in a row of cells: best score, root of that component
    flags: NDArray[np.uint8]  # what each cell holds
    line: NDArray[np.uint8]  # one row of codes, nodata as the own cell

    @classmethod
    def over(cls, shape: tuple[int, int], step: tuple[int, int]) -> "_Scan":
        height, width = -(-shape[0] // step[0]) + 2, -(-shape[1] // step[1]) + 2
        return cls(
            np.empty((_ring_size(step[0], shape[1]), 4), np.int32),
            np.zeros(shape[0] + 1, np.int64),
            np.empty((width, 2), np.int32),
            np.zeros((height, width), np.uint8),
            np.empty(shape[1], np.uint8),
        )


def _ring_size(step: int, columns: int) -> int:
    """Return how many runs can lie in three rows of cells, rounded up to a power of two."""
    return 1 << (3 * step * columns - 1).bit_length()


def bytes_for(shape: tuple[int, int], step: tuple[int, int]) -> int:
    """Return the memory that `keep` uses, in bytes."""
    height, width = -(-shape[0] // step[0]) + 2, -(-shape[1] // step[1]) + 2
    ring = 16 * _ring_size(step[0], shape[1])
    return ring + 8 * (shape[0] + 1) + 8 * width + height * width + shape[1]


def keep(
    codes: NDArray[np.uint8],
    valid: NDArray[np.bool_],
    step: tuple[int, int],
    out: NDArray[np.uint8],
    pulse: Callable[[], None],
) -> int:
    """Write the kept codes and FREE elsewhere; return the number of free pixels."""
    scan = _Scan.over(codes.shape, step)
    height = -(-codes.shape[0] // step[0])
    stride = max(1, SCAN_PIXELS // (step[0] * codes.shape[1]))
    for r in range(0, height, stride):
        pulse()
        good = _keep_rows(codes, valid, step, (r, min(r + stride, height)), scan, out)
        assert good, "a code of a valid pixel is over 8"
    pulse()
    return int(_settle(out, scan.flags, step))


@njit(nogil=True, cache=True)
def _keep_rows(
    codes: NDArray[np.uint8],
    valid: NDArray[np.bool_],
    step: tuple[int, int],
    within: tuple[int, int],
    scan: _Scan,
    out: NDArray[np.uint8],
) -> bool:
    """Scan some rows of cells; decide each row of labels as soon as all its pixels were seen."""
    height = scan.flags.shape[0] - 2
    for r in range(within[0], within[1]):
        for y in range(r * step[0], min((r + 1) * step[0], codes.shape[0])):
            if not _read_line(codes, valid, y, scan.line):
                return False
            _scan_line(scan, valid, y, r, step[1])
        _decide(scan, r - 1, step, out)
        if r == height - 1:
            _decide(scan, r, step, out)
            _decide(scan, r + 1, step, out)
    return True


@njit(nogil=True, cache=True)
def _read_line(
    codes: NDArray[np.uint8], valid: NDArray[np.bool_], y: int, line: NDArray[np.uint8]
) -> bool:
    """Copy a row of codes, nodata as the own cell; return whether all are codes."""
    highest = np.uint8(0)
    for x in range(line.size):
        code = codes[y, x]
        if valid.size > 0 and not valid[y, x]:
            code = np.uint8(OWN)
        highest = max(highest, code)
        line[x] = code
    return bool(highest < 9)


@njit(nogil=True, cache=True)
def _scan_line(scan: _Scan, valid: NDArray[np.bool_], y: int, r: int, step: int) -> None:
    """Append the runs of a row and join them with their neighbours to the left and above."""
    runs, mask = scan.runs, scan.runs.shape[0] - 1
    line, size = scan.line, scan.line.size
    n = first = scan.first[y]
    above = scan.first[max(y - 1, 0)]
    start = column = 0
    while start < size:
        edge = min((column + 1) * step, size)
        code = line[start]
        stop = start + 1
        while stop < edge and line[stop] == code:
            stop += 1
        label = (r + code // 3) * scan.best.shape[0] + column + code % 3
        i = n & mask
        runs[i, PARENT] = n
        runs[i, SCORE] = _score(valid, y, start, stop, code)
        runs[i, END] = stop
        runs[i, LABEL] = label
        if n > first and runs[(n - 1) & mask, LABEL] == label:
            _join(runs, mask, n - 1, n)
        while above < first and runs[above & mask, END] <= start:
            above += 1
        other = above
        while other < first:
            if runs[other & mask, LABEL] == label:
                _join(runs, mask, other, n)
            if runs[other & mask, END] >= stop:
                break
            other += 1
        n += 1
        start = stop
        column += stop == edge
    scan.first[y + 1] = n


@njit(nogil=True, cache=True)
def _score(valid: NDArray[np.bool_], y: int, start: int, stop: int, code: int) -> int:
    """Return the valid pixels of a run, and OWNS if it lies in its label's own cell."""
    count = stop - start
    if valid.size > 0:
        count = 0
        for x in range(start, stop):
            count += valid[y, x]
    return count + OWNS if code == OWN else count


@njit(nogil=True, cache=True)
def _find(runs: NDArray[np.int32], mask: int, i: int) -> int:
    """Return the root, which is the first run, of the component of run `i`."""
    while runs[i & mask, PARENT] != i:
        up = runs[runs[i & mask, PARENT] & mask, PARENT]
        runs[i & mask, PARENT] = up
        i = up
    return i


@njit(nogil=True, cache=True)
def _join(runs: NDArray[np.int32], mask: int, i: int, j: int) -> None:
    """Make one component of two; the root is the run that comes first."""
    i, j = _find(runs, mask, i), _find(runs, mask, j)
    if i == j:
        return
    low, high = min(i, j) & mask, max(i, j) & mask
    a, b = runs[low, SCORE], runs[high, SCORE]
    runs[high, PARENT] = min(i, j)
    runs[low, SCORE] = ((a & (OWNS - 1)) + (b & (OWNS - 1))) | ((a | b) & OWNS)


@njit(nogil=True, cache=True)
def _decide(scan: _Scan, r: int, step: tuple[int, int], out: NDArray[np.uint8]) -> None:
    """Choose the component that each label of row `r` of the lattice may keep, and write it."""
    runs, mask, best = scan.runs, scan.runs.shape[0] - 1, scan.best
    width = best.shape[0]
    below = (r + 1) * width
    top = max(r - 1, 0) * step[0]
    bottom = min((r + 2) * step[0], out.shape[0])
    best[:, 0] = -1
    for n in range(scan.first[top], scan.first[bottom]):
        i = n & mask
        column = runs[i, LABEL] - below
        if runs[i, PARENT] == n and 0 <= column < width and runs[i, SCORE] > best[column, 0]:
            best[column, 0] = runs[i, SCORE]
            best[column, 1] = n
    for y in range(top, bottom):
        _write_line(scan, r, y, step, out)


@njit(nogil=True, cache=True)
def _write_line(scan: _Scan, r: int, y: int, step: tuple[int, int], out: NDArray[np.uint8]) -> None:
    """Write the pixels of one row whose labels lie in row `r` of the lattice."""
    runs, mask, best = scan.runs, scan.runs.shape[0] - 1, scan.best
    below = (r + 1) * best.shape[0]
    row = y // step[0]
    start = column = 0
    for n in range(scan.first[y], scan.first[y + 1]):
        stop = runs[n & mask, END]
        label = runs[n & mask, LABEL] - below
        if 0 <= label < best.shape[0]:
            value = FREE
            if _find(runs, mask, n) == best[label, 1]:
                home = best[label, 0] >= OWNS
                value = 3 * (r - row + 1) + label - column + (0 if home else PENDING)
                scan.flags[row + 1, column + 1] |= HOME if home else WEAK
            for x in range(start, stop):
                out[y, x] = value
        start = stop
        column += stop == (column + 1) * step[1]


@njit(nogil=True, cache=True)
def _settle(out: NDArray[np.uint8], flags: NDArray[np.uint8], step: tuple[int, int]) -> int:
    """Decide the pixels of rule 2, fill the cells of rule 3; return the number of free pixels."""
    free = 0
    for r in range(flags.shape[0] - 2):
        for c in range(flags.shape[1] - 2):
            cell = out[r * step[0] : (r + 1) * step[0], c * step[1] : (c + 1) * step[1]]
            if flags[r + 1, c + 1] & WEAK:
                _settle_cell(cell, flags, r, c)
            if flags[r + 1, c + 1] & (HOME | KEPT):
                for y in range(cell.shape[0]):
                    for x in range(cell.shape[1]):
                        free += cell[y, x] == FREE
            else:
                cell[:] = OWN
    return free


@njit(nogil=True, cache=True)
def _settle_cell(cell: NDArray[np.uint8], flags: NDArray[np.uint8], r: int, c: int) -> None:
    """Keep the undecided pixels of one cell where their label's own cell holds home pixels."""
    for y in range(cell.shape[0]):
        for x in range(cell.shape[1]):
            if PENDING <= cell[y, x] < PENDING + 9:
                code = cell[y, x] - PENDING
                if flags[r + code // 3, c + code % 3] & HOME:
                    cell[y, x] = code
                    flags[r + 1, c + 1] |= KEPT
                else:
                    cell[y, x] = FREE
