"""Different pixels, or another choice of which pixels count, never share an identity."""

import json
import os

import dask
import dask.array as da
import numpy as np
import pytest
import rasterio
import tifffile
import xarray as xr
import zarr
from rasterio.enums import MaskFlags

from napari_superpixels import api
from napari_superpixels.errors import InputError
from napari_superpixels.io import close_handles, open_source
from napari_superpixels.tiling import Box

SHAPE = (40, 50)


@pytest.fixture
def image(rng):
    return rng.integers(0, 6, SHAPE, dtype=np.uint8)


def with_fill(image, value):
    return xr.DataArray(image, dims=("y", "x"), attrs={"_FillValue": value})


@pytest.mark.parametrize("lazy", [False, True])
def test_nodata_is_part_of_it(image, lazy):
    pixels = da.from_array(image, chunks=20) if lazy else image
    sources = [open_source(with_fill(pixels, value)) for value in (0, 5, np.nan)]
    assert len({source.identity for source in sources}) == 3


def test_two_nodata_values_computed_together_stay_apart(image):
    arrays = [api.superpixels(with_fill(image, v), "slic", step=8, iterations=1) for v in (0, 5)]
    together, alone = dask.compute(*arrays), [array.compute() for array in arrays]
    np.testing.assert_array_equal(together, alone)
    assert (alone[0] != alone[1]).any()


def test_a_mask_in_a_file_beside_is_part_of_it(tmp_path, image):
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "height": 40, "width": 50}
    transform = rasterio.Affine(1, 0, 500, 0, -1, 500)
    with rasterio.open(path, "w", **profile, transform=transform, crs="EPSG:32632") as file:
        file.write(image, 1)
    stat, before = path.stat(), open_source(path).identity
    close_handles()
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as file:
        file.write_mask(image > 2)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with rasterio.open(path) as file:
        assert MaskFlags.per_dataset in file.mask_flag_enums[0]
    assert (tmp_path / "a.tif.msk").exists()
    assert open_source(path).identity != before


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("shards", [None, (20, 20)])
@pytest.mark.parametrize("few", [True, False])
def test_rewritten_chunks_are_noticed(tmp_path, image, monkeypatch, zarr_format, shards, few):
    if shards and zarr_format == 2:
        pytest.skip("shards came with format 3")
    if not few:
        monkeypatch.setattr("napari_superpixels.io._zarr.ALL_CHUNKS", 3)
        monkeypatch.setattr("napari_superpixels.io._zarr.SOME_CHUNKS", 5)
    options = {"shards": shards} if shards else {}
    array = zarr.create_array(
        tmp_path / "a.zarr", data=image, chunks=(10, 10), zarr_format=zarr_format, **options
    )
    before = open_source(tmp_path / "a.zarr").identity
    assert open_source(tmp_path / "a.zarr").identity == before
    array[...] = 5 - image
    assert open_source(tmp_path / "a.zarr").identity != before


def test_one_rewritten_chunk_is_noticed(tmp_path, image):
    array = zarr.create_array(tmp_path / "a.zarr", data=image, chunks=(10, 10))
    before = open_source(tmp_path / "a.zarr").identity
    array[20:30, 30:40] = 9
    assert open_source(tmp_path / "a.zarr").identity != before


def test_stamps_of_a_huge_array_are_few(tmp_path, monkeypatch):
    from napari_superpixels.io import _zarr

    zarr.create_array(tmp_path / "a.zarr", shape=(10**6, 10**6), chunks=(100, 100), dtype="u1")
    stamped = []
    monkeypatch.setattr(_zarr, "stamp_of", lambda path: stamped.append(path) or [])
    open_source(tmp_path / "a.zarr")
    assert 256 <= len(set(stamped)) <= 512


