"""The papers' merging: sizes, connectedness, and a clear sentence where the step is missing."""

import sys

import numpy as np
import pytest
from scipy.ndimage import label as components

from napari_superpixels.errors import InputError
from napari_superpixels.labels.merge import merge_small, size_limits


def test_limits_are_those_of_the_papers():
    assert size_limits(481 * 321, 300) == (30, 1544)


def test_a_small_piece_joins_its_neighbour_and_a_large_one_stays():
    labels = np.zeros((20, 20), np.int32)
    labels[:, 10:] = 7
    labels[5, 5] = 7  # one pixel, below int(0.06 * 400 / 4) = 6
    merged = merge_small(labels, target=4)
    expected = np.zeros((20, 20), int)
    expected[:, 10:] = 1
    assert np.array_equal(merged, expected)


def test_separate_pieces_of_one_label_get_labels_of_their_own():
    labels = np.zeros((9, 9), np.uint8)
    labels[:, 3:6] = 1
    merged = merge_small(labels, target=3)
    assert merged[0, 0] != merged[0, 8]


def test_every_result_is_connected_and_no_smaller_than_the_limit():
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 9, (8, 8)), np.ones((5, 5), int)) - 4
    labels[rng.random(labels.shape) < 0.2] = 5
    merged = merge_small(labels, target=20)
    smallest, _ = size_limits(labels.size, 20)
    for value in np.unique(merged):
        assert components(merged == value)[1] == 1
        assert (merged == value).sum() >= smallest


@pytest.mark.parametrize(("shape", "target"), [((3, 3, 3), 4), ((0, 4), 4), ((4, 4), 0)])
def test_wrong_arguments_are_refused(shape, target):
    with pytest.raises(InputError, match=f"target of {target}"):
        merge_small(np.zeros(shape, int), target=target)


def test_a_scikit_image_without_the_step_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.segmentation._slic", None)
    with pytest.raises(InputError, match="install scikit-image"):
        merge_small(np.zeros((4, 4), int), target=2)
