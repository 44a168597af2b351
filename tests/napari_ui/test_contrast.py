from itertools import count

import numpy as np
import pytest
import rasterio
import zarr

from napari_superpixels.io import Source, open_source
from napari_superpixels.napari_ui.contrast import contrast_limits


@pytest.fixture
def stored(tmp_path):
    """Store an array and open it."""

    names = (tmp_path / f"{number}.zarr" for number in count())

    def make(array, **options):
        path = next(names)
        zarr.save_array(path, array)
        return open_source(path, **options)

    return make


def test_limits_are_percentiles(stored):
    ((low, high),) = contrast_limits(stored(np.arange(10_000, dtype=np.uint16).reshape(100, 100)))
    assert (low, high) == pytest.approx((100, 9899), abs=1)


def test_nan_and_infinity_count_for_nothing(stored):
    image = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100)
    clean = contrast_limits(stored(image.copy()))
    image[:30] = np.nan
    image[30:60] = np.inf
    ((low, high),) = contrast_limits(stored(image))
    assert 0.59 < low < high < 1
    assert clean[0][0] < 0.02


def test_nodata_counts_for_nothing(samples):
    source = open_source(samples / "mosaic_cog1.tif")
    assert source.nodata == 0
    for low, high in contrast_limits(source):
        assert 5000 < low < high < 20_000


@pytest.mark.parametrize(("value", "limits"), [(0, (0, 1)), (7, (0, 7)), (-3, (-3, 1))])
def test_a_constant_image(stored, value, limits):
    assert contrast_limits(stored(np.full((40, 40), value, np.int16))) == [limits]


def test_a_mask_of_ones_is_not_as_dark_as_its_nodata(tmp_path):
    facts = {"driver": "GTiff", "height": 20, "width": 30, "count": 1, "dtype": "uint8"}
    place = rasterio.Affine(10, 0, 1000, 0, -10, 2000)
    with rasterio.open(tmp_path / "a.tif", "w", nodata=0, transform=place, **facts) as file:
        file.write(np.eye(20, 30, dtype=np.uint8), 1)
    assert contrast_limits(open_source(tmp_path / "a.tif")) == [(0, 1)]


def test_an_image_without_any_data(stored):
    assert contrast_limits(stored(np.full((40, 40), np.nan))) == [(0, 1)]


def test_a_few_bright_spots(stored):
    image = np.zeros((200, 200), np.uint16)
    image[10, 10] = 900
    assert contrast_limits(stored(image)) == [(0, 900)]


def test_every_channel_has_its_own(stored):
    image = np.stack([np.arange(400).reshape(20, 20), 5 * np.arange(400).reshape(20, 20)])
    first, second = contrast_limits(stored(image.astype(np.uint16), axes="cyx"))
    assert second == pytest.approx(5 * np.array(first))


def test_little_is_read_of_a_large_stack(stored, monkeypatch):
    source = stored(np.zeros((20, 1, 3000, 2000), np.uint8), axes="tzyx")
    seen = []
    read = type(source).read
    monkeypatch.setattr(
        type(source), "read", lambda self, p, box: seen.append((p, box.shape)) or read(self, p, box)
    )
    contrast_limits(source)
    assert sum(h * w for _, (h, w) in seen) <= 3 * 2**20
    assert {plane for plane, _ in seen} == {3, 10, 16}


@pytest.mark.parametrize("shape", [(3000, 2000), (1024, 1024), (9, 1024, 1024), (2, 3, 5000, 400)])
def test_few_pixels_are_read(monkeypatch, shape):
    """They are read on napari's main thread."""
    read, pixels = Source.read, []

    def spy(source, plane, box):
        pixels.append(box.shape[0] * box.shape[1])
        return read(source, plane, box)

    monkeypatch.setattr(Source, "read", spy)
    contrast_limits(open_source(np.zeros(shape, np.uint8), axes="tzyx"[-len(shape) :]))
    assert 0 < sum(pixels) <= 2**20
