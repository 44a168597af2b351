"""Rule 4 of connectivity: the pixels without a label are taken in layers.

The layers lie one after the other in a queue that every pixel enters once: as soon as a label that
it may take reaches one of its neighbours.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.bits import WORD, equal, trailing_zeros
from napari_superpixels.kernels.components import FREE, PENDING, QUEUED
from napari_superpixels.kernels.jit import kernel

Cost = Callable[[NDArray[np.int64], NDArray[np.uint8]], NDArray[Any]]
"""The method's distance of flat pixel indices to the cells that the codes name."""

CHUNK = 1 << 16  # pixels of a layer that are handled at once

# Kinds of neighbour: in the same cell, in the one above, below, to the left or right, missing.
SAME, UP, DOWN, LEFT, RIGHT, MISSING = range(6)
OPPOSITE = (SAME, DOWN, UP, RIGHT, LEFT, MISSING)

Bytes = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Tables = tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint16]]


class _Growth(NamedTuple):
    """Where the neighbours of a pixel are, and what their codes mean for it."""

    down: NDArray[np.uint32]  # of each row: distance and kind of the neighbours above and below
    right: NDArray[np.uint32]  # of each column: the same, to the left and right
    offers: NDArray[np.uint16]  # of each kind and value: the code offered, as one bit; else 0
    accepts: NDArray[np.bool_]  # of each kind and code: whether the neighbour may take the label
    code: NDArray[np.uint8]  # of each single bit: its number

    @classmethod
    def over(cls, shape: tuple[int, int], step: tuple[int, int]) -> "_Growth":
        return cls(
            _neighbours(shape[0], step[0], shape[1], UP),
            _neighbours(shape[1], step[1], 1, LEFT),
            _offers(),
            _offers()[list(OPPOSITE)] > 0,
            np.array([max(i.bit_length() - 1, 0) for i in range(257)], np.uint8),
        )


def _neighbours(size: int, step: int, stride: int, before: int) -> NDArray[np.uint32]:
    """Return distance and kind of the neighbour before, then the one after, shape (size, 4).

    The distance of a missing neighbour is 0, so that reading it does no harm.
    """
    i = np.arange(size)
    table = np.full((size, 4), stride, np.uint32)
    table[:, 1] = np.where(i % step == 0, before, SAME)
    table[:, 3] = np.where(i % step == step - 1, before + 1, SAME)
    table[0, :2] = 0, MISSING
    table[-1, 2:] = 0, MISSING
    return table


def _offers() -> NDArray[np.uint16]:
    """Return the code that a neighbour offers, seen from the pixel, as one bit, shape (6, 256)."""
    table = np.zeros((6, 256), np.uint16)
    moves = {SAME: (0, 0), UP: (-1, 0), DOWN: (1, 0), LEFT: (0, -1), RIGHT: (0, 1)}
    for kind, (dr, dc) in moves.items():
        for code in range(9):
            row, column = code // 3 + dr, code % 3 + dc
            if 0 <= row < 3 and 0 <= column < 3:
                table[kind, code] = 1 << (3 * row + column)
    return table


def bytes_for(shape: tuple[int, int]) -> int:
    """Return an upper bound of the memory that `grow` uses, in bytes, without that of `cost`."""
    pixels = shape[0] * shape[1]
    pairs = 4 * min(CHUNK, pixels)
    return 4 * (pixels + 1) + (8 + 8 + 1) * pairs + 16 * sum(shape) + 3 * 6 * 256 + 257


def grow(
    out: NDArray[np.uint8],
    step: tuple[int, int],
    cost: Cost,
    offset: int,
    free: int,
    pulse: Callable[[], None],
) -> None:
    """Give the free pixels of `out` a code, layer by layer; `offset` is its first flat index."""
    growth = _Growth.over(out.shape, step)
    flat, columns = out.reshape(-1), out.shape[1]
    queue = np.empty(free + 1, np.int32)  # one more to write to in vain
    size = min(CHUNK, free)
    index, choice = np.empty(4 * size, np.int64), np.empty(4 * size, np.uint8)
    head, tail, layers = 0, int(_seed(out, growth, queue)), 0
    while head < tail:
        for start in range(head, tail, CHUNK):
            part = queue[start : min(start + CHUNK, tail)]
            pairs = _propose(flat, columns, growth, part, index, choice)
            if pairs:
                _choose(flat, index[:pairs], choice[:pairs], cost, offset)
            pulse()
        head, tail = tail, int(_commit(flat, columns, growth, queue, head, tail))
        layers += 1
    assert tail == free, "growth reached every pixel"
    assert layers <= sum(step) - 2, "growth ends within two cells"


@kernel(forceinline=True)
def _place(pixel: np.uintp, columns: int) -> tuple[np.uintp, np.uintp]:
    """Return the row and the column of a flat index, without a slow division of integers.

    Exact: the quotient is half a column or more away from whole numbers, and wrong by no more than
    2^-52 of itself, which for indices below 2^31 is less. Unsigned, as all indices here: that
    spares tests for negatives.
    """
    row = np.int64((np.int64(pixel) + 0.5) * (1.0 / columns))
    return np.uintp(row), np.uintp(np.int64(pixel) - row * columns)


