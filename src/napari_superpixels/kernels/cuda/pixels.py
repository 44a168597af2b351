"""What the Triton kernels share: where the pixels of a cell lie, and what their features are.

A program works on `BLOCK` pixels of one cell, so that all of them have the same nine candidates and
what they add to the centres is summed up inside the program. Everything has 32 bits.
"""

from typing import Any, NamedTuple

import triton
import triton.language as tl

from napari_superpixels.kernels.lab import FRACTION_BITS, ROOT_BITS, VALUE_BITS

_FRACTION = tl.constexpr(FRACTION_BITS)
_FRACTION_MASK = tl.constexpr((1 << FRACTION_BITS) - 1)
_ROOT = tl.constexpr(ROOT_BITS)
_HALF = tl.constexpr(1 << (ROOT_BITS - 1))
_SIXTEEN = tl.constexpr(16 << ROOT_BITS)
_VALUE = tl.constexpr(VALUE_BITS)
_VALUE_MASK = tl.constexpr((1 << VALUE_BITS) - 1)

NONE = tl.constexpr(2**30)
"""`cone.NONE`: the distance to what is no candidate."""
ABSENT = tl.constexpr(255)
OWN = tl.constexpr(4)
ALIVE = tl.constexpr(1)
"""Bit of a centre's state: it is a candidate."""
MOVED = tl.constexpr(2)
"""Bit of a centre's state: it is another one than before."""


class Image(NamedTuple):
    """Pixels, as a kernel sees them."""

    data: Any
    """8-bit RGB, or integer features, of int16."""
    plane: int
    """Elements from a channel to the next one."""
    row: int
    """Elements from a row to the next one."""
    column: int
    """Elements from a pixel to the next one."""
    valid: Any
    """Which pixels hold data, uint8 (Y, X) without gaps; anything where all do."""
    height: int
    width: int


class Cell(NamedTuple):
    """The lattice."""

    sy: int
    """Pixels of a cell along y."""
    sx: int
    """Pixels of a cell along x."""
    position: int
    """Quanta that a cell of distance weighs."""
    columns: int
    """Cells along x."""
    pixels: Any
    """Of the pixels of a cell, y and x in one word, y high; then their positions in quanta, in the
    same manner. int32 (2, BLOCK CHUNKS), filled up with pixels below the cell."""


class Tables(NamedTuple):
    """What Lab is made from; see `lab`. Anything where features are there already."""

    shares: Any
    """int32 (3, 256, 4)."""
    roots: Any
    """The words of `lab.root_table`, as int32."""
    scale: int
    """Quanta a Lab unit."""


class Centres(NamedTuple):
    """Centres on a lattice with a rim of one cell, so that all cells have nine."""

    data: Any  # a tuple of Triton's has `values` already
    """int32 (GH + 2, GW + 2, C + 2): features, and y, x relative to the cell."""
    state: Any
    """int32 (GH + 2, GW + 2): the bits `ALIVE` and `MOVED`."""


@triton.jit
def places(image, cell, r, c, chunk, BLOCK: tl.constexpr, CHUNKS: tl.constexpr):
    """Return y, x, whether the image has such a pixel, and its positions in the cell in quanta."""
    pixels = cell.pixels + chunk * BLOCK + tl.arange(0, BLOCK)
    place, quanta = tl.load(pixels), tl.load(pixels + BLOCK * CHUNKS)
    u = place >> 16
    y, x = r * cell.sy + u, c * cell.sx + (place & 0xFFFF)
    there = (u < cell.sy) & (y < image.height) & (x < image.width)
    return y, x, there, quanta >> 16, quanta & 0xFFFF


@triton.jit
def holding(image, y, x, there, MASKED: tl.constexpr):
    """Return which of the pixels that are there hold data."""
    if MASKED:
        mask = tl.load(image.valid + y * image.width + x, mask=there, other=0)
        there = there & (mask != 0)
    return there


@triton.jit
def features(image, tables, y, x, there, C: tl.constexpr, LAB: tl.constexpr):
    """Return the C features of pixels: as they are stored, or Lab of 8-bit RGB."""
    data = image.data + y * image.row + x * image.column
    if LAB:
        red = tl.load(data, mask=there, other=0).to(tl.int32)
        green = tl.load(data + image.plane, mask=there, other=0).to(tl.int32)
        blue = tl.load(data + 2 * image.plane, mask=there, other=0).to(tl.int32)
        found = _lab(tables, red, green, blue)
    else:
        found = ()
        for i in tl.static_range(C):
            # Planes may lie further apart than 32 bits count.
            value = tl.load(data + tl.cast(image.plane, tl.int64) * i, mask=there, other=0)
            found = found + (value.to(tl.int32),)  # noqa: RUF005 - Triton knows no starred tuples
    return found


@triton.jit
def _lab(tables, red, green, blue):
    """Return L, a, b in quanta, as `lab.rgb_to_lab` does."""
    fx = _root(tables.shares, tables.roots, red, green, blue)
    fy = _root(tables.shares + 1, tables.roots, red, green, blue)
    fz = _root(tables.shares + 2, tables.roots, red, green, blue)
    light = (116 * tables.scale * fy + _HALF - tables.scale * _SIXTEEN) >> _ROOT
    a = (500 * tables.scale * (fx - fy) + _HALF) >> _ROOT
    b = (200 * tables.scale * (fy - fz) + _HALF) >> _ROOT
    return light, a, b


@triton.jit
def _root(shares, roots, red, green, blue):
    """Return CIE's f of X, Y or Z, whose shares begin there; interpolated in a table."""
    t = tl.load(shares + 4 * red) + tl.load(shares + 1024 + 4 * green)
    t += tl.load(shares + 2048 + 4 * blue)
    word = tl.load(roots + (t >> _FRACTION))
    rise = ((word >> _VALUE) & 0xFF) * (t & _FRACTION_MASK)
    return (word & _VALUE_MASK) + (rise >> _FRACTION)


@triton.jit
def measure(
    centres, cell, found, py, px, at, code: tl.constexpr, C: tl.constexpr, SCALE: tl.constexpr
):
    """Return squared distances to the candidate `code` of a cell, whose own centre is number `at`.

    They are short of |f|^2, which is common to all candidates: |f - c|^2 - |f|^2 = |c|^2 - 2 c f
    takes half as many operations. `SCALE` multiplies them. `NONE` where that is no candidate.
    """
    dr: tl.constexpr = code // 3 - 1
    dc: tl.constexpr = code % 3 - 1
    near = at + dr * (cell.columns + 2) + dc
    centre = centres.data + near * (C + 2)
    alive = (tl.load(centres.state + near) & ALIVE) != 0
    # What is no candidate never moved: its values are 0, and with these so is all but the base.
    y = tl.where(alive, tl.load(centre + C) + dr * cell.position, 0)
    x = tl.where(alive, tl.load(centre + C + 1) + dc * cell.position, 0)
    base = y * y + x * x
    total = (-2 * SCALE * y) * py + (-2 * SCALE * x) * px
    for i in tl.static_range(C):
        value = tl.load(centre + i)
        base += value * value
        total += (-2 * SCALE * value) * found[i]
    return total + tl.where(alive, SCALE * base, NONE)
