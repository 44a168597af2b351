import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_superpixels.errors import InputError
from napari_superpixels.io import open_source
from napari_superpixels.tiling import Box

SHAPE = (30, 41)
BOX = Box.of((3, 20), (5, 41))


@pytest.fixture
def mask(rng):
    return rng.integers(0, 2, SHAPE, dtype=np.uint8)


def as_png(mask, folder):
    Image.fromarray(mask * 255).save(folder / "mask.png")
    return folder / "mask.png"


def as_tiff(mask, folder):
    tifffile.imwrite(folder / "mask.tif", mask[None], compression="zlib", tile=(16, 16))
    return str(folder / "mask.tif")


def as_zarr(mask, folder):
    return zarr.create_array(folder / "mask.zarr", data=mask[None].astype(bool), chunks=(1, 9, 9))


def as_npy(mask, folder):
    np.save(folder / "mask.npy", mask)
    return folder / "mask.npy"


MAKERS = {
    "npy": as_npy,
    "bool": lambda mask, _: mask.astype(bool),
    "float": lambda mask, _: mask * 0.5,
    "list": lambda mask, _: mask.tolist(),
    "dask": lambda mask, _: da.from_array(mask, chunks=7),
    "png": as_png,
    "tiff": as_tiff,
    "zarr": as_zarr,
}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("shape", [(), (4,), (1,), (2, 3)])
def test_nonzero_is_analysed(mask, tmp_path, kind, shape):
    image = np.ones((*shape, *SHAPE), np.uint8)
    axes = {0: "yx", 1: "zyx", 2: "tzyx"}[len(shape)]
    source = open_source(image, axes=axes, mask=MAKERS[kind](mask, tmp_path))
    block = source.read(source.axes.planes - 1, BOX)
    np.testing.assert_array_equal(block.valid, mask[BOX.slices] != 0)


def test_a_mask_for_each_plane(rng):
    masks = rng.integers(0, 2, (2, 3, *SHAPE), dtype=np.uint8)
    source = open_source(np.ones((2, 3, *SHAPE), np.uint8), axes="tzyx", mask=masks)
    for plane in range(6):
        expected = masks[divmod(plane, 3)][BOX.slices] != 0
        np.testing.assert_array_equal(source.read(plane, BOX).valid, expected)


def test_nan_in_a_mask_is_not_analysed(mask):
    floats = mask.astype(float)
    floats[10, 10] = np.nan
    valid = open_source(np.ones(SHAPE), mask=floats).read(0, Box.whole(SHAPE)).valid
    assert not valid[10, 10]


def test_a_mask_of_ones_costs_nothing_later(mask):
    source = open_source(np.ones(SHAPE), mask=mask | 1)
    assert source.read(0, BOX).valid is None


def test_masks_and_nodata_are_combined(mask):
    image = np.ones(SHAPE)
    image[3:6] = np.nan
    valid = open_source(image, mask=mask).read(0, Box.whole(SHAPE)).valid
    np.testing.assert_array_equal(valid, (mask != 0) & np.isfinite(image))


@pytest.mark.parametrize("shape", [(41, 30), (30, 40), (2, *SHAPE), (*SHAPE, 3), (1, 1)])
def test_another_shape_is_refused(shape):
    with pytest.raises(InputError) as caught:
        open_source(np.ones((4, *SHAPE)), mask=np.ones(shape))
    assert str(shape) in str(caught.value)
    assert "needs (30, 41) or (4, 30, 41)" in str(caught.value)


def test_the_mask_has_the_shape_of_the_level(tmp_path):
    path = tmp_path / "pyramid.tif"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(np.ones((64, 64), np.uint8), tile=(16, 16), subifds=1)
        tiff.write(np.ones((32, 32), np.uint8), tile=(16, 16), subfiletype=1)
    assert open_source(path, level=1, mask=np.ones((32, 32))).axes.plane_shape == (32, 32)
    with pytest.raises(InputError, match=r"shape \(64, 32\).*needs \(32, 32\).*of level 1"):
        open_source(path, level=1, mask=np.ones((64, 32)))


@pytest.mark.parametrize("leading", [(), (2,)])
@pytest.mark.parametrize("kind", ["array", "dask", "png"])
def test_a_mask_of_another_level_is_looked_at_from_this_one(rng, tmp_path, leading, kind):
    fine = np.ones((2, 60, 80), np.uint8)
    coarse = np.ones((2, 31, 41), np.uint8)
    masks = rng.integers(0, 2, (*leading, 60, 80), dtype=np.uint8)
    if kind == "png":
        masks = masks.reshape(-1, 60, 80)[0]
        Image.fromarray(masks).save(tmp_path / "mask.png")
    given = {"array": masks, "dask": da.from_array(masks), "png": tmp_path / "mask.png"}[kind]
    source = open_source([fine, coarse], level=1, axes="zyx", mask=given)
    rows, columns = (((np.arange(m) + 0.5) * n / m).astype(int) for n, m in ((60, 31), (80, 41)))
    box = Box.of((3, 31), (5, 40))
    expected = masks.reshape(-1, 60, 80)[-1][rows[:, None], columns] != 0
    np.testing.assert_array_equal(source.read(1, box).valid, expected[box.slices])
