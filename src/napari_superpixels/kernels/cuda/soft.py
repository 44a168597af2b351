"""The soft SLIC of SSN on a graphics card: `soft.soft_cluster` bit by bit.

As in `slic`, with weights instead of a choice; sums have 64 bits. The last association is hard.
"""

import triton
import triton.language as tl

from napari_superpixels.kernels.cuda.pixels import NONE, features, holding, measure, places
from napari_superpixels.kernels.soft import RECIPROCAL_BITS, WEIGHT_BITS

_ONE = tl.constexpr(1 << RECIPROCAL_BITS)
_DROP = tl.constexpr(RECIPROCAL_BITS - WEIGHT_BITS)
_HALF = tl.constexpr(1 << (RECIPROCAL_BITS - WEIGHT_BITS - 1))


@triton.jit(do_not_specialize=["top", "left", "last", "shift"])
def weigh(
    image,
    cell,
    tables,
    centres,
    sums,
    top,
    left,
    exponential,
    last,
    shift,
    C: tl.constexpr,
    LAB: tl.constexpr,
    MASKED: tl.constexpr,
    BLOCK: tl.constexpr,
    CHUNKS: tl.constexpr,
):
    """Record the weighted pixels of a box of cells, which starts at (top, left).

    `exponential` is the table of `soft.Weights`, `last` the index of its last entry.
    """
    r, c = top + tl.program_id(1), left + tl.program_id(0) // CHUNKS
    chunk = tl.program_id(0) % CHUNKS
    at = (r + 1) * (cell.columns + 2) + c + 1
    y, x, there, py, px = places(image, cell, r, c, chunk, BLOCK, CHUNKS)
    keep = holding(image, y, x, there, MASKED)
    found = features(image, tables, y, x, keep, C, LAB)
    least = tl.full((BLOCK,), NONE, tl.int32)
    distances = ()
    for k in tl.static_range(9):
        total = measure(centres, cell, found, py, px, at, k, C, 1)
        least = tl.minimum(least, total)
        distances = distances + (total,)  # noqa: RUF005 - Triton knows no starred tuples
    share = tl.zeros((BLOCK,), tl.int32)
    raws = ()
    for k in tl.static_range(9):
        raw = tl.load(exponential + tl.minimum((distances[k] - least) >> shift, last))
        share += raw
        raws = raws + (raw,)  # noqa: RUF005
    # The nearest candidate alone weighs 2^16, so no sum is 0, unless no cell around has data.
    reciprocal = tl.where(keep, _ONE // tl.maximum(share, 1).to(tl.int64), 0)
    record = sums + ((r * cell.columns + c) * CHUNKS + chunk).to(tl.int64) * (9 * (C + 3))
    for k in tl.static_range(9):
        weight = (raws[k] * reciprocal + _HALF) >> _DROP
        for i in tl.static_range(C):
            tl.store(record + i, tl.sum(weight * found[i]))
        tl.store(record + C, tl.sum(weight * py))
        tl.store(record + C + 1, tl.sum(weight * px))
        tl.store(record + C + 2, tl.sum(weight))
        record += C + 3
