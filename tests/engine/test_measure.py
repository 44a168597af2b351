import numpy as np

from napari_superpixels import api
from napari_superpixels.engine.measure import (
    READ_BUDGET_BYTES,
    measure,
    places_to_measure,
    sample_places,
)


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
    assert list(sample_places((900, 700), 5, 20)) == list(sample_places((900, 700), 5, 20))
    planes = {plane for plane, _ in sample_places((900, 700), 5, 60)}
    assert planes == set(range(5))
