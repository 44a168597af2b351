import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_superpixels.kernels.average import mean_downsample


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99)
)
def test_each_pixel_is_the_mean_of_its_block(height, width, fy, fx, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(2, height, width)).astype(np.float32)
    values[rng.random(values.shape) < 0.4] = np.nan
    found = mean_downsample(values, (fy, fx))
    assert found.shape == (2, -(-height // fy), -(-width // fx))
    assert found.dtype == np.float32
    for index in np.ndindex(found.shape):
        k, r, c = index
        block = values[k, r * fy : (r + 1) * fy, c * fx : (c + 1) * fx].astype(float)
        known = block[~np.isnan(block)]
        expected = known.mean() if known.size else np.nan
        np.testing.assert_allclose(found[index], expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_part_has_the_bits_of_the_whole(dtype):
    values = np.random.default_rng(1).normal(size=(33, 47)).astype(dtype)
    whole = mean_downsample(values, (2, 3))
    part = mean_downsample(np.ascontiguousarray(values[8:, 9:30]), (2, 3))
    np.testing.assert_array_equal(part, whole[4:, 3:10])
