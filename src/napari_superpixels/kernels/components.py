"""Rules 1 to 3 of connectivity: which component each label keeps.

The image is scanned once (see `runs`). A row of cells is written when the two below it were
scanned: no label in it reaches further down, so the best component of each is known by then, and
none reaches more than two rows up, so the first run of each is still remembered.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.bits import WORD, count_ones, equal, mark, trailing_zeros
from napari_superpixels.kernels.ids import OWN
from napari_superpixels.kernels.jit import kernel
from napari_superpixels.kernels.runs import (
    OWNS,
    SLOTS,
    Line,
    Runs,
    find,
    lowest,
    padded,
    read_line,
    runs_over,
    scan_line,
)

# Values of a pixel that has no label yet; a pending or weak code is `code + PENDING`.
FREE, QUEUED, PENDING = 254, 253, 16

# What a cell holds: home pixels, pixels of rule 2 not yet decided, pixels of rule 2 kept.
HOME, WEAK, KEPT = 1, 2, 4

NOTHING, STRONG, FAINT = 0, 1, 2
"""What becomes of a component: it goes, is home, or waits for rule 2."""

SCAN_PIXELS = 1 << 22
"""Pixels scanned between two pulses."""

Bytes = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Words = NDArray[np.uint64]
Step = tuple[int, int]


def _ring_size(runs: int) -> int:
    """Return the number of runs rounded up to a power of two."""
    return 1 << (runs - 1).bit_length()


def _cells(shape: tuple[int, int], step: Step) -> tuple[int, int]:
    """Return the number of cells, with a rim of one on each side."""
    return -(-shape[0] // step[0]) + 2, -(-shape[1] // step[1]) + 2


def bytes_for(shape: tuple[int, int], step: Step) -> int:
    """Return an upper bound of the memory that `keep` uses, in bytes."""
    height, width = _cells(shape, step)
    ring = 16 * _ring_size(min(5 * step[0], shape[0]) * shape[1])
    rows = 12 * shape[0] * -(-shape[1] // WORD)
    return ring + rows + 8 * SLOTS * width + height * width + 10 * padded(shape[1])


def keep(
    codes: Bytes,
    valid: NDArray[np.bool_],
    step: Step,
    out: Bytes,
    pulse: Callable[[], None],
) -> int:
    """Write the kept codes and FREE elsewhere; return the number of free pixels.

    `valid` has no elements where all pixels are valid.
    """
    pulse()
    count = _count_runs(codes, valid, step)
    assert count > 0, "a code of a valid pixel is over 8"
    cells = _cells(codes.shape, step)
    runs = runs_over(codes.shape, _ring_size(count), cells[1])
    line, flags = Line.over(codes.shape[1], step[1]), np.zeros(cells, np.uint8)
    best = np.full(runs.newest.size, -1, np.int32)
    stride = max(1, SCAN_PIXELS // (step[0] * codes.shape[1]))
    for r in range(0, cells[0], stride):
        pulse()
        rows = (r, min(r + stride, cells[0]))
        _keep_rows((codes, valid), step, rows, runs, line, best, flags, out)
    pulse()
    return int(_settle(out, flags, step))


@kernel()
def _count_runs(codes: Bytes, valid: NDArray[np.bool_], step: Step) -> int:
    """Return the most runs in five rows of cells, or a few more; 0 if a code is none."""
    most = 0
    counts = (0, 0, 0, 0, 0)
    width = codes.shape[1]
    line, data = np.zeros(width + 2 * WORD, np.uint8), np.zeros(width + 2 * WORD, np.uint8)
    for top in range(0, codes.shape[0], step[0]):
        count = 0
        for y in range(top, min(top + step[0], codes.shape[0])):
            if not read_line(codes, valid, y, line, data):
                return 0
            count += -(-width // step[1])
            for x in range(WORD, WORD + width, WORD):
                count += WORD - np.int64(count_ones(equal(line, x, line, x - 1)))
        counts = (counts[1], counts[2], counts[3], counts[4], count)
        most = max(most, sum(counts))
    return most


@kernel()
def _keep_rows(
    image: tuple[Bytes, NDArray[np.bool_]],
    step: Step,
    within: tuple[int, int],
    runs: Runs,
    line: Line,
    best: Int32,
    flags: Bytes,
    out: Bytes,
) -> None:
    """Scan some rows of cells, and write those that lie two rows before them."""
    codes, valid = image
    size, labels = codes.shape[0], runs.newest.size // SLOTS
    held = np.zeros((2, runs.starts.shape[1]), np.uint64)
    for r in range(within[0], within[1]):
        for slot in range(0 if r == 0 else r + 2, r + 3):
            runs.newest[slot % SLOTS * labels : (slot % SLOTS + 1) * labels] = -1
        for y in range(r * step[0], min((r + 1) * step[0], size)):
            read_line(codes, valid, y, line.codes, line.valid)
            scan_line(runs, line, y, r, codes.shape[1])
        # Rows of labels count from 1; the last one is at hand when no row of cells is left.
        _choose_best(runs, r % SLOTS * labels, best)
        if r >= 2:
            held[:] = 0
            for y in range((r - 2) * step[0], min((r - 1) * step[0], size)):
                read_line(codes, valid, y, line.codes, line.valid)
                _write_line(runs, best, line.codes, y, held, out)
            _note_cells(held, step[1], r - 2, flags)


@kernel()
def _choose_best(runs: Runs, start: int, best: Int32) -> None:
    """Find the best component of each label of a row; its root, with what becomes of it, or -1.

    The better one has the higher score, of equal ones the first root.
    """
    parent, score, older, newest = runs.parent, runs.score, runs.older, runs.newest
    mask = parent.size - 1
    for label in range(start, start + newest.size // SLOTS):
        top, root, n = -1, -1, int(newest[label])
        while n >= 0:
            i = np.uintp(n & mask)
            if parent[i] == n and (score[i] > top or (score[i] == top and n < root)):
                top, root = int(score[i]), n
            n = int(older[i])
        best[label] = root


@kernel()
def _write_line(runs: Runs, best: Int32, line: Bytes, y: int, held: Words, out: Bytes) -> None:
    """Write the kept pixels of one row, pending where rule 2 decides, and FREE elsewhere.

    In `held` the columns are noted that have pixels that are home, and that wait for rule 2.
    """
    parent, score, place = runs.parent, runs.score, runs.place
    starts, first = runs.starts, runs.first
    mask = parent.size - 1
    kept, weak = np.uint64(0), np.uint64(0)
    every = ~np.uint64(0)
    for w in range(starts.shape[1]):
        # What lies before the first start goes on as the word before ended.
        kept = every if kept >> np.uint64(WORD - 1) else np.uint64(0)
        weak = every if weak >> np.uint64(WORD - 1) else np.uint64(0)
        word, n = starts[y, w], int(first[y, w])
        while word:
            rest = every << trailing_zeros(word)
            word &= word - np.uint64(1)
            root, i = find(parent, n), np.uintp(n & mask)
            is_kept = root == best[np.uintp(place[i])]
            is_weak = score[np.uintp(root & mask)] < OWNS
            kept = kept | rest if is_kept else kept & ~rest
            weak = weak | rest if is_weak else weak & ~rest
            n += 1
        held[0, w] |= kept & ~weak
        held[1, w] |= kept & weak
        mark(line, (w + 1) * WORD, kept, weak, np.uint8(FREE), np.uint8(PENDING))
    for x in range(out.shape[1]):
        out[y, x] = line[x + WORD]


@kernel()
def _note_cells(held: Words, step: int, r: int, flags: Bytes) -> None:
    """Note which cells of row `r` hold pixels that are home or wait for rule 2."""
    for c in range(flags.shape[1] - 2):
        flag = 0
        for w in range(c * step // WORD, -(-(c + 1) * step // WORD)):
            if w < held.shape[1]:
                low, high = max(c * step - w * WORD, 0), min((c + 1) * step - w * WORD, WORD)
                inside = lowest(high) & ~lowest(low)
                flag |= HOME if held[0, w] & inside else 0
                flag |= WEAK if held[1, w] & inside else 0
        flags[r + 1, c + 1] = flag


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
