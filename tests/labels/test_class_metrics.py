"""Measures of class maps, on cases that are counted by hand."""

import numpy as np
import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.labels.class_metrics import (
    BoundaryCounts,
    confusion,
    iou_of,
    mean_iou_of,
    pixel_accuracy_of,
)

TRUTH = np.array([[1, 1, 2, 2], [1, 1, 2, 0]])
FOUND = np.array([[1, 2, 2, 2], [1, 1, 1, 2]])


def test_pixels_are_counted_by_true_and_predicted_class():
    counts = confusion(TRUTH, FOUND, 3)
    assert counts.tolist() == [[3, 1, 0, 0], [1, 2, 0, 0], [0, 0, 0, 0]]
    assert pixel_accuracy_of(counts) == 5 / 7


def test_iou_is_shared_pixels_over_all_pixels_of_both():
    counts = confusion(TRUTH, FOUND, 3)
    first, second, third = iou_of(counts)
    assert (first, second) == (3 / 5, 2 / 4)
    assert np.isnan(third)
    assert mean_iou_of(counts) == pytest.approx((3 / 5 + 2 / 4) / 2)


def test_what_is_predicted_as_none_is_missed():
    counts = confusion(np.array([[1, 2]]), np.array([[0, 2]]), 2)
    assert counts.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert iou_of(counts).tolist() == [0, 1]


def test_nothing_known_is_no_number():
    counts = confusion(np.zeros((2, 2), int), np.ones((2, 2), int), 2)
    assert np.isnan(mean_iou_of(counts))
    assert np.isnan(pixel_accuracy_of(counts))


@pytest.mark.parametrize("bad", [3, -1])
def test_ids_beyond_the_classes_are_refused(bad):
    good = np.ones((2, 2), int)
    with pytest.raises(InputError, match="annotation has ids from"):
        confusion(np.full((2, 2), bad), good, 2)
    with pytest.raises(InputError, match="prediction has ids from"):
        confusion(good, np.full((2, 2), bad), 2)
    with pytest.raises(InputError, match="shapes"):
        confusion(good, np.ones((2, 3), int), 2)


def steps(*edges, width=10):
    """Rows of one class up to each edge, the next after it."""
    return np.tile(1 + np.searchsorted(edges, np.arange(width), side="right"), (3, 1))


@pytest.mark.parametrize(
    ("shift", "tolerance", "f"), [(0, 0, 1), (1, 0, 0), (1, 1, 1), (3, 2, 0), (3, 3, 1)]
)
def test_boundaries_count_up_to_the_tolerance(shift, tolerance, f):
    truth, found = steps(5), steps(5 + shift)
    counts = BoundaryCounts.of(truth, found, 2, tolerance_px=tolerance)
    assert counts.truth.tolist() == counts.found.tolist() == [3, 3]
    assert counts.mean_f == f


def test_precision_and_recall_are_put_together():
    """The prediction has the annotation's border and another: half of its pixels have partners."""
    truth, found = steps(4, width=12), steps(4, width=12)
    found[:, 8:] = 1
    first, second = BoundaryCounts.of(truth, found, 2, tolerance_px=0).f_per_class
    assert first == pytest.approx(2 * 0.5 * 1 / 1.5)
    assert second == pytest.approx(2 * 0.5 * 1 / 1.5)


def test_images_add_up_to_counts_and_no_mean_of_measures():
    one = BoundaryCounts.of(steps(5), steps(5), 2, tolerance_px=0)
    two = BoundaryCounts.of(steps(5), steps(9), 2, tolerance_px=0)
    both = one + two
    assert both.truth.tolist() == [6, 6]
    assert both.truth_near.tolist() == [3, 3]
    assert both.mean_f == 0.5


def test_borders_of_what_is_unknown_are_none():
    truth = steps(5)
    truth[:, 5:] = 0
    counts = BoundaryCounts.of(truth, steps(2), 2, tolerance_px=1)
    assert counts.truth.tolist() == [0, 0]
    assert counts.found.tolist() == [3, 3]
    alone = BoundaryCounts.of(truth, np.ones((3, 10), int), 2, tolerance_px=1)
    assert np.isnan(alone.mean_f)