@pytest.mark.parametrize("order", ["C", "F"])
def test_one_pixel_of_a_large_array_is_noticed(rng, order):
    array = np.asarray(rng.integers(0, 256, (3, 5000, 4999), dtype=np.uint8), order=order)
    before = open_source(array).identity
    assert open_source(array.copy(order="K")).identity == before
    array[1, 2345, 3456] += 1
    assert open_source(array).identity != before


def test_gaps_in_memory_do_not_matter_but_order_does(rng):
    array = rng.integers(0, 999, (70, 300, 90), dtype=np.uint16)
    part = array[3:60:2, :200, 5:]
    assert open_source(part).identity == open_source(part.copy()).identity
    assert open_source(array[::-1]).identity != open_source(array).identity
    assert open_source(array[0]).identity != open_source(array[0].T.copy()).identity


def test_repeated_values_cost_nothing():
    one, two = (np.broadcast_to(np.uint8(v), (200_000, 200_000)) for v in (1, 2))
    assert open_source(one).identity != open_source(two).identity


def test_a_mapped_file_is_known_by_its_stamp_and_place(tmp_path, monkeypatch, image):
    monkeypatch.setattr("napari_superpixels.io._identity.MAPPED_BYTES", 100)
    np.save(tmp_path / "a.npy", np.stack([image, image]))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    before = open_source(mapped).identity
    assert open_source(np.load(tmp_path / "a.npy", mmap_mode="r")).identity == before
    assert open_source(mapped[0]).identity != open_source(mapped[1]).identity
    os.utime(tmp_path / "a.npy", ns=(1, 1))
    assert open_source(mapped).identity != before


def test_arrays_in_memory_need_no_decoding():
    image = np.broadcast_to(np.uint8(3), (30_000, 30_000, 3))
    plan = api.plan(image, "slic", step=16, iterations=2, window=512)
    assert plan.cost.read_bytes < 50e6


def test_samples_between_the_chosen_channels_are_counted(tmp_path, rng):
    tifffile.imwrite(
        tmp_path / "a.tif",
        rng.integers(0, 9, (48, 64, 32), dtype=np.uint16),
        planarconfig="contig",
        photometric="minisblack",
        tile=(16, 16),
    )
    source = open_source(tmp_path / "a.tif", axes="yxc", channels=[0, 31])
    assert source.read_bytes_per_pixel == 64
    assert open_source(tmp_path / "a.tif", axes="yxc", channels=[3, 4]).read_bytes_per_pixel == 4
    assert open_source(np.zeros((48, 64, 4), np.uint8)).read_bytes_per_pixel == 4
    assert open_source(np.zeros((48, 64))).read_bytes_per_pixel == 8


def test_a_dask_mask_is_computed_when_it_is_given(image):
    mask = np.arange(image.size).reshape(SHAPE) % 7 > 1
    counted = []

    def watch(block):
        counted.append(1)
        return block

    lazy = da.from_array(mask, chunks=20).map_blocks(watch, dtype=bool, meta=np.empty((0, 0), bool))
    source = open_source(image, mask=lazy)
    computed = len(counted)
    np.testing.assert_array_equal(source.read(0, Box.whole(SHAPE)).valid, mask)
    assert len(counted) == computed == 6
    labels = [api.superpixels(image, "slic", mask=m, step=8).compute() for m in (lazy, mask)]
    np.testing.assert_array_equal(*labels)


def test_a_large_dask_mask_is_refused():
    image = np.broadcast_to(np.uint8(1), (20_000, 20_000))
    with pytest.raises(InputError, match=r"400,000,000 pixels.*to_zarr"):
        open_source(image, mask=da.ones((20_000, 20_000), chunks=5000))


@pytest.mark.parametrize(("value", "told"), [(np.nan, "nan"), (-np.inf, "-inf"), (7, 7.0)])
def test_nodata_is_told_in_json(image, value, told):
    facts = open_source(with_fill(image.astype(float), value)).describe()
    assert json.loads(json.dumps(facts, allow_nan=False))["nodata"] == told
