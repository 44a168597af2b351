from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from napari_superpixels.networks.resampling import resampled, taps

SCALES = [Fraction(n, 4) for n in (1, 2, 3, 4, 5, 6, 8, 16)]


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_it_is_bilinear_with_a_filter_where_pixels_are_skipped(scale):
    image = torch.rand(1, 2, 48, 64, generator=torch.Generator().manual_seed(0))
    size = [int(48 * scale), int(64 * scale)]
    expected = interpolate(image, size=size, mode="bilinear", antialias=scale < 1)
    torch.testing.assert_close(resampled(image, scale), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_a_part_that_begins_at_a_whole_pixel_has_the_same_bits(scale):
    image = torch.rand(1, 1, 8, 4096, generator=torch.Generator().manual_seed(1))
    start, margin = 3072, 64
    whole = resampled(image, scale)[..., int((start + margin) * scale) :]
    part = resampled(image[..., start:], scale)[..., int(margin * scale) :]
    assert torch.equal(whole, part)


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_weights_sum_to_one_and_lie_inside(scale):
    places, weights = taps(16, scale)
    assert places.shape == weights.shape
    assert 0 <= places.min() <= places.max() < 16
    np.testing.assert_allclose(weights.sum(axis=0), 1, rtol=1e-6)
    assert (weights >= 0).all()
