"""Runs of equal labels in rows of pixels, joined by union-find into components.

Labels of neighbouring pixels differ by at most three cells along an axis, so two of them are equal
if they are so modulo four: a byte a pixel, the `tag`, says which runs belong together, across the
borders of cells too. Tags are compared 64 at a time; what is left to loops is a step for every run
and one for every place where two runs meet.

Kernels take whole arrays and indices: a slice is a counted reference, and counting costs more than
what is done with it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.bits import WORD, count_ones, equal, tag, trailing_zeros
from napari_superpixels.kernels.ids import OWN
from napari_superpixels.kernels.jit import kernel

OWNS = 1 << 30
"""Added to the score of a component that touches its label's own cell."""
SLOTS = 8
"""Rows of labels that are remembered; five are in use at a time."""

Bytes = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Words = NDArray[np.uint64]


class Runs(NamedTuple):
    """The runs of an image; those of five rows of cells are remembered, in a ring."""

    parent: Int32
    """Of each run one of the same component that does not come later; of a root itself."""
    score: Int32
    """Of each root the valid pixels of the component, and `OWNS` if it touches its own cell."""
    place: Int32
    """Where a run's label is in `newest`: ``row of labels % SLOTS * (GW + 2) + column``."""
    older: Int32
    """The run of the same label that started a component before this one, or -1."""
    newest: Int32
    """The last run of each label that started a component, or -1."""
    starts: Words
    """Which pixels of a row start a run, one bit each, shape (Y, words)."""
    first: Int32
    """How many runs start before a word, counted from the top, shape (Y, words)."""


class Line(NamedTuple):
    """Room for the row that is being read, with `WORD` bytes more on either side."""

    codes: Bytes
    """Its codes, nodata as the own cell."""
    valid: Bytes
    """1 where a pixel holds data."""
    tags: Bytes
    """Its tags and those of the row above, one of them in each half, whichever is free."""
    columns: Int32
    """The cell that each pixel lies in."""
    shifts: Bytes
    """The same modulo 4, `WORD` places further on."""
    constants: Bytes
    """`WORD` times `OWN`, then as many zeros."""

    @classmethod
    def over(cls, width: int, step: int) -> "Line":
        """Make the line of a row of so many pixels, in cells of so many."""
        size = padded(width)
        columns = np.minimum(np.arange(size), width - 1) // step
        constants = np.repeat(np.array([OWN, 0], np.uint8), WORD)
        return cls(
            np.zeros(size, np.uint8),
            np.ones(size, np.uint8),
            np.full(2 * size, 255, np.uint8),
            columns.astype(np.int32),
            np.roll(columns & 3, WORD).astype(np.uint8),
            constants,
        )


