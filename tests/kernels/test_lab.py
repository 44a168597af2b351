"""Lab in integers against the float formula."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from napari_superpixels.kernels.lab import rgb_to_lab


def exact(rgb, scale):
    """The float formula, unrounded."""
    return np.moveaxis(rgb2lab(np.moveaxis(rgb, 0, -1)), -1, 0) * scale


@pytest.mark.parametrize("scale", [1, 8, 15, 16])
def test_a_large_sample_of_colours(scale):
    levels = np.concatenate([np.arange(0, 40, 3), np.arange(40, 256, 9), [254, 255]])
    rgb = np.stack(np.meshgrid(levels, levels, levels, indexing="ij")).reshape(3, len(levels), -1)
    rgb = rgb.astype(np.uint8)
    assert np.abs(rgb_to_lab(rgb, scale) - exact(rgb, scale)).max() <= 1


def test_random_colours():
    rgb = np.random.default_rng(1).integers(0, 256, (3, 400, 500), dtype=np.uint8)
    error = np.abs(rgb_to_lab(rgb, 15) - exact(rgb, 15))
    assert error.max() <= 1
    assert error.mean() < 0.3


def test_greys_are_neutral_and_rise():
    grey = np.broadcast_to(np.arange(256, dtype=np.uint8), (3, 1, 256))
    lab = rgb_to_lab(grey, 15)
    assert np.abs(lab - exact(grey, 15)).max() <= 1
    assert not lab[1:].any()
    assert (np.diff(lab[0, 0]) > 0).all()
    assert (lab[0, 0, 0], lab[0, 0, -1]) == (0, 1500)


def test_layout_does_not_matter():
    interleaved = np.random.default_rng(2).integers(0, 256, (21, 34, 3), dtype=np.uint8)
    view = np.moveaxis(interleaved, -1, 0)
    wanted = rgb_to_lab(np.ascontiguousarray(view), 15)
    np.testing.assert_array_equal(rgb_to_lab(view, 15), wanted)
    np.testing.assert_array_equal(rgb_to_lab(view[:, ::-2, 3:], 15), wanted[:, ::-2, 3:])
    frozen = interleaved.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(rgb_to_lab(np.moveaxis(frozen, -1, 0), 15), wanted)


def test_the_numbers_never_change():
    """Labels are promised to be the same on every machine, so these are."""
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    rgb = np.stack(np.meshgrid(levels, levels, levels, indexing="ij")).reshape(3, 52, -1)
    lab = rgb_to_lab(rgb, 15).astype(np.int64)
    weights = np.arange(1, lab[0].size + 1).reshape(lab[0].shape) % 9973
    sums = [int((channel * weights).sum()) for channel in lab]
    assert sums == [603163771752, 82082947941, 40906071581]
