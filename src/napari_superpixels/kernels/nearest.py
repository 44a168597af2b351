"""The inner loop of SLIC as vector code: 16 pixels against 9 candidates.

Features lie in pairs of 16 bits, and a pair is multiplied by a pair of weights and added up in 32
bits: one instruction on x86 (``vpdpwssd``, ``vpmaddwd``), a few elsewhere. The loop is written as
LLVM's own vector operations, none of any machine, because the automatic vectoriser does not find
this form; measured, it is twice as fast as the float form that it does find.

Values are exact. ``|f - c|^2 = |f|^2 + base + sum(w * f)`` with ``base = |c|^2`` and ``w = -2 c``;
``|f|^2`` is common to all candidates and left out. Features are stored `FEATURE_SCALE`-fold and
weights `WEIGHT_SCALE`-fold, so sums are ``VALUE_SCALE = 16`` times as large and the lowest four
bits are free for the candidate's code: the smallest value holds the nearest candidate, ties to the
lowest code. With features up to `LARGEST` every factor fits 16 bits; squared distances and lengths,
position included, are below 2^25 (`features.Quanta` sees to 2^24), so every value fits 32 bits and
is below `cone.NONE`; what wraps around on the way does no harm.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_tools: Any = cgutils

LANES = 16
"""Pixels that are worked on together."""
FEATURE_SCALE = 4
WEIGHT_SCALE = 4
VALUE_SCALE = FEATURE_SCALE * WEIGHT_SCALE
LARGEST = 4095
"""The largest feature, and coordinate of a centre, in quanta, that fits 16 bits when scaled."""
CANDIDATES = 9
ABSENT = 255
"""Code of a pixel that is not there or holds no data."""

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_BYTES = ir.VectorType(_I8, LANES)
_WORDS = ir.VectorType(_I32, LANES)
_PAIRS = ir.VectorType(_I16, 2 * LANES)
_WIDE_PAIRS = ir.VectorType(_I32, 2 * LANES)


class _Block:
    """Emits the code for one block of pixels."""

    def __init__(self, builder: Any, pixel: Any) -> None:
        self.builder, self.pixel = builder, pixel
        self.sums = [_tools.alloca_once(builder, _WORDS) for _ in range(CANDIDATES)]

    def at(self, pointer: Any, index: Any, kind: Any) -> Any:
        """Point at an element as the start of another type; nothing need be aligned."""
        return self.builder.bitcast(self.builder.gep(pointer, [index]), kind.as_pointer())

    def load(self, pointer: Any, index: Any, kind: Any) -> Any:
        size = 1 if kind is _BYTES else 2 if kind is _PAIRS else 4
        return self.builder.load(self.at(pointer, index, kind), align=size)

    def splat(self, value: Any) -> Any:
        """Repeat a 32-bit number in all lanes."""
        undefined = ir.Constant(_WORDS, ir.Undefined)
        first = self.builder.insert_element(undefined, value, ir.Constant(_I32, 0))
        return self.builder.shuffle_vector(first, undefined, ir.Constant(_WORDS, [0] * LANES))

    def start(self, base: Any) -> None:
        for code, total in enumerate(self.sums):
            number = self.load(base, ir.Constant(_I64, code), _I32)
            self.builder.store(self.splat(number), total)

    def add_pair(self, pixels: Any, first: Any, weights: Any, pair: Any, pairs: Any) -> None:
        """Add w * f of one pair of features to the sums of all candidates."""
        b = self.builder
        values = b.sext(self.load(pixels, first, _PAIRS), _WIDE_PAIRS)
        even = ir.Constant(_WORDS, list(range(0, 2 * LANES, 2)))
        odd = ir.Constant(_WORDS, list(range(1, 2 * LANES, 2)))
        undefined = ir.Constant(_WIDE_PAIRS, ir.Undefined)
        for code, total in enumerate(self.sums):
            place = b.add(b.mul(ir.Constant(_I64, code), pairs), pair)
            weight = self.load(weights, place, _I32)
            wide = b.sext(b.bitcast(self.splat(weight), _PAIRS), _WIDE_PAIRS)
            products = b.mul(values, wide)
            halves = [b.shuffle_vector(products, undefined, which) for which in (even, odd)]
            b.store(b.add(b.load(total), b.add(*halves)), total)

    def finish(self, old: Any, new: Any) -> Any:
        """Store the codes; return which ones differ from the old ones, one bit a pixel."""
        b = self.builder
        best = b.load(self.sums[0])
        for total in self.sums[1:]:
            value = b.load(total)
            best = b.select(b.icmp_signed("<", value, best), value, best)
        code = b.trunc(b.and_(best, ir.Constant(_WORDS, [VALUE_SCALE - 1] * LANES)), _BYTES)
        before = self.load(old, self.pixel, _BYTES)
        absent = b.icmp_unsigned("==", before, ir.Constant(_BYTES, [ABSENT] * LANES))
        code = b.select(absent, before, code)
        b.store(code, self.at(new, self.pixel, _BYTES), align=1)
        changed = b.icmp_unsigned("!=", before, code)
        return b.zext(b.bitcast(changed, ir.IntType(LANES)), _I32)


def _nearest(_context: Any, cells: Any, candidates: Any, new: Any, cell: Any, pixel: Any) -> Any:
    signature = types.uint32(cells, candidates, new, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        arrays = []
        for kinds, group in zip(signature.args[:2], args[:2]):
            values = _tools.unpack_tuple(builder, group)
            arrays += [context.make_array(k)(context, builder, v) for k, v in zip(kinds, values)]
        arrays.append(context.make_array(new)(context, builder, args[2]))
        features, codes, shared, weights, base, found = (array.data for array in arrays)
        pairs, pixels = _tools.unpack_tuple(builder, arrays[0].shape)[-2:]
        all_pairs = builder.add(pairs, ir.Constant(_I64, 1))
        codes = builder.gep(codes, [builder.mul(args[3], pixels)])
        features = builder.gep(features, [builder.mul(args[3], builder.mul(pairs, pixels))])
        block = _Block(builder, args[4])
        block.start(base)
        with _tools.for_range(builder, pairs) as loop:
            first = builder.add(builder.mul(loop.index, pixels), block.pixel)
            block.add_pair(features, first, weights, loop.index, all_pairs)
        block.add_pair(shared, block.pixel, weights, pairs, all_pairs)
        return block.finish(codes, found)

    return signature, generate


def _prefetch(_context: Any, cells: Any, cell: Any, pixel: Any) -> Any:
    signature = types.void(cells, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = _tools.unpack_tuple(builder, args[0])[:2]
        kinds = signature.args[0][:2]
        features, codes = (
            context.make_array(k)(context, builder, v) for k, v in zip(kinds, values)
        )
        pairs, pixels = _tools.unpack_tuple(builder, features.shape)[-2:]
        place = builder.add(builder.mul(args[1], pixels), args[2])
        _fetch(builder, builder.gep(codes.data, [place]))
        first = builder.add(builder.mul(args[1], builder.mul(pairs, pixels)), args[2])
        with _tools.for_range(builder, pairs) as loop:
            place = builder.add(first, builder.mul(loop.index, pixels))
            _fetch(builder, builder.gep(features.data, [place]))
        return context.get_dummy_value()

    return signature, generate


def _fetch(builder: Any, pointer: Any) -> None:
    """Ask for a line of memory; the address may be any, also one that does not exist."""
    address = builder.bitcast(pointer, _I8.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I32, _I32, _I32])
    function = _tools.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    read_near_data = [ir.Constant(_I32, number) for number in (0, 3, 1)]
    builder.call(function, [address, *read_near_data])


nearest: Any = intrinsic(_nearest)
"""Find the nearest candidate of `LANES` pixels: ``nearest(cells, candidates, new, cell, p)``.

All arrays are contiguous, and P is a multiple of `LANES`. They are whole ones, for slices of arrays
are counted references, and counting them costs more than all the rest.

Parameters
----------
cells
    Features, int32 (GH, GW, pairs, P), two of 16 bits a word, the first one low; codes, uint8
    (GH, GW, P); and the pair of features that all cells share, int32 (P,).
candidates
    Weights, int32 (9, pairs + 1), in the same manner; and bases, int32 (9,).
new
    Where the new codes of the cell go, uint8 (P,), `ABSENT` where the old ones are.
cell
    Number of the cell in raster order.
p
    The first of the pixels.

Returns
-------
uint32
    A bit for each pixel whose code differs from the old one, the first pixel lowest.
"""

prefetch: Any = intrinsic(_prefetch)
"""Ask for the memory of `LANES` pixels that will be read soon: ``prefetch(cells, cell, p)``.

Measured, a third of the time of an association. Parameters are those of `nearest`; the cell need
not exist.
"""