def padded(width: int) -> int:
    """Return the size of a row in whole words, one more on either side."""
    return (-(-width // WORD) + 2) * WORD


def runs_over(shape: tuple[int, int], ring: int, labels: int) -> Runs:
    """Make room for `ring` runs, a power of two, and so many labels in `SLOTS` rows."""
    words = -(-shape[1] // WORD)
    return Runs(
        np.empty(ring, np.int32),
        np.empty(ring, np.int32),
        np.empty(ring, np.int32),
        np.empty(ring, np.int32),
        np.full(SLOTS * labels, -1, np.int32),
        np.empty((shape[0], words), np.uint64),
        np.empty((shape[0], words), np.int32),
    )


@kernel()
def read_line(codes: Bytes, valid: NDArray[np.bool_], y: int, line: Bytes, data: Bytes) -> bool:
    """Copy a row of codes, nodata as the own cell; return whether all are codes."""
    highest = np.uint8(0)
    if valid.size == 0:
        for x in range(codes.shape[1]):
            line[x + WORD] = codes[y, x]
            highest = max(highest, codes[y, x])
    else:
        for x in range(codes.shape[1]):
            code = codes[y, x] if valid[y, x] else np.uint8(OWN)
            line[x + WORD] = code
            data[x + WORD] = valid[y, x]
            highest = max(highest, code)
    return bool(highest < 9)


@kernel()
def scan_line(runs: Runs, line: Line, y: int, r: int, width: int) -> None:
    """Append the runs of row `y`, in row `r` of cells, and join them with those above."""
    codes, data, tags, columns, shifts, constants = line
    size = codes.size
    now, above = (y & 1) * size + WORD, ((y + 1) & 1) * size + WORD
    for x in range(0, width, WORD):
        tag(codes, x + WORD, shifts, np.uint8((r & 3) << 4), tags, now + x)
    words = runs.starts.shape[1]
    end = 0 if y == 0 else _end(runs.starts, runs.first, y - 1)
    first = end
    for w in range(words):
        at = w * WORD
        inside = lowest(min(WORD, width - at))
        starts = ~equal(tags, now + at, tags, now + at - 1) & inside
        if w == 0:
            starts |= np.uint64(1)
        own = equal(codes, at + WORD, constants, 0)
        pixels = ~equal(data, at + WORD, constants, WORD) & inside
        runs.starts[y, w] = starts
        runs.first[y, w] = end
        end = _append(runs, (codes, columns), (starts, own, pixels), (r, at), end)
    if y > 0:
        _meet(runs, tags, (now, above), y, width)
    _list_roots(runs.parent, runs.place, runs.older, runs.newest, first, end)


@kernel()
def _end(starts: Words, first: Int32, y: int) -> int:
    """Return how many runs start in row `y` and above."""
    last = starts.shape[1] - 1
    return int(first[y, last] + np.int64(count_ones(starts[y, last])))


@kernel(forceinline=True)
def lowest(count: int) -> np.uint64:
    """Return a word with so many of its lowest bits set."""
    return ~np.uint64(0) if count >= WORD else (np.uint64(1) << np.uint64(count)) - np.uint64(1)


@kernel(forceinline=True)
def _append(
    runs: Runs,
    pixels_of: tuple[Bytes, Int32],
    words: tuple[np.uint64, np.uint64, np.uint64],
    where: tuple[int, int],
    end: int,
) -> int:
    """Append the runs that start in a word; return how many there are then.

    What lies before the first of them belongs to the last run of the word before.
    """
    parent, score, place = runs.parent, runs.score, runs.place
    codes, columns = pixels_of
    starts, own, pixels = words
    r, at = where
    mask, labels = parent.size - 1, runs.newest.size // SLOTS
    if starts & np.uint64(1) == 0:
        before = starts ^ (starts - np.uint64(1))
        before = before >> np.uint64(1) if starts else ~np.uint64(0)
        last = np.uintp((end - 1) & mask)
        score[last] = (score[last] | _owns(own & before)) + np.int64(count_ones(pixels & before))
    while starts:
        bit = trailing_zeros(starts)
        starts &= starts - np.uint64(1)
        # Up to the next start; all the rest where there is none, for then `starts` is 0.
        run = (starts - np.uint64(1)) & ~starts & (~np.uint64(0) << bit)
        x = np.uintp(at + bit)
        code = np.int64(codes[x + np.uintp(WORD)])
        down = np.int64(code >= 3) + np.int64(code >= 6)
        i = np.uintp(end & mask)
        parent[i] = end
        place[i] = ((r + down) & (SLOTS - 1)) * labels + columns[x] + code - 3 * down
        score[i] = np.int64(count_ones(pixels & run)) | _owns(own & run)
        end += 1
    return end


@kernel(forceinline=True)
def _owns(word: np.uint64) -> int:
    return OWNS if word else 0


@kernel(forceinline=True)
def _meet(runs: Runs, tags: Bytes, at: tuple[int, int], y: int, width: int) -> None:
    """Join the runs of row `y` with those above, once for each pair that meets."""
    parent, score, starts, first = runs.parent, runs.score, runs.starts, runs.first
    same_before = np.uint64(0)
    for w in range(starts.shape[1]):
        left = w * WORD
        same = equal(tags, at[0] + left, tags, at[1] + left) & lowest(min(WORD, width - left))
        # Where the pixel before met the same two runs nothing is left to do.
        meets = same & (starts[y, w] | ~(same << np.uint64(1) | same_before))
        same_before = same >> np.uint64(WORD - 1)
        here, up = starts[y, w], starts[y - 1, w]
        while meets:
            upto = meets ^ (meets - np.uint64(1))
            meets &= meets - np.uint64(1)
            i = first[y - 1, w] + np.int64(count_ones(up & upto)) - 1
            j = first[y, w] + np.int64(count_ones(here & upto)) - 1
            _join(parent, score, i, j)


@kernel(forceinline=True)
def find(parent: Int32, i: int) -> int:
    """Return the root, which is the first run, of the component of run `i`."""
    mask = parent.size - 1
    up = int(parent[np.uintp(i & mask)])
    while up != i:
        further = int(parent[np.uintp(up & mask)])
        parent[np.uintp(i & mask)] = further
        i, up = further, int(parent[np.uintp(further & mask)])
    return i


@kernel(forceinline=True)
def _join(parent: Int32, score: Int32, i: int, j: int) -> None:
    """Make one component of two; the root is the run that comes first."""
    i, j = find(parent, i), find(parent, j)
    if i != j:
        mask = parent.size - 1
        low, high = np.uintp(min(i, j) & mask), np.uintp(max(i, j) & mask)
        a, b = score[low], score[high]
        parent[high] = min(i, j)
        score[low] = ((a & (OWNS - 1)) + (b & (OWNS - 1))) | ((a | b) & OWNS)


@kernel(forceinline=True)
def _list_roots(
    parent: Int32, place: Int32, older: Int32, newest: Int32, first: int, end: int
) -> None:
    """Note the runs of a row that start a component, label by label."""
    mask = parent.size - 1
    for n in range(first, end):
        i = np.uintp(n & mask)
        if parent[i] == n:
            older[i] = newest[place[i]]
            newest[place[i]] = n
