"""SLIC on a graphics card: `slic.cluster` bit by bit.

One pass over the pixels an association: features are made as they are loaded, nine distances give a
code, and what the pixels of a program add to the nine centres around is written to a record of its
own. No two programs write to one place, so nothing is atomic and nothing is set to zero; a cell
whose candidates all rest keeps its records without a look at its pixels. `update` then adds up, for
each centre, the records of the nine cells around it, in int64.

A record has, for each of the nine codes, the sums of C features, of y and x relative to the pixels'
own cell, and their number; `cells.LARGEST_CELL` keeps them within 32 bits.
"""

import triton
import triton.language as tl

from napari_superpixels.kernels.cuda.pixels import (
    ABSENT,
    ALIVE,
    MOVED,
    NONE,
    OWN,
    features,
    holding,
    measure,
    places,
)

_BIAS = tl.constexpr(8192)
"""Twice what `nearest.LARGEST` allows: it makes every mean a quotient of positive numbers."""


@triton.jit
def own_sums(
    image,
    cell,
    tables,
    sums,
    C: tl.constexpr,
    LAB: tl.constexpr,
    MASKED: tl.constexpr,
    BLOCK: tl.constexpr,
    CHUNKS: tl.constexpr,
):
    """Record the pixels of every cell as its own: where clustering starts."""
    r, c = tl.program_id(1), tl.program_id(0) // CHUNKS
    chunk = tl.program_id(0) % CHUNKS
    y, x, there, py, px = places(image, cell, r, c, chunk, BLOCK, CHUNKS)
    keep = holding(image, y, x, there, MASKED)
    found = features(image, tables, y, x, keep, C, LAB)
    record = ((r * cell.columns + c) * CHUNKS + chunk).to(tl.int64)
    _book(sums + record * (9 * (C + 3)), tl.where(keep, OWN, ABSENT), found, py, px, C)


@triton.jit(do_not_specialize=["top", "left"])  # each window has others
def associate(
    image,
    cell,
    tables,
    centres,
    sums,
    codes,
    top,
    left,
    LAST: tl.constexpr,
    C: tl.constexpr,
    LAB: tl.constexpr,
    MASKED: tl.constexpr,
    BLOCK: tl.constexpr,
    CHUNKS: tl.constexpr,
):
    """Give the pixels of a box of cells, which starts at (top, left), to their nearest candidates.

    The last time their codes are written, uint8 (Y, X), else what they add to the centres.
    """
    r, c = top + tl.program_id(1), left + tl.program_id(0) // CHUNKS
    at = (r + 1) * (cell.columns + 2) + c + 1
    if LAST or _any_moved(centres, cell, at):
        chunk = tl.program_id(0) % CHUNKS
        y, x, there, py, px = places(image, cell, r, c, chunk, BLOCK, CHUNKS)
        keep = holding(image, y, x, there, MASKED)
        found = features(image, tables, y, x, keep, C, LAB)
        code = tl.where(keep, _nearest(centres, cell, found, py, px, at, C, BLOCK), ABSENT)
        if LAST:
            tl.store(codes + y * image.width + x, code.to(tl.uint8), mask=there)
        else:
            record = ((r * cell.columns + c) * CHUNKS + chunk).to(tl.int64)
            _book(sums + record * (9 * (C + 3)), code, found, py, px, C)


@triton.jit
def _any_moved(centres, cell, at):
    """Whether a candidate of a cell, whose own centre is number `at`, is another than before."""
    state = 0
    for code in tl.static_range(9):
        near = at + (code // 3 - 1) * (cell.columns + 2) + code % 3 - 1
        state |= tl.load(centres.state + near)
    return (state & MOVED) != 0


@triton.jit
def _nearest(centres, cell, found, py, px, at, C: tl.constexpr, BLOCK: tl.constexpr):
    """Return the code of the nearest candidate; of equally near ones the lowest.

    Distances leave their lowest four bits to the code, so one minimum finds both.
    """
    best = tl.full((BLOCK,), NONE, tl.int32)
    for k in tl.static_range(9):
        total = measure(centres, cell, found, py, px, at, k, C, 16)
        best = tl.minimum(best, total + k)
    return best & 15


@triton.jit
def _book(record, code, found, py, px, C: tl.constexpr):
    """Write what pixels add to the nine centres around."""
    for k in tl.static_range(9):
        mine = (code == k).to(tl.int32)
        for i in tl.static_range(C):
            tl.store(record + i, tl.sum(mine * found[i]))
        tl.store(record + C, tl.sum(mine * py))
        tl.store(record + C + 1, tl.sum(mine * px))
        tl.store(record + C + 2, tl.sum(mine))
        record += C + 3


@triton.jit(do_not_specialize=["rows", "top", "left"])
def update(
    sums,
    centres,
    cell,
    rows,
    top,
    left,
    C: tl.constexpr,
    VALUES: tl.constexpr,
    CHUNKS: tl.constexpr,
):
    """Move the centres of a box of cells to the means of their pixels, rounded half up.

    `VALUES` is a power of two, C + 3 or more; `rows` is how many rows of cells there are.
    """
    r, c = top + tl.program_id(1), left + tl.program_id(0)
    value = tl.arange(0, VALUES)
    total = tl.zeros((VALUES,), tl.int64)
    for code in tl.static_range(9):
        # The cell whose pixels know this one by that code.
        y, x = r - (code // 3 - 1), c - (code % 3 - 1)
        inside = (y >= 0) & (y < rows) & (x >= 0) & (x < cell.columns)
        some = value < tl.where(inside, C + 3, 0)
        part = tl.zeros((VALUES,), tl.int64)
        for chunk in range(CHUNKS):
            record = ((y * cell.columns + x) * CHUNKS + chunk).to(tl.int64) * 9 + code
            part += tl.load(sums + record * (C + 3) + value, mask=some, other=0).to(tl.int64)
        mass = tl.sum(tl.where(value == C + 2, part, 0))
        part -= tl.where(value == C, mass * ((code // 3 - 1) * cell.position), 0)
        part -= tl.where(value == C + 1, mass * ((code % 3 - 1) * cell.position), 0)
        total += part
    n = tl.sum(tl.where(value == C + 2, total, 0))
    at = (r + 1) * (cell.columns + 2) + c + 1
    state = tl.load(centres.state + at)
    if n > 0:
        mean = ((2 * total + n + 2 * n * _BIAS) // (2 * n) - _BIAS).to(tl.int32)
        values = centres.data + at * (C + 2) + value
        before = tl.load(values, mask=value < C + 2, other=0)
        changed = tl.max(tl.where((value < C + 2) & (mean != before), 1, 0)) != 0
        tl.store(values, mean, mask=value < C + 2)
        state = tl.where(changed | (state == 0), ALIVE | MOVED, ALIVE)
    else:
        state = state & ALIVE
    tl.store(centres.state + at, state)
