"""End-point error: cases by hand, and agreement with scipy's means over labels."""

import numpy as np
import pytest
from scipy import ndimage

from napari_superpixels.errors import InputError
from napari_superpixels.labels.flow import end_point_error, segmented

HALVES = np.repeat([[4, 4, 9, 9]], 2, axis=0)


def test_a_flow_that_is_constant_in_superpixels_is_kept():
    flow = np.stack([HALVES * 2.0, HALVES - 1.0], axis=-1)
    assert end_point_error(HALVES, flow) == 0.0
    assert end_point_error(np.ones_like(HALVES), flow) > 0


def test_a_case_by_hand():
    """In the right half the flow is (0, 0) and (6, 8): each is 5 from their mean (3, 4)."""
    flow = np.zeros((2, 4, 2))
    flow[:, 3] = (6, 8)
    assert end_point_error(HALVES, flow) == pytest.approx(4 * 5 / 8)
    assert segmented(flow, HALVES)[0, 2].tolist() == [3.0, 4.0]


def test_unknown_pixels_count_neither_for_means_nor_for_the_error():
    flow = np.zeros((2, 4, 2))
    flow[:, 3] = (6, 8)
    flow[0, 0] = 1e9
    known = np.ones((2, 4), bool)
    known[0, 0] = False
    assert end_point_error(HALVES, flow, known=known) == pytest.approx(4 * 5 / 7)
    known[:, :2] = False
    assert np.isnan(segmented(flow, HALVES, known)[:, :2]).all()
    assert end_point_error(HALVES, flow, known=known) == pytest.approx(5.0)


def test_nothing_known_is_no_perfect_score():
    assert np.isnan(end_point_error(HALVES, np.zeros((2, 4, 2)), known=np.zeros((2, 4), bool)))
    with pytest.raises(InputError, match=r"\(4, 2\)"):
        end_point_error(HALVES, np.zeros((2, 4, 2)), known=np.ones((4, 2), bool))


def test_it_agrees_with_means_over_labels_of_scipy():
    rng = np.random.default_rng(0)
    labels = rng.integers(-3, 9, (13, 17)) * 1000
    flow = rng.normal(size=(13, 17, 2))
    index = np.unique(labels)
    squares = 0.0
    for channel in range(2):
        means = dict(zip(index, ndimage.mean(flow[..., channel], labels, index)))
        squares += (flow[..., channel] - np.vectorize(means.get)(labels)) ** 2
    assert end_point_error(labels, flow) == pytest.approx(np.sqrt(squares).mean())


def test_a_map_of_one_channel_serves_too():
    assert end_point_error(HALVES, HALVES.astype(float) ** 2) == 0.0


@pytest.mark.parametrize("shape", [(4, 2, 2), (2, 4, 2, 1), (2,)])
def test_other_sizes_are_refused(shape):
    with pytest.raises(InputError, match="shape"):
        end_point_error(HALVES, np.zeros(shape))
