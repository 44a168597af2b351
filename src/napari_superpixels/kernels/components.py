"""Rules 1 to 3 of connectivity: which component each label keeps.

The image is scanned once. Runs of equal code (cut at cell borders) are joined by union-find in a
ring that holds five rows of cells. A row of cells is written when the two below it were scanned: no
label in it reaches further down, so the best component of each is known by then, and none reaches
more than two rows up, so the first run of each is still there.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.ids import OWN
from napari_superpixels.kernels.jit import kernel

# Values of a pixel that has no label yet; a pending or weak code is `code + PENDING`.
FREE, QUEUED, PENDING = 254, 253, 16

# Columns of the table of runs. A run starts where the one before it ended.
PARENT, SCORE, END, LABEL = 0, 1, 2, 3
OWNS = 1 << 30  # added to the score of a component that touches its label's own cell
SLOTS = 8  # rows of labels that are remembered; five are in use at a time
CODE_BITS = 4  # a run's LABEL is its label's place in `best`, then its code in that many bits

# What a cell holds: home pixels, pixels of rule 2 not yet decided, pixels of rule 2 kept.
HOME, WEAK, KEPT = 1, 2, 4

SCAN_PIXELS = 1 << 22  # pixels scanned between two pulses


class _Scan(NamedTuple):
    """What the scan carries from row to row; lattices have a border of one cell."""

    runs: NDArray[np.int32]  # ring of runs, numbered in raster order
    first: NDArray[np.int64]  # number of the first run of each row
    best: NDArray[np.int32]  # of each label in SLOTS rows: best score, root of that component
    flags: NDArray[np.uint8]  # what each cell holds
    line: NDArray[np.uint8]  # one row of codes, nodata as the own cell

    @classmethod
    def over(cls, shape: tuple[int, int], step: tuple[int, int], runs: int) -> "_Scan":
        height, width = -(-shape[0] // step[0]) + 2, -(-shape[1] // step[1]) + 2
        return cls(
            np.empty((_ring_size(runs), 4), np.int32),
            np.zeros(shape[0] + 1, np.int64),
            np.empty((SLOTS * width, 2), np.int32),
            np.zeros((height, width), np.uint8),
            np.empty(shape[1], np.uint8),
        )


def _ring_size(runs: int) -> int:
    """Return the number of runs rounded up to a power of two."""
    return 1 << (runs - 1).bit_length()


def bytes_for(shape: tuple[int, int], step: tuple[int, int]) -> int:
    """Return an upper bound of the memory that `keep` uses, in bytes."""
    height, width = -(-shape[0] // step[0]) + 2, -(-shape[1] // step[1]) + 2
    ring = 16 * _ring_size(min(5 * step[0], shape[0]) * shape[1])
    return ring + 8 * (shape[0] + 1) + 8 * SLOTS * width + height * width + 2 * shape[1]


def keep(
    codes: NDArray[np.uint8],
    valid: NDArray[np.bool_],
    step: tuple[int, int],
    out: NDArray[np.uint8],
    pulse: Callable[[], None],
) -> int:
    """Write the kept codes and FREE elsewhere; return the number of free pixels.

    `valid` has no elements where all pixels are valid.
    """
    pulse()
    runs = _count_runs(codes, valid, step)
    assert runs > 0, "a code of a valid pixel is over 8"
    scan = _Scan.over(codes.shape, step, runs)
    height = scan.flags.shape[0] - 2
    stride = max(1, SCAN_PIXELS // (step[0] * codes.shape[1]))
    for r in range(0, height + 2, stride):
        pulse()
        _keep_rows(codes, valid, step, (r, min(r + stride, height + 2)), scan, out)
    pulse()
    return int(_settle(out, scan.flags, step))


@kernel()
def _count_runs(codes: NDArray[np.uint8], valid: NDArray[np.bool_], step: tuple[int, int]) -> int:
    """Return the most runs in five rows of cells, or a few more; 0 if a code is none."""
    most = 0
    counts = (0, 0, 0, 0, 0)
    line = np.empty(codes.shape[1], np.uint8)
    for top in range(0, codes.shape[0], step[0]):
        count = 0
        for y in range(top, min(top + step[0], codes.shape[0])):
            if not _read_line(codes, valid, y, line):
                return 0
            count += -(-line.size // step[1])
            for x in range(1, line.size):
                count += line[x] != line[x - 1]
        counts = (counts[1], counts[2], counts[3], counts[4], count)
        most = max(most, sum(counts))
    return most


@kernel()
def _keep_rows(
    codes: NDArray[np.uint8],
    valid: NDArray[np.bool_],
    step: tuple[int, int],
    within: tuple[int, int],
    scan: _Scan,
    out: NDArray[np.uint8],
) -> None:
    """Scan some rows of cells, and write those that lie two rows before them."""
    size, width = codes.shape[0], scan.flags.shape[1]
    for r in range(within[0], within[1]):
        for slot in range(0 if r == 0 else r + 2, r + 3):
            start = slot % SLOTS * width
            scan.best[start : start + width, 0] = -1
        for y in range(r * step[0], min((r + 1) * step[0], size)):
            _read_line(codes, valid, y, scan.line)
            _scan_line(scan, valid, y, r, step[1])
        for y in range(max(r - 2, 0) * step[0], min((r - 1) * step[0], size)):
            _write_line(scan, r - 2, y, step[1], out)


@kernel()
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


@kernel()
def _scan_line(scan: _Scan, valid: NDArray[np.bool_], y: int, r: int, step: int) -> None:
    """Append the runs of a row and join them with their neighbours to the left and above."""
    runs, mask = scan.runs, scan.runs.shape[0] - 1
    line, size, width = scan.line, scan.line.size, scan.flags.shape[1]
    n = first = scan.first[y]
    above = scan.first[max(y - 1, 0)]
    start = column = 0
    while start < size:
        edge = min((column + 1) * step, size)
        code = line[start]
        stop = start + 1
        while stop < edge and line[stop] == code:
            stop += 1
        place = (r + code // 3) % SLOTS * width + column + code % 3
        label = place << CODE_BITS | code
        i = n & mask
        runs[i, PARENT] = n
        runs[i, SCORE] = _score(valid, y, start, stop, code)
        runs[i, END] = stop
        runs[i, LABEL] = label
        if n > first and _is_same(runs[(n - 1) & mask, LABEL], label):
            _join(runs, mask, n - 1, n)
        while above < first and runs[above & mask, END] <= start:
            above += 1
        other = above
        while other < first:
            if _is_same(runs[other & mask, LABEL], label):
                _join(runs, mask, other, n)
            if runs[other & mask, END] >= stop:
                break
            other += 1
        _note(runs, mask, n, scan.best[place])
        n += 1
        start = stop
        column += stop == edge
    scan.first[y + 1] = n


@kernel()
def _score(valid: NDArray[np.bool_], y: int, start: int, stop: int, code: int) -> int:
    """Return the valid pixels of a run, and OWNS if it lies in its label's own cell."""
    count = stop - start
    if valid.size > 0:
        count = 0
        for x in range(start, stop):
            count += valid[y, x]
    return count + OWNS if code == OWN else count


