"""Bytes compared 64 at a time: what loops over pixels cannot say, as LLVM's own vector operations.

None is of any machine. Arrays are contiguous, of uint8, and flat; an index says where the 64 start.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_tools: Any = cgutils

WORD = 64
"""Bytes that are compared together, and bits in a word."""

_I1, _I8, _I64 = (ir.IntType(bits) for bits in (1, 8, 64))
_BYTES = ir.VectorType(_I8, WORD)
_FLAGS = ir.VectorType(_I1, WORD)


def _at(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _BYTES.as_pointer())


def _equal(_context: Any, first: Any, i: Any, second: Any, j: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pairs = ((signature.args[n], args[n], args[n + 1]) for n in (0, 2))
        a, b = (builder.load(_at(context, builder, *pair), align=1) for pair in pairs)
        return builder.bitcast(builder.icmp_unsigned("==", a, b), _I64)

    return types.uint64(first, types.intp, second, types.intp), generate


def _mark(_context: Any, line: Any, i: Any, kept: Any, weak: Any, free: Any, pending: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _at(context, builder, signature.args[0], args[0], args[1])
        keeps, weaks = (builder.bitcast(word, _FLAGS) for word in args[2:4])
        nothing, more = (_splat(builder, number) for number in args[4:])
        codes = builder.load(place, align=1)
        codes = builder.select(weaks, builder.add(codes, more), codes)
        builder.store(builder.select(keeps, codes, nothing), place, align=1)
        return context.get_dummy_value()

    words = (types.uint64, types.uint64, types.uint8, types.uint8)
    return types.void(line, types.intp, *words), generate


def _tag(_context: Any, codes: Any, i: Any, columns: Any, row: Any, tags: Any, j: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        b, kinds = builder, signature.args
        three, six, more, mask = (ir.Constant(_BYTES, [n] * WORD) for n in (3, 6, 13, 0x33))
        nothing = ir.Constant(_BYTES, [0] * WORD)
        codes = b.load(_at(context, b, kinds[0], args[0], args[1]), align=1)
        columns = b.load(_at(context, b, kinds[2], args[2], args[1]), align=1)
        tags = b.add(b.add(codes, columns), _splat(b, args[3]))
        for least in (three, six):
            tags = b.add(tags, b.select(b.icmp_unsigned(">=", codes, least), more, nothing))
        b.store(b.and_(tags, mask), _at(context, b, kinds[4], args[4], args[5]), align=1)
        return context.get_dummy_value()

    return types.void(codes, types.intp, columns, types.uint8, tags, types.intp), generate


def _splat(builder: Any, value: Any) -> Any:
    undefined, zero = ir.Constant(_BYTES, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    first = builder.insert_element(undefined, value, zero)
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), WORD), [0] * WORD)
    return builder.shuffle_vector(first, undefined, lanes)


def _trailing_zeros(_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(_I1, 1))

    return types.uint64(types.uint64), generate


def _count_ones(_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate


equal: Any = intrinsic(_equal)
"""Compare 64 bytes with 64 others: ``equal(first, i, second, j)``; a bit each, the first lowest."""

mark: Any = intrinsic(_mark)
"""Mark 64 codes in place: ``mark(line, i, kept, weak, free, pending)``.

Those without a bit in `kept` become `free`; of the others, `pending` is added where `weak` has one.
"""

tag: Any = intrinsic(_tag)
"""Write where the labels of 64 codes lie: ``tag(codes, i, columns, row, tags, j)``.

The lowest two bits of a tag are the column of cells, the next but two the row, both modulo 4; given
are the columns modulo 4, from `i` on like the codes, and 16 times the row modulo 4. 13 more for
each row of codes make 16 down + right of 3 down + right.
"""

trailing_zeros: Any = intrinsic(_trailing_zeros)
"""Return the number of zeros below the lowest set bit of a uint64 that is not 0."""

count_ones: Any = intrinsic(_count_ones)
"""Return the number of set bits of a uint64."""
