import dask
import numpy as np
import pytest
import rasterio
import tifffile
import zarr

from napari_superpixels.io import open_source
from napari_superpixels.napari_ui.lazy_pixels import lazy_pixels
from napari_superpixels.testing.scheduler import refuse_to_compute


@pytest.fixture
def store(tmp_path):
    """Store an array in chunks and open it."""

    def make(array, chunks, **options):
        path = tmp_path / "image.zarr"
        zarr.create_array(path, data=array, chunks=chunks)
        return open_source(path, **options)

    return make


@pytest.fixture
def seen(monkeypatch):
    """The boxes that are read from sources."""
    from napari_superpixels.io import Source

    boxes, read = [], Source.read

    def spy(self, plane, box):
        boxes.append((plane, *((side.start, side.stop) for side in box)))
        return read(self, plane, box)

    monkeypatch.setattr(Source, "read", spy)
    return boxes


def test_a_slide_is_read_where_it_is_looked_at(samples, seen):
    path = samples / "cmu-1-small-region.svs"
    with dask.config.set(scheduler=refuse_to_compute):
        array = lazy_pixels(open_source(path))
    assert (array.shape, array.dtype) == ((2967, 2220, 3), np.uint8)
    assert array.chunks == ((1200, 1200, 567), (1200, 1020), (3,))
    assert seen == []
    np.testing.assert_array_equal(array[1190:1300, 40:90], tifffile.imread(path)[1190:1300, 40:90])
    assert sorted(seen) == [(0, (0, 1200), (0, 1200)), (0, (1200, 2400), (0, 1200))]


def test_one_band_of_a_scene(samples):
    path = samples / "mosaic_cog1.tif"
    with rasterio.open(path) as scene:
        bands = scene.read()
    for number in range(3):
        band = lazy_pixels(open_source(path).only(number))
        np.testing.assert_array_equal(band.compute(), bands[number])


def test_planes_of_a_stack(store, rng, seen):
    stack = rng.integers(0, 999, (2, 3, 40, 50), dtype=np.uint16)
    array = lazy_pixels(store(stack, (1, 1, 40, 50), axes="tzyx"))
    np.testing.assert_array_equal(array[1, 2], stack[1, 2])
    assert [plane for plane, *_ in seen] == [5]
    np.testing.assert_array_equal(array.compute(), stack)


@pytest.mark.parametrize(
    ("chunk", "blocks"), [(100, 1100), (256, 1024), (1024, 1024), (1500, 1500), (3000, 2048)]
)
def test_blocks_are_whole_chunks_but_no_larger_than_a_texture(store, chunk, blocks):
    array = lazy_pixels(store(np.zeros((3000, 3000), np.uint8), (chunk, chunk)))
    assert array.chunksize == (blocks, blocks)


@pytest.mark.parametrize(
    ("nodata", "dtype", "shown"),
    [(-9999, "float32", np.nan), (65535, "uint16", 0), (-9999, "int16", -32768), (0, "uint8", 0)],
)
def test_no_data_is_dark(tmp_path, nodata, dtype, shown):
    image = np.full((20, 30), 77, dtype)
    image[5:9, 3:7] = nodata
    path = tmp_path / "scene.tif"
    facts = {"driver": "GTiff", "height": 20, "width": 30, "count": 1, "dtype": dtype}
    place = rasterio.Affine(10, 0, 1000, 0, -10, 2000)
    with rasterio.open(path, "w", nodata=nodata, transform=place, crs=32618, **facts) as file:
        file.write(image, 1)
    expected = np.where(image == nodata, np.array(shown, dtype), image)
    np.testing.assert_array_equal(lazy_pixels(open_source(path)).compute(), expected)


def test_alpha_makes_colours_dark(tmp_path, rng):
    rgba = rng.integers(1, 255, (20, 30, 4), dtype=np.uint8)
    rgba[..., 3] = 255
    rgba[4:8, 5:9, 3] = 0
    tifffile.imwrite(tmp_path / "a.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    array = lazy_pixels(open_source(tmp_path / "a.tif")).compute()
    np.testing.assert_array_equal(array, np.where(rgba[..., 3:] > 0, rgba[..., :3], 0))


def test_equal_files_have_equal_names_and_changed_ones_others(store, tmp_path):
    first = lazy_pixels(store(np.zeros((30, 30), np.uint8), (30, 30)))
    assert lazy_pixels(open_source(tmp_path / "image.zarr")).name == first.name
    zarr.open_array(tmp_path / "image.zarr", mode="r+")[:] = 1
    assert lazy_pixels(open_source(tmp_path / "image.zarr")).name != first.name


@pytest.mark.parametrize("factor", [2, 3, 8, 64])
@pytest.mark.parametrize("shape", [(300, 421), (2500, 1300)])
def test_every_nth_pixel(store, rng, factor, shape):
    image = rng.integers(0, 255, shape, dtype=np.uint8)
    array = lazy_pixels(store(image, (100, 70)), factor=factor)
    ys, xs = (np.minimum(np.arange(0, n, factor) + factor // 2, n - 1) for n in shape)
    np.testing.assert_array_equal(array.compute(), image[np.ix_(ys, xs)])


def test_every_nth_pixel_of_colours_and_planes(store, rng):
    image = rng.integers(0, 255, (2, 52, 60, 3), dtype=np.uint8)
    array = lazy_pixels(store(image, (1, 26, 30, 3), axes="zyxs"), factor=4)
    np.testing.assert_array_equal(array.compute(), image[:, 2::4, 2::4])


def test_sampling_reads_pieces_and_no_huge_block(store, seen):
    array = lazy_pixels(store(np.zeros((5000, 5000), np.uint8), (500, 500)), factor=8)
    array.compute()
    assert max((y[1] - y[0]) * (x[1] - x[0]) for _, y, x in seen) <= 1500 * 1500


@pytest.mark.parametrize(("factor", "blocks"), [(4, 18 * 4), (16, 5 * 1)])
def test_a_coarse_level_of_a_huge_image_costs_a_bounded_number_of_blocks(seen, factor, blocks):
    image = np.full((18_000, 4000), 7, np.uint8)
    array = lazy_pixels(open_source(image, axes="yx"), factor=factor).compute()
    assert len(set(seen)) == len(seen) == blocks
    assert (array == 7).mean() == pytest.approx(blocks / 72, rel=0.25)
    assert array[0, 0] == 7