@kernel()
def _is_same(a: int, b: int) -> bool:
    return (a ^ b) < (1 << CODE_BITS)


@kernel()
def _find(runs: NDArray[np.int32], mask: int, i: int) -> int:
    """Return the root, which is the first run, of the component of run `i`."""
    while runs[i & mask, PARENT] != i:
        up = runs[runs[i & mask, PARENT] & mask, PARENT]
        runs[i & mask, PARENT] = up
        i = up
    return i


@kernel()
def _join(runs: NDArray[np.int32], mask: int, i: int, j: int) -> None:
    """Make one component of two; the root is the run that comes first."""
    i, j = _find(runs, mask, i), _find(runs, mask, j)
    if i == j:
        return
    low, high = min(i, j) & mask, max(i, j) & mask
    a, b = runs[low, SCORE], runs[high, SCORE]
    runs[high, PARENT] = min(i, j)
    runs[low, SCORE] = ((a & (OWNS - 1)) + (b & (OWNS - 1))) | ((a | b) & OWNS)


@kernel()
def _note(runs: NDArray[np.int32], mask: int, n: int, best: NDArray[np.int32]) -> None:
    """Remember the component of run `n` if it is the best of its label so far.

    Scores only grow and roots only move forward, so what is remembered is never out of date.
    """
    root = _find(runs, mask, n)
    score = runs[root & mask, SCORE]
    if score > best[0] or (score == best[0] and root < best[1]):
        best[0] = score
        best[1] = root


@kernel()
def _write_line(scan: _Scan, r: int, y: int, step: int, out: NDArray[np.uint8]) -> None:
    """Write the kept pixels of one row of pixels in row `r` of cells, and FREE elsewhere."""
    runs, mask, best = scan.runs, scan.runs.shape[0] - 1, scan.best
    start = column = 0
    for n in range(scan.first[y], scan.first[y + 1]):
        stop = runs[n & mask, END]
        place = runs[n & mask, LABEL] >> CODE_BITS
        value = FREE
        if _find(runs, mask, n) == best[place, 1]:
            home = best[place, 0] >= OWNS
            code = runs[n & mask, LABEL] & ((1 << CODE_BITS) - 1)
            value = code if home else code + PENDING
            scan.flags[r + 1, column + 1] |= HOME if home else WEAK
        for x in range(start, stop):
            out[y, x] = value
        start = stop
        column += stop == (column + 1) * step


@kernel()
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


@kernel()
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
