"""Several images read as the channels of one: pixels, data, levels and what is refused."""

import json

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.io import join_channels, open_level, open_source, reopen
from napari_superpixels.tiling import Box

SHAPE = (40, 57)
WHOLE = Box.whole(SHAPE)


@pytest.fixture
def image(rng):
    return rng.integers(1, 250, (3, *SHAPE), dtype=np.uint8)


def as_tiff(array, folder):
    tifffile.imwrite(folder / "a.tif", array, tile=(16, 16))
    return folder / "a.tif"


def as_zarr(array, folder):
    return zarr.create_array(folder / "a.zarr", data=array, chunks=(16, 16))


KINDS = {"numpy": lambda a, _: a, "dask": lambda a, _: da.from_array(a, chunks=19),
         "tiff": as_tiff, "zarr": as_zarr}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_any_kinds_of_images_are_channels(image, tmp_path, kind, assert_reads):
    parts = [KINDS[kind](image[0], tmp_path), image[1], da.from_array(image[2], chunks=9)]
    joined = join_channels(parts)
    assert (joined.axes.names, joined.channels, joined.rgb) == ("cyx", 3, False)
    assert_reads(joined, image[None])


def test_channels_of_stacks(rng, assert_reads):
    stack = rng.integers(0, 999, (2, 3, 2, 20, 30), dtype=np.uint16)
    parts = [open_source(stack[:, :, i], axes="tzyx") for i in range(2)]
    joined = join_channels(parts)
    assert joined.axes.names == "tczyx"
    assert_reads(joined, stack.reshape(6, 2, 20, 30))
    several = join_channels([open_source(stack, axes="tzcyx"), parts[0]])
    assert_reads(several, stack[:, :, [0, 1, 0]].reshape(6, 3, 20, 30))


