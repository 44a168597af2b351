"""Runs and union-find against scipy's labels, class by class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from napari_superpixels.kernels.objects import (
    NONE,
    find_runs,
    flatten,
    join_lines,
    lines_of,
    measure_runs,
    paint_runs,
)

SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14)
CLASSES = arrays.arrays(np.uint8, SHAPES, elements=st.integers(0, 2))
CONNECTIVITIES = st.sampled_from([4, 8])


def numbered(values, connectivity):
    """Objects from 1, in the order of their first pixels, by scipy."""
    found, count = np.zeros(values.shape, int), 0
    for kind in np.unique(values[values > 0]):
        structure = np.ones((3, 3)) if connectivity == 8 else None
        some, more = ndimage.label(values == kind, structure)
        found[some > 0] = some[some > 0] + count
        count += more
    _, first, inverse = np.unique(found[found > 0], return_index=True, return_inverse=True)
    ranks = np.argsort(np.argsort(first)) + 1
    found[found > 0] = ranks[inverse] if len(first) else 0
    return found


def painted(values, connectivity):
    runs = find_runs(values, connectivity)
    ids = np.arange(1, runs.objects + 1, dtype=np.uint32)
    return runs, paint_runs(runs, ids, values.shape[1])


@given(CLASSES, CONNECTIVITIES)
def test_objects_are_those_of_scipy_in_the_order_of_their_first_pixels(values, connectivity):
    _, image = painted(values, connectivity)
    np.testing.assert_array_equal(image, numbered(values, connectivity))


@given(CLASSES, CONNECTIVITIES)
def test_measures_and_lines(values, connectivity):
    runs, image = painted(values, connectivity)
    for number, measured in enumerate(measure_runs(runs).tolist(), 1):
        y, x = np.nonzero(image == number)
        sides = [y.max() + 1, x.min(), x.max() + 1]
        assert measured == [y[0], x[0], y.size, *sides, y.sum(), x.sum()]
    expected = (image[0], image[-1], image[:, 0], image[:, -1])
    for line, pixels in zip(lines_of(runs, values.shape[1]), expected, strict=True):
        np.testing.assert_array_equal(line, pixels.astype(np.int32) - 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_every_type_and_its_largest_value(dtype):
    largest = np.iinfo(dtype).max
    values = np.array([[largest, largest - 1], [largest, 0]], dtype)
    assert painted(values, 4)[1].tolist() == [[1, 2], [1, 0]]


def test_corners_touch_where_two_runs_end_at_once():
    values = np.array([[1, 2], [2, 1]], np.uint8)
    assert painted(values, 4)[0].objects == 4
    assert painted(values, 8)[1].tolist() == [[1, 2], [2, 1]]


@pytest.mark.parametrize(("reach", "expected"), [(0, [0, 0, 2]), (1, [0, 0, 0])])
def test_lines_join_to_the_earlier_root(reach, expected):
    one, other = np.array([1, NONE, NONE]), np.array([0, 2, NONE])
    kinds, roots, parent = np.array([7, 7, 7]), np.array([3, 9, 11]), np.arange(3)
    join_lines(one, other, kinds, roots, reach, parent)
    flatten(parent)
    assert parent.tolist() == expected


def test_lines_of_other_classes_stay_apart():
    parent = np.arange(2)
    join_lines(np.array([0]), np.array([1]), np.array([1, 2]), np.array([0, 1]), 1, parent)
    assert parent.tolist() == [0, 1]
