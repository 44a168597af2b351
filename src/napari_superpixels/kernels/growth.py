"""Rule 4 of connectivity: the pixels without a label are taken in layers.

The layers lie one after the other in a queue that every pixel enters once: as soon as a label that
it may take reaches one of its neighbours.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.components import FREE, PENDING, QUEUED
from napari_superpixels.kernels.jit import kernel

Cost = Callable[[NDArray[np.int64], NDArray[np.uint8]], NDArray[Any]]
"""The method's distance of flat pixel indices to the cells that the codes name."""

CHUNK = 1 << 16  # pixels of a layer that are handled at once

# Kinds of neighbour: in the same cell, in the one above, below, to the left or right, missing.
SAME, UP, DOWN, LEFT, RIGHT, MISSING = range(6)
OPPOSITE = (SAME, DOWN, UP, RIGHT, LEFT, MISSING)


class _Growth(NamedTuple):
    """Where the neighbours of a pixel are, and what their codes mean for it."""

    down: NDArray[np.int32]  # of each row: distance and kind of the neighbours above and below
    right: NDArray[np.int32]  # of each column: the same, to the left and right
    offers: NDArray[np.uint16]  # of each kind and value: the code offered, as one bit; else 0
    code: NDArray[np.uint8]  # of each single bit: its number

    @classmethod
    def over(cls, shape: tuple[int, int], step: tuple[int, int]) -> "_Growth":
        return cls(
            _neighbours(shape[0], step[0], shape[1], UP),
            _neighbours(shape[1], step[1], 1, LEFT),
            _offers(),
            np.array([max(i.bit_length() - 1, 0) for i in range(257)], np.uint8),
        )


def _neighbours(size: int, step: int, stride: int, before: int) -> NDArray[np.int32]:
    """Return distance and kind of the neighbour before, then the one after, shape (size, 4).

    The distance of a missing neighbour is 0, so that reading it does no harm.
    """
    i = np.arange(size)
    table = np.full((size, 4), stride, np.int32)
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
    return 4 * pixels + (8 + 8 + 1) * pairs + 16 * sum(shape) + 2 * 6 * 256 + 257


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
    queue = np.empty(free, np.int32)
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


@kernel()
def _row_of(pixel: int, columns: int) -> int:
    """Return the row of a flat index, without a slow division of integers.

    Exact: the quotient is half a column or more away from whole numbers, and wrong by no more than
    2^-52 of itself, which for indices below 2^31 is less.
    """
    return int((pixel + 0.5) * (1.0 / columns))


@kernel()
def _is_inner(vertical: NDArray[np.int32], horizontal: NDArray[np.int32]) -> bool:
    """Whether all four neighbours lie in the same cell."""
    return bool((vertical[1] | vertical[3] | horizontal[1] | horizontal[3]) == SAME)


@kernel()
def _offered(
    flat: NDArray[np.uint8],
    pixel: int,
    vertical: NDArray[np.int32],
    horizontal: NDArray[np.int32],
    offers: NDArray[np.uint16],
) -> int:
    """Return the codes that a pixel may take from its neighbours, as bits."""
    if _is_inner(vertical, horizontal):
        columns = vertical[0]
        near = offers[SAME, flat[pixel - columns]] | offers[SAME, flat[pixel + columns]]
        return int(near | offers[SAME, flat[pixel - 1]] | offers[SAME, flat[pixel + 1]])
    above = offers[vertical[1], flat[pixel - vertical[0]]]
    below = offers[vertical[3], flat[pixel + vertical[2]]]
    before = offers[horizontal[1], flat[pixel - horizontal[0]]]
    after = offers[horizontal[3], flat[pixel + horizontal[2]]]
    return int(above | below | before | after)


@kernel()
def _seed(out: NDArray[np.uint8], growth: _Growth, queue: NDArray[np.int32]) -> int:
    """Queue the free pixels that a kept one can reach; return their number."""
    flat, columns, tail = out.reshape(-1), out.shape[1], 0
    down, right, offers = growth.down, growth.right, growth.offers
    for y in range(out.shape[0]):
        for x in range(columns):
            pixel = y * columns + x
            if flat[pixel] == FREE and _offered(flat, pixel, down[y], right[x], offers):
                queue[tail] = pixel
                tail += 1
    for i in range(tail):
        flat[queue[i]] = QUEUED
    return tail


@kernel()
def _propose(
    flat: NDArray[np.uint8],
    columns: int,
    growth: _Growth,
    queue: NDArray[np.int32],
    index: NDArray[np.int64],
    choice: NDArray[np.uint8],
) -> int:
    """Give pixels with one option that code, pending; list the options of the others."""
    down, right, offers = growth.down, growth.right, growth.offers
    pairs = 0
    for pixel in queue:
        y = _row_of(pixel, columns)
        offered = _offered(flat, pixel, down[y], right[pixel - y * columns], offers)
        if offered & (offered - 1) == 0:
            flat[pixel] = PENDING + growth.code[offered]
            continue
        for code in range(9):
            if offered >> code & 1:
                index[pairs] = pixel
                choice[pairs] = code
                pairs += 1
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
def _commit(
    flat: NDArray[np.uint8],
    columns: int,
    growth: _Growth,
    queue: NDArray[np.int32],
    head: int,
    tail: int,
) -> int:
    """Make a layer's codes final and queue the free pixels that it reaches; return the new tail."""
    for i in range(head, tail):
        flat[queue[i]] -= PENDING
    down, right, offers = growth.down, growth.right, growth.offers
    end = tail
    for i in range(head, tail):
        pixel = queue[i]
        y = _row_of(pixel, columns)
        x = pixel - y * columns
        for k in range(4):
            table = down[y] if k < 2 else right[x]
            near = pixel + (table[2] if k % 2 else -table[0])
            kind = OPPOSITE[table[1 + 2 * (k % 2)]]
            if flat[near] == FREE and offers[kind, flat[pixel]]:
                flat[near] = QUEUED
                queue[end] = near
                end += 1
    return end