@pytest.mark.parametrize(
    ("types", "common"),
    [("u1 u1", "u1"), ("u1 u2", "u2"), ("u1 f4", "f4"), ("i2 u2", "i4"), ("? u2", "u2"),
     (">u2 u1", "u2")],
)  # fmt: skip
def test_samples_become_the_smallest_type_that_holds_all(image, types, common):
    parts = [(image[i] // 200).astype(dtype) for i, dtype in enumerate(types.split())]
    joined = join_channels(parts)
    assert joined.dtype == np.dtype(common)
    pixels = joined.read(0, WHOLE).pixels
    assert pixels.dtype == joined.dtype
    np.testing.assert_array_equal(pixels, np.stack(parts))


def test_labels_are_those_of_one_file_with_the_channels(image):
    one = nsp.plan(nsp.open(image, axes="cyx", rgb=False), step=8)
    several = nsp.plan(nsp.join_channels(list(image)), step=8)
    from napari_superpixels.engine.lazy import lazy_labels

    np.testing.assert_array_equal(lazy_labels(one).compute(), lazy_labels(several).compute())


def test_a_pixel_has_data_where_all_have_it(image):
    rgba = np.ones((*SHAPE, 4), np.uint8)
    rgba[3, 4, 3] = 0
    mask = np.ones(SHAPE)
    mask[5, 6] = 0
    floats = image[1].astype(np.float32)
    floats[7, 8] = np.nan
    joined = join_channels([open_source(rgba), open_source(image[0], mask=mask), floats])
    assert (joined.channels, joined.has_alpha) == (5, False)
    valid = joined.read(0, WHOLE).valid
    assert set(zip(*np.nonzero(~valid))) == {(3, 4), (5, 6), (7, 8)}
    box = Box.of((5, 20), (6, 30))
    np.testing.assert_array_equal(joined.read(0, box).valid, valid[box.slices])


def with_nodata(array, nodata):
    import xarray as xr

    return xr.DataArray(array, dims=("y", "x"), attrs={"nodata": nodata})


def test_nodata_that_all_agree_on_counts_where_all_have_it(image):
    parts = image.copy()
    parts[:, 0, 0], parts[0, 1, 1] = 0, 0
    joined = join_channels([with_nodata(part, 0) for part in parts])
    assert joined.nodata == 0
    assert list(zip(*np.nonzero(~joined.read(0, WHOLE).valid))) == [(0, 0)]


def test_nodata_of_their_own_counts_for_each(image):
    parts = image.copy()
    parts[0, 1, 1], parts[1, 2, 2], parts[2, 3, 3] = 0, 255, 0
    joined = join_channels([with_nodata(parts[0], 0), with_nodata(parts[1], 255), parts[2]])
    assert joined.nodata is None
    assert set(zip(*np.nonzero(~joined.read(0, WHOLE).valid))) == {(1, 1), (2, 2)}


def test_a_mask_of_the_whole(image):
    mask = np.zeros(SHAPE)
    mask[3:9, 4:20] = 1
    np.testing.assert_array_equal(join_channels(list(image), mask=mask).read(0, WHOLE).valid, mask)


def test_levels_are_joined_too(rng):
    first, second = rng.integers(1, 250, (2, 64, 80), dtype=np.uint8)
    pyramids = [[a, a[::2, ::2], a[::4, ::4]] for a in (first, second)]
    mask = rng.integers(0, 2, (64, 80))
    joined = join_channels([open_source(p, axes="yx", level=1) for p in pyramids], mask=mask)
    assert (joined.level, len(joined.level_shapes)) == (1, 3)
    coarse = open_level(joined, 2)
    block = coarse.read(0, Box.whole((16, 20)))
    np.testing.assert_array_equal(block.pixels, [p[2] for p in pyramids])
    assert block.valid is not None
    single = join_channels([open_source(pyramids[0], axes="yx"), second])
    assert (single.level_shapes, single.levels) == (((64, 80),), None)


def test_files_are_opened_again_together(image, tmp_path):
    paths = [tmp_path / f"{i}.npy" for i in range(2)]
    for path, array in zip(paths, image):
        np.save(path, array)
    joined = join_channels(paths, mask=nsp.Polygons([[(0, 0), (0, 30), (30, 0)]]))
    again = reopen(json.loads(json.dumps(joined.opened)))
    assert again.identity == joined.identity
    np.testing.assert_array_equal(again.read(0, WHOLE).valid, joined.read(0, WHOLE).valid)
    assert join_channels([*paths, image[0]]).opened is None
    assert join_channels([paths[0]]).identity == open_source(paths[0]).identity


def test_a_run_of_several_files_can_be_resumed(image, tmp_path):
    import threading

    paths = [tmp_path / f"{i}.npy" for i in range(2)]
    for path, array in zip(paths, image):
        np.save(path, array)
    plan = nsp.plan(nsp.join_channels(paths), step=8)
    cancel = threading.Event()
    with pytest.raises(nsp.SuperpixelsError):
        nsp.run(plan, tmp_path / "out.zarr", cancel=cancel, listener=lambda _: cancel.set())
    labels = np.asarray(nsp.resume(tmp_path / "out.zarr").labels)
    np.testing.assert_array_equal(labels, np.asarray(nsp.run(plan, tmp_path / "b.zarr").labels))


def test_identity_follows_the_parts_and_their_order(image):
    identities = {
        join_channels(parts).identity
        for parts in ([image[0], image[1]], [image[1], image[0]], list(image), [image[0], image[2]])
    }
    assert len(identities) == 4


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (np.ones((40, 56)), r"y 40 x x 57 and 'image' has y 40 x x 56"),
        (np.ones((2, 40, 57)), r"has z 2 x y 40 x x 57"),
    ],
)
def test_other_grids_are_refused(image, other, words):
    with pytest.raises(InputError, match=words):
        join_channels([image[0], other])


def test_nothing_is_no_image():
    with pytest.raises(InputError, match="no image to join"):
        join_channels([])
