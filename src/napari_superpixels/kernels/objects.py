"""Objects of a class image: pixels of one value that touch, found by runs and union-find.

A run is the longest stretch of one value in a row; value 0 is background and has none. Runs are
numbered in raster order and always joined to the earlier one, so the first run of an object begins
at its smallest raster pixel, and objects are numbered in the order of these.

Across tiles only their border lines are compared: `join_lines` joins objects of two lines of pixels
that lie side by side.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.jit import kernel

Values = NDArray[np.unsignedinteger[Any]]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

NONE = -1
"""Number of no object, in a line."""


class Runs(NamedTuple):
    """The runs of an image, row by row, and the object of each."""

    first: Int64
    """The number of the first run of each row, and of all runs at the end, shape (Y + 1,)."""
    start: Int32
    """Column at which each run begins."""
    stop: Int32
    """Column after its last one."""
    component: Int32
    """Number of its object, from 0."""
    objects: int
    """How many there are."""


class Lines(NamedTuple):
    """Objects along the four sides of an image, `NONE` where there is none."""

    top: Int32
    bottom: Int32
    left: Int32
    right: Int32


MEASURES = ("top", "first", "area", "bottom", "left", "right", "sum_y", "sum_x")
"""Columns of `measure_runs`: `first` is the column of the first pixel, bottom and right lie after
the last one."""


def find_runs(values: Values, connectivity: int) -> Runs:
    """Find the objects of an image.

    Parameters
    ----------
    values : ndarray of an unsigned integer, shape (Y, X)
        Classes; 0 is background.
    connectivity
        4 or 8: whether pixels that share an edge touch, or a corner too.
    """
    values = np.ascontiguousarray(values)
    size = int(_count_runs(values))
    first = np.empty(values.shape[0] + 1, np.int64)
    start, stop, component = (np.empty(size, np.int32) for _ in range(3))
    _cut_runs(values, first, start, stop)
    _join_rows(values, first, start, stop, connectivity // 8, component)
    return Runs(first, start, stop, component, int(_number(component)))


def measure_runs(runs: Runs) -> Int64:
    """Return the measures of each object, shape (objects, len(MEASURES))."""
    measures = np.zeros((runs.objects, len(MEASURES)), np.int64)
    _measure(runs.first, runs.start, runs.stop, runs.component, measures)
    return measures


def paint_runs(runs: Runs, ids: Values, width: int) -> Values:
    """Return an image of so many columns in which each object has its id; 0 elsewhere."""
    image = np.zeros((runs.first.size - 1, width), ids.dtype)
    _paint(runs.first, runs.start, runs.stop, runs.component, ids, image)
    return image


def lines_of(runs: Runs, width: int) -> Lines:
    """Return the objects along the sides of an image of so many columns."""
    height = runs.first.size - 1
    top, bottom, left, right = (np.full(n, NONE, np.int32) for n in (width, width, height, height))
    for line, row in ((top, 0), (bottom, height - 1)):
        for n in range(runs.first[row], runs.first[row + 1]):
            line[runs.start[n] : runs.stop[n]] = runs.component[n]
    rows = np.flatnonzero(np.diff(runs.first))
    one, last = runs.first[rows], runs.first[rows + 1] - 1
    for side, run, there in (
        (left, one, runs.start[one] == 0),
        (right, last, runs.stop[last] == width),
    ):
        side[rows[there]] = runs.component[run[there]]
    return Lines(top, bottom, left, right)


@kernel()
def _count_runs(values: Values) -> int:
    """Return how many runs there are."""
    count = 0
    for y in range(values.shape[0]):
        if values.shape[1]:
            count += values[y, 0] != 0
        for x in range(1, values.shape[1]):
            count += (values[y, x] != 0) & (values[y, x] != values[y, x - 1])
    return count


@kernel()
def _cut_runs(values: Values, first: Int64, start: Int32, stop: Int32) -> None:
    """Write where the runs begin and end."""
    height, width = values.shape
    n = 0
    for y in range(height):
        first[y] = n
        x = 0
        while x < width:
            value = values[y, x]
            begin = x
            x += 1
            while x < width and values[y, x] == value:
                x += 1
            if value != 0:
                start[n] = begin
                stop[n] = x
                n += 1
    first[height] = n


@kernel(forceinline=True)
def find(parent: Any, n: Any) -> Any:
    """Return the root of an element, and shorten the way to it."""
    while parent[n] != n:
        parent[n] = parent[parent[n]]
        n = parent[n]
    return n


@kernel(forceinline=True)
def _unite(parent: Int32, a: int, b: int) -> None:
    """Join two runs to the earlier root."""
    one, other = find(parent, a), find(parent, b)
    parent[max(one, other)] = min(one, other)


@kernel()
def _join_rows(
    values: Values, first: Int64, start: Int32, stop: Int32, reach: int, parent: Int32
) -> None:
    """Join runs of one value that touch; by corners too where the reach is 1."""
    for n in range(parent.size):
        parent[n] = n
    for y in range(1, values.shape[0]):
        i, j = first[y - 1], first[y]
        while i < first[y] and j < first[y + 1]:
            touch = start[i] < stop[j] + reach and start[j] < stop[i] + reach
            if touch and values[y - 1, start[i]] == values[y, start[j]]:
                _unite(parent, i, j)
            if stop[i] < stop[j]:
                i += 1
                continue
            # Where both end at once, each may still touch what follows the other by a corner.
            beside = stop[i] == stop[j] and i + 1 < first[y] and start[i + 1] < stop[j] + reach
            if beside and values[y - 1, start[i + 1]] == values[y, start[j]]:
                _unite(parent, i + 1, j)
            j += 1


@kernel()
def _number(parent: Int32) -> int:
    """Replace roots by numbers in their order; return how many there are."""
    count = 0
    for n in range(parent.size):
        if parent[n] == n:
            parent[n] = count
            count += 1
        else:  # the root comes earlier, and so has its number already
            parent[n] = parent[parent[n]]
    return count


@kernel()
def _measure(
    first: Int64, start: Int32, stop: Int32, component: Int32, measures: NDArray[np.int64]
) -> None:
    for y in range(first.size - 1):
        for n in range(first[y], first[y + 1]):
            one = measures[component[n]]
            length = np.int64(stop[n] - start[n])
            if one[2] == 0:
                one[0], one[1] = y, start[n]
                one[4], one[5] = start[n], stop[n]
            one[2] += length
            one[3] = y + 1
            one[4] = min(one[4], np.int64(start[n]))
            one[5] = max(one[5], np.int64(stop[n]))
            one[6] += y * length
            one[7] += length * (start[n] + stop[n] - 1) // 2


@kernel()
def _paint(
    first: Int64, start: Int32, stop: Int32, component: Int32, ids: Values, image: Values
) -> None:
    for y in range(first.size - 1):
        for n in range(first[y], first[y + 1]):
            label = ids[component[n]]
            for x in range(start[n], stop[n]):
                image[y, x] = label


@kernel()
def join_lines(
    one: Int64, other: Int64, kinds: Int64, roots: Int64, reach: int, parent: Int64
) -> None:
    """Join objects of two lines of pixels side by side where their classes are equal.

    Parameters
    ----------
    one, other : ndarray of int64, shape (n,)
        Numbers of objects, `NONE` where there is none.
    kinds, roots : ndarray of int64
        Class and smallest raster pixel of each object; the object of the smaller one stays root.
    reach
        1 where corners touch too, else 0.
    parent : ndarray of int64
        The union-find, changed in place.
    """
    for x in range(one.size):
        if one[x] == NONE:
            continue
        for at in range(max(0, x - reach), min(one.size, x + reach + 1)):
            if other[at] == NONE or kinds[one[x]] != kinds[other[at]]:
                continue
            a, b = find(parent, one[x]), find(parent, other[at])
            if roots[b] < roots[a]:
                a, b = b, a
            parent[b] = a


@kernel()
def flatten(parent: Int64) -> None:
    """Replace every parent by its root."""
    for n in range(parent.size):
        parent[n] = find(parent, n)
