"""Quanta, and channels as features."""

import warnings
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab

from napari_superpixels.kernels.features import (
    COLOR_DIAMETER,
    DISTANCE_LIMIT,
    MAX_COMPACTNESS,
    Quanta,
    channel_features,
    stretch_to_8bit,
)
from napari_superpixels.kernels.nearest import LARGEST


@given(st.floats(1e-6, MAX_COMPACTNESS))
def test_distances_stay_below_the_limit(compactness):
    quanta = Quanta.for_compactness(compactness)
    farthest = (COLOR_DIAMETER * quanta.color) ** 2 + 2 * (3 * quanta.position) ** 2
    # Position is rounded to half a quantum, which the 260 (for 258.7) leaves room for.
    assert farthest < DISTANCE_LIMIT * (1 + 1e-3)
    assert (258.7 * quanta.color) ** 2 + 2 * (3 * quanta.position) ** 2 < DISTANCE_LIMIT
    assert max(180 * quanta.color, 3 * quanta.position) <= LARGEST


def test_quanta_are_the_finest_possible():
    for compactness in (0.1, 1.0, 2.5 / 0.26, 40.0, 300.0):
        color = Quanta.for_compactness(compactness).color
        finer = (COLOR_DIAMETER**2 + 2 * (3 * compactness) ** 2) * (color + 1) ** 2
        assert finer > DISTANCE_LIMIT
    assert Quanta.for_compactness(2.5 / 0.26) == Quanta(15, 144)


def test_the_diameter_of_srgb_in_lab():
    corners = np.stack(np.meshgrid(*[[0.0, 1.0]] * 3, indexing="ij"), -1).reshape(1, -1, 3)
    lab = rgb2lab(corners)[0]
    assert np.linalg.norm(lab[:, None] - lab[None], axis=-1).max() < COLOR_DIAMETER


def formula(x, low, high, quanta, channels):
    share = quanta.color / sqrt(channels)
    scaled = 100 * share * ((np.asarray(x, np.float64) - low) / (high - low))
    return np.rint(np.clip(scaled, -80 * share, 180 * share)).astype(np.int16)


DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int64", "float32", "float64", "float16"]


@pytest.mark.parametrize("dtype", [*DTYPES, ">u2", ">f4"])
def test_channels_follow_the_formula(dtype):
    rng = np.random.default_rng(3)
    pixels = rng.integers(-100 if np.dtype(dtype).kind != "u" else 0, 120, (3, 9, 14)).astype(dtype)
    quanta, low, high = Quanta(15, 144), (1.25, -3.0, 40.0), (60.0, 90.5, 41.0)
    features = channel_features(pixels, low, high, quanta)
    assert (features.dtype, features.shape) == (np.int16, pixels.shape)
    for i in range(3):
        wanted = formula(pixels[i], low[i], high[i], quanta, 3)
        np.testing.assert_array_equal(features[i], wanted)
    flipped = channel_features(pixels[:, ::-1, ::2], low, high, quanta)
    np.testing.assert_array_equal(flipped, features[:, ::-1, ::2])


def test_all_channels_together_are_as_far_apart_as_black_and_white():
    quanta = Quanta(15, 144)
    for channels in (1, 2, 3, 12, 32):
        pixels = np.broadcast_to(np.array([0, 1000], np.uint16), (channels, 1, 2))
        features = channel_features(pixels, [0] * channels, [1000] * channels, quanta)
        apart = np.linalg.norm(np.diff(features.astype(float), axis=-1))
        assert apart == pytest.approx(1500, rel=0.01)


def test_half_is_rounded_to_even():
    pixels = np.arange(9, dtype=np.float32).reshape(1, 1, 9)
    features = channel_features(pixels, [0], [200], Quanta(1, 1))
    np.testing.assert_array_equal(features[0, 0], [0, 0, 1, 2, 2, 2, 3, 4, 4])


def test_booleans_are_zero_and_one():
    pixels = np.array([[[False, True]]])
    np.testing.assert_array_equal(channel_features(pixels, [0], [1], Quanta(3, 1)), [[[0, 300]]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_finite_becomes_zero_without_a_warning(dtype):
    huge = np.finfo(dtype).max
    pixels = np.array([[[np.nan, np.inf, -np.inf, huge, -huge, 2.0]]], dtype)
    quanta = Quanta(1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features = channel_features(pixels, [0.0], [2.0], quanta)
        np.testing.assert_array_equal(features[0, 0], [0, 0, 0, 180, -80, 100])
        np.testing.assert_array_equal(
            stretch_to_8bit(pixels, 0.0, 2.0)[0, 0], [0, 0, 0, 255, 0, 255]
        )
        bounds = np.finfo(np.float64)
        overflowing = channel_features(pixels, [bounds.min], [bounds.max], quanta)
        assert np.abs(overflowing).max() <= 180


@pytest.mark.parametrize("bounds", [(5.0, 5.0), (6.0, 5.0), (np.nan, np.nan)])
def test_a_channel_without_a_range_is_zero(bounds):
    pixels = np.array([[[5, 9]]], np.uint16)
    assert not channel_features(pixels, [bounds[0]], [bounds[1]], Quanta(15, 144)).any()
    assert not stretch_to_8bit(pixels, *bounds).any()


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "int32"])
def test_stretching(dtype):
    pixels = np.array([[[0, 100, 101, 300, 500, 501]], [[100, 200, 300, 400, 500, 600]]], dtype)
    wanted = [[[0, 0, 1, 128, 255, 255]], [[0, 64, 128, 191, 255, 255]]]
    np.testing.assert_array_equal(stretch_to_8bit(pixels, 100.0, 500.0), wanted)
