import tracemalloc

import numpy as np
import pytest

from napari_superpixels import api
from napari_superpixels.engine.measure import (
    MOST_VALUES,
    READ_BUDGET_BYTES,
    measure,
    percentiles,
    places_to_measure,
    project,
    sample_places,
    summarise,
)

PINNED_PLACES = [(1, 110, 22), (0, 543, 266), (4, 330, 66), (3, 118, 310)]


def test_a_small_image_is_measured_exactly():
    image = np.random.default_rng(0).normal(5, 2, (2, 60, 50)).astype(np.float32)
    statistics = measure(api.open(image, axes="cyx"))
    expected = np.percentile(image.reshape(2, -1), [1, 99], axis=1)
    np.testing.assert_allclose([statistics.low, statistics.high], expected, rtol=1e-6)
    np.testing.assert_allclose(statistics.minimum, image.min(axis=(1, 2)))
    np.testing.assert_allclose(statistics.joint_high, np.percentile(image, 99), rtol=1e-6)


def test_nodata_and_nan_are_not_counted():
    image = np.full((40, 40), 7.0)
    image[:10] = np.nan
    image[20:30] = np.inf
    statistics = measure(api.open(image))
    assert statistics.minimum == statistics.maximum == (7.0,)
    masked = api.open(np.arange(1600).reshape(40, 40), mask=np.arange(1600).reshape(40, 40) < 100)
    assert measure(masked).maximum == (99.0,)


def test_an_image_without_a_valid_pixel_has_statistics():
    assert measure(api.open(np.full((9, 9), np.nan))).maximum == (0.0,)


def test_large_images_are_sampled_within_the_budget_and_evenly():
    shape = (30_000, 40_000)
    source = api.open(np.broadcast_to(np.uint16(3), shape))
    places = places_to_measure(source)
    read = sum(np.prod(box.shape) * 2 for _, box in places)
    assert 0.9 * READ_BUDGET_BYTES < read <= READ_BUDGET_BYTES
    starts = np.array([box.start for _, box in places]) / shape
    counts, _, _ = np.histogram2d(*starts.T, bins=4)
    assert counts.min() > 0.5 * counts.mean()
    assert all(box.start >= (0, 0) for _, box in places)
    assert all(
        side.stop <= size for _, box in places for side, size in zip(box, shape, strict=True)
    )


def test_places_depend_on_the_shape_alone():
    found = [(plane, *box.start) for plane, box in sample_places((900, 700), 5, 4)]
    assert found == PINNED_PLACES
    planes = {plane for plane, _ in sample_places((900, 700), 5, 60)}
    assert planes == set(range(5))


@pytest.mark.parametrize("channels", [300, 2000])
def test_the_budget_holds_for_very_many_channels(channels):
    image = np.broadcast_to(np.float32(3), (channels, 5000, 5000))
    places = places_to_measure(api.open(image, axes="cyx"))
    read = sum(np.prod(box.shape) * 4 * channels for _, box in places)
    assert 0.9 * READ_BUDGET_BYTES < read <= READ_BUDGET_BYTES
    assert len(places) >= 4


@pytest.mark.parametrize(
    ("dtype", "ends"),
    [("i1", (-128, 127)), ("i2", (-32768, 32767)), ("i4", (-(2**31), 2**31 - 1))],
)
def test_percentiles_of_small_types_do_not_wrap_around(dtype, ends):
    values = np.array([ends], dtype)
    expected = np.percentile(values.astype(np.float64), [1, 99], axis=1)
    np.testing.assert_array_equal(percentiles(values), expected)


def test_percentiles_of_half_floats_stay_finite_and_fine():
    values = np.array([[-60_000, 60_000], [1, 1.001]], np.float16)
    expected = np.percentile(values.astype(np.float64), [1, 99], axis=1)
    np.testing.assert_array_equal(percentiles(values), expected)
    assert summarise([(values[:, None], None)]).low == tuple(expected[0])


@pytest.mark.parametrize("dtype", ["u1", "u2", "f8"])
@pytest.mark.parametrize("size", [1, 2, 51, 10_007])
def test_percentiles_are_those_of_numpy(dtype, size):
    values = (np.random.default_rng(size).random((3, size)) * 250).astype(dtype)
    np.testing.assert_array_equal(percentiles(values), np.percentile(values, [1, 99], axis=1))


def test_components_are_orthogonal_ordered_and_of_one_sign():
    rng = np.random.default_rng(1)
    spread = np.array([1.0, 5.0, 2.0, 0.5, 9.0])[:, None]
    values = rng.normal(size=(5, 4000)) * spread
    found = project(values, np.full(5, -60.0), np.full(5, 60.0))
    weights = np.array(found.weights)
    np.testing.assert_allclose(weights @ weights.T, np.eye(3), atol=1e-12)
    assert abs(weights).argmax(axis=1).tolist() == [4, 1, 2]
    assert (weights.max(axis=1) > 0.9).all()
    assert all(low < high for low, high in zip(found.low, found.high, strict=True))


def test_components_of_many_samples_cost_what_those_of_a_few_do():
    """And come near those of all; no period in the image decides which samples are looked at."""
    rng = np.random.default_rng(3)
    values = rng.integers(0, 40, (24, 1_000_000), np.uint8)
    values[5, ::2] += 160
    values[7] //= 4
    low, high = np.zeros(24), np.full(24, 200.0)
    tracemalloc.start()
    found = project(values, low, high)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 8 * MOST_VALUES < 8 * values.size
    spread = np.cov(values.astype(float))
    expected = np.linalg.eigh(spread)[1][:, -1]
    assert abs(np.dot(found.weights[0], expected)) > 0.9999
    assert found.low[0] < 0.1
    assert found.high[0] > 0.8


def test_only_more_than_three_channels_are_projected():
    rng = np.random.default_rng(2)
    for channels, projected in ((1, False), (3, False), (4, True)):
        pixels = rng.random((channels, 9, 9))
        assert (summarise([(pixels, None)]).projection is not None) == projected


def test_constant_channels_have_no_share():
    values = np.concatenate((np.full((4, 50), 3.0), np.arange(50.0)[None]))
    found = project(values, values.min(axis=1), values.max(axis=1))
    assert found.weights[0] == pytest.approx((0, 0, 0, 0, 1))
    assert found.low[1] == found.high[1] == 0
