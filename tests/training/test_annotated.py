"""What is known of an image, and the part of it that is held out."""

import numpy as np
import pytest

from napari_superpixels.io import open_source
from napari_superpixels.tiling import Box
from napari_superpixels.training import annotated
from napari_superpixels.training.annotated import look_at, share_out
from napari_superpixels.training.painted import parts_of
from napari_superpixels.training.pairs import StoredLabels


def labels_of(array):
    return StoredLabels(open_source(np.asarray(array, np.int32)))


@pytest.fixture
def painted():
    """Two segments in a corner of what is not painted."""
    array = np.zeros((300, 400), np.int32)
    array[100:180, 50:250] = 3
    array[120:150, 100:260] = 9
    return array


def test_zero_is_a_segment_unless_it_is_unknown(painted):
    whole, known = look_at(labels_of(painted)), look_at(labels_of(painted), void=0)
    assert (whole.pixels, whole.segments) == (300 * 400, 3)
    assert whole.box == Box.whole((300, 400))
    assert (known.pixels, known.segments) == (np.count_nonzero(painted), 2)
    assert known.box == Box.of((100, 180), (50, 260))


@pytest.mark.parametrize("block", [1, 7, 64, 1024])
def test_squares_do_not_show(painted, block, monkeypatch):
    small = painted[90:190:3, 40:270:5]
    wanted = look_at(labels_of(small), void=0)
    monkeypatch.setattr(annotated, "BLOCK", block)
    assert look_at(labels_of(small), void=0) == wanted


def test_where_nothing_is_painted_nothing_is_known():
    known = look_at(labels_of(np.zeros((8, 9))), void=0)
    assert (known.pixels, known.segments, known.has_borders) == (0, 0, False)
    assert look_at(labels_of(np.eye(8)), void=0).has_borders is False
    assert look_at(labels_of(np.eye(8))).has_borders is True


def shares(array, crop, void=None):
    """Share out what is one part of an image."""
    labels = labels_of(array)
    (part,) = parts_of(labels, crop, void)
    return share_out(part, labels, crop, void)


def test_the_end_of_the_longer_side_is_held_out(painted):
    stripes = painted + np.arange(400) // 10
    found = shares(stripes, 80)
    assert found.learned == Box.of((0, 300), (0, 288))
    assert found.held == Box.of((0, 300), (320, 400))


def test_nothing_is_held_out_where_crops_would_not_fit_any_more(painted):
    stripes = (painted + np.arange(400) // 10)[:, :180]
    assert shares(stripes, 160).held is not None  # along y
    assert shares(stripes[:180], 160).held is None
    assert shares(stripes[:180], 160).learned == Box.of((0, 180), (0, 180))


def test_nothing_is_held_out_where_there_is_no_border_to_find(painted):
    assert shares(painted, 80).held is None
