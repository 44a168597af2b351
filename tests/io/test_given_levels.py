"""Lists of levels, calibrations that a user gives, and arrays that only look like arrays."""

import json
import pickle

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.io import open_level, open_source, reopen
from napari_superpixels.tiling import Box

UM = {"y": (0.5, "micrometer", 10.0), "x": (0.5, "micrometer")}


@pytest.fixture
def levels(rng):
    image = rng.integers(0, 256, (61, 90, 3), dtype=np.uint8)
    return [image, image[::2, ::2], image[::4, ::5]]


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("wrap", [list, tuple, lambda a: [da.from_array(x) for x in a]])
def test_arrays_are_the_levels_of_one_image(levels, level, wrap, assert_reads):
    source = open_source(wrap(levels), axes="yxs", level=level)
    assert source.level_shapes == ((61, 90), (31, 45), (16, 18))
    assert (source.level, source.rgb, source.location) == (level, True, None)
    assert_reads(source, np.moveaxis(levels[level], 2, 0)[None])
    for other in range(3):
        pixels = open_level(source, other).read(0, Box.of((1, 9), (2, 7))).pixels
        np.testing.assert_array_equal(pixels, np.moveaxis(levels[other][1:9, 2:7], 2, 0))


def test_levels_travel_with_a_pickled_source(levels):
    source = pickle.loads(pickle.dumps(open_source(levels, axes="yxs")))
    assert open_level(source, 2).axes.plane_shape == (16, 18)


def test_a_level_is_the_image_that_it_would_be_alone(levels):
    identities = {open_source(levels, axes="yxs", level=level).identity for level in range(3)} | {
        open_source(levels[1], axes="yxs").identity
    }
    assert len(identities) == 4  # the number of the level counts as well


def test_zarr_arrays_in_a_folder_are_opened_again(levels, tmp_path):
    group = zarr.create_group(tmp_path / "image.zarr")
    arrays = [group.create_array(str(i), data=level) for i, level in enumerate(levels)]
    source = open_source(arrays, axes="yxs", level=1, calibration=UM)
    assert source.opened["image"] == [str(tmp_path / "image.zarr" / str(i)) for i in range(3)]
    again = reopen(json.loads(json.dumps(source.opened)))
    assert again.identity == source.identity
    assert again.axes == source.axes
    assert len(again.level_shapes) == 3
    assert open_source([*arrays[:2], levels[2]], axes="yxs").opened is None


def test_paths_are_levels_too(levels, tmp_path):
    for number, level in enumerate(levels):
        tifffile.imwrite(tmp_path / f"{number}.tif", level)
    source = open_source([tmp_path / f"{i}.tif" for i in range(3)], level=2)
    assert (source.axes.plane_shape, source.rgb) == ((16, 18), True)


def test_arrays_of_one_shape_stay_a_stack(rng):
    planes = list(rng.random((5, 20, 30)))
    assert open_source(planes).axes.shape == (5, 20, 30)
    assert open_source(planes[:1]).axes.shape == (1, 20, 30)


def test_a_level_that_does_not_exist(levels):
    with pytest.raises(InputError, match=r"level=3 does not exist: the list of 3 arrays"):
        open_source(levels, level=3)


@pytest.mark.parametrize("wrong", ["order", "axes", "type"])
def test_other_lists_are_no_levels(levels, wrong):
    other = {
        "order": levels[::-1],
        "axes": [levels[0], levels[1][..., 0]],
        "type": [levels[0], levels[1].astype(np.uint16)],
    }
    with pytest.raises(InputError, match=r"Array 1 of the list .* is no coarser level of"):
        open_source(other[wrong])


def test_a_calibration_makes_lengths_known():
    image = np.zeros((64, 64), np.uint8)
    source = nsp.open(image, calibration=UM)
    assert nsp.plan(source, "slic", step_um=4).lattice.step == (8, 8)
    y = source.axes["y"]
    assert (y.spacing, y.unit, y.origin) == (0.5, "micrometer", 10.0)
    assert nsp.superpixels(image, step_um=4, calibration=UM).shape == (64, 64)
    with pytest.raises(InputError, match="no spacing in micrometers"):
        nsp.plan(image, "slic", step_um=4)


def test_a_calibration_overrules_the_file_axis_by_axis(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((3, 32, 32), np.uint8), metadata={
        "axes": "ZYX", "PhysicalSizeZ": 2.0, "PhysicalSizeY": 0.25, "PhysicalSizeX": 0.25
    })  # fmt: skip
    source = open_source(tmp_path / "a.ome.tif", calibration=UM)
    assert [axis.spacing for axis in source.axes.items] == [2.0, 0.5, 0.5]
    assert source.identity == open_source(tmp_path / "a.ome.tif").identity
    again = reopen(json.loads(json.dumps(source.opened)))
    assert again.axes == source.axes


@pytest.mark.parametrize(
    ("calibration", "words"),
    [
        ({"c": (1, None)}, "must be a mapping of the axes"),
        ([0.5, 0.5], "must be a mapping of the axes"),
        ({"y": (0, "micrometer")}, "axis y is .*more than 0"),
        ({"y": (float("nan"), None)}, "axis y is"),
        ({"x": 0.5}, "axis x is 0.5"),
        ({"x": (1,)}, "axis x is"),
        ({"x": (1, 2)}, "axis x is"),
        ({"x": ("a", "micrometer")}, "axis x is"),
    ],
)
def test_a_calibration_that_is_none_is_refused(calibration, words):
    with pytest.raises(InputError, match=words):
        open_source(np.zeros((20, 20)), calibration=calibration)


class Dataset:
    """An array on disk as h5py has it: sliced, with chunks, and never to be loaded whole."""

    def __init__(self, array, chunks):
        self.array, self.chunks = array, chunks
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, box):
        return self.array[box]

    def __array__(self, *_):
        raise AssertionError("the whole was loaded")


@pytest.mark.parametrize("chunks", [(7, 9), None])
def test_stored_arrays_are_sliced_and_never_loaded(rng, chunks, assert_reads):
    array = rng.integers(0, 99, (40, 50))
    source = open_source(Dataset(array, chunks))
    assert source.chunk_shape == (chunks or (1, 1))
    assert_reads(source, array[None, None])