@kernel(forceinline=True)
def _offered(flat: Bytes, pixel: np.uintp, columns: int, tables: Tables) -> int:
    """Return the codes that a pixel may take from its neighbours, as bits."""
    down, right, offers = tables
    y, x = _place(pixel, columns)
    above = offers[down[y, 1], flat[pixel - down[y, 0]]]
    below = offers[down[y, 3], flat[pixel + down[y, 2]]]
    before = offers[right[x, 1], flat[pixel - right[x, 0]]]
    after = offers[right[x, 3], flat[pixel + right[x, 2]]]
    return int(np.int64(above | below | before | after))


@kernel()
def _free_word(flat: Bytes, start: int, frees: Bytes) -> np.uint64:
    """Return which of the next pixels are free, one bit each."""
    if start + WORD <= flat.size:
        return np.uint64(equal(flat, start, frees, 0))
    word = np.uint64(0)
    for pixel in range(start, flat.size):
        word |= np.uint64(flat[pixel] == FREE) << np.uint64(pixel - start)
    return word


@kernel()
def _seed(out: Bytes, growth: _Growth, queue: Int32) -> int:
    """Queue the free pixels that a kept one can reach; return their number."""
    flat, columns, tail = out.reshape(-1), out.shape[1], 0
    tables = growth.down, growth.right, growth.offers
    frees = np.full(WORD, FREE, np.uint8)
    for start in range(0, flat.size, WORD):
        word = _free_word(flat, start, frees)
        while word:
            pixel = np.uintp(start) + np.uintp(trailing_zeros(word))
            word &= word - np.uint64(1)
            is_reached = _offered(flat, pixel, columns, tables) != 0
            queue[np.uintp(tail)] = pixel
            flat[pixel] = QUEUED if is_reached else FREE
            tail += is_reached
    return tail


@kernel()
def _propose(
    flat: Bytes, columns: int, growth: _Growth, queue: Int32, index: Int64, choice: Bytes
) -> int:
    """Give pixels with one option that code, pending; list the options of the others."""
    tables, number = (growth.down, growth.right, growth.offers), growth.code
    pairs = 0
    for i in range(queue.size):
        pixel = np.uintp(queue[i])
        offered = _offered(flat, pixel, columns, tables)
        if offered & (offered - 1) == 0:
            flat[pixel] = PENDING + number[np.uintp(offered)]
            continue
        while offered:
            index[pairs] = pixel
            choice[pairs] = number[np.uintp(offered & -offered)]
            pairs += 1
            offered &= offered - 1
    return pairs


def _choose(
    flat: NDArray[np.uint8],
    index: NDArray[np.int64],
    choice: NDArray[np.uint8],
    cost: Cost,
    offset: int,
) -> None:
    """Give each listed pixel the nearest of its options, pending."""
    values = np.ascontiguousarray(cost(index + offset, choice))
    assert values.shape == index.shape, "one cost a pair"
    _choose_least(flat, index, choice, values)


@kernel()
def _choose_least(
    flat: NDArray[np.uint8],
    index: NDArray[np.int64],
    choice: NDArray[np.uint8],
    values: NDArray[Any],
) -> None:
    """Take the least value of each pixel's options; of equal ones the first, the smaller label."""
    best = 0
    for i in range(index.size):
        if index[i] != index[best] or values[i] < values[best]:
            best = i
        flat[index[i]] = PENDING + choice[best]


@kernel()
def _commit(flat: Bytes, columns: int, growth: _Growth, queue: Int32, head: int, tail: int) -> int:
    """Make a layer's codes final and queue the free pixels that it reaches; return the new tail."""
    down, right, accepts = growth.down, growth.right, growth.accepts
    for i in range(head, tail):
        flat[np.uintp(queue[i])] -= PENDING
    end = tail
    for i in range(head, tail):
        pixel = np.uintp(queue[i])
        y, x = _place(pixel, columns)
        code = flat[pixel]
        end = _reach(flat, pixel - down[y, 0], accepts[down[y, 1], code], queue, end)
        end = _reach(flat, pixel + down[y, 2], accepts[down[y, 3], code], queue, end)
        end = _reach(flat, pixel - right[x, 0], accepts[right[x, 1], code], queue, end)
        end = _reach(flat, pixel + right[x, 2], accepts[right[x, 3], code], queue, end)
    return end


@kernel(forceinline=True)
def _reach(flat: Bytes, near: np.uintp, accepts: bool, queue: Int32, end: int) -> int:  # noqa: FBT001
    """Queue a neighbour if it is free and may take the label; return the new end of the queue.

    There is no branch, which nobody could foresee: what is not reached is overwritten.
    """
    value = flat[near]
    is_reached = (value == FREE) & accepts
    queue[np.uintp(end)] = near
    flat[near] = QUEUED if is_reached else value
    return int(end + is_reached)
