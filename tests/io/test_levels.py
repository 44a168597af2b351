import pickle
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest

from napari_superpixels.errors import InputError, SourceError
from napari_superpixels.io import _nearest, at_resolution, open_level, open_source
from napari_superpixels.tiling import Box, Nearest


def nearest(array, shape):
    """The pixels under the centres of another grid; y and x are the last axes."""
    rows, columns = (
        ((np.arange(m) + 0.5) * n / m).astype(int) for n, m in zip(array.shape[-2:], shape)
    )
    return array[..., rows[:, None], columns]


@pytest.fixture
def image():
    return np.random.default_rng(3).integers(1, 250, (2, 61, 90), dtype=np.uint8)


@pytest.fixture
def pyramid(image):
    return [image, image[:, ::2, ::2] + 1, image[:, ::5, ::5] + 2]


def whole(source, plane=0):
    return source.read(plane, Box.whole(source.axes.plane_shape))


@pytest.mark.parametrize("wrap", [np.asarray, da.from_array])
def test_arrays_can_be_the_levels_of_a_source(pyramid, wrap):
    arrays = [wrap(array) for array in pyramid]
    source = open_source(arrays, axes="cyx", channels=[1])
    assert source.level_shapes == ((61, 90), (31, 45), (13, 18))
    for number, array in enumerate(pyramid):
        level = open_level(source, number)
        assert level.level == number
        assert level.axes.plane_shape == array.shape[1:]
        np.testing.assert_array_equal(whole(level).pixels, array[1:])


def test_levels_travel_with_a_pickled_source(pyramid):
    source = open_source(pyramid, axes="cyx")
    again = open_level(pickle.loads(pickle.dumps(source)), 2)
    np.testing.assert_array_equal(whole(again).pixels, pyramid[2])


def test_a_level_of_fewer_planes_shows_the_nearest_ones():
    """Stacks are often made coarser along z as well."""
    fine, coarse = np.zeros((2, 5, 60, 80)), np.zeros((1, 3, 30, 40))
    coarse += np.arange(3)[:, None, None]
    source = open_source([fine, coarse], axes="tzyx", calibration={"z": (2.0, "micrometer")})
    level = open_level(source, 1)
    assert (level.axes.shape, level.axes["z"]) == ((2, 5, 30, 40), source.axes["z"])
    seen = [whole(level, plane).pixels.mean() for plane in range(10)]
    assert seen == [0, 0, 1, 2, 2] * 2


def test_a_level_of_other_channels_is_refused():
    source = open_source([np.zeros((3, 60, 80)), np.zeros((2, 30, 40))], axes="cyx")
    with pytest.raises(SourceError, match=r"holds \(2, 30, 40\) .* do not fit level 0"):
        open_level(source, 1)


def test_there_is_no_level_beyond_the_last(pyramid):
    source = open_source(pyramid, axes="cyx")
    with pytest.raises(InputError, match="level=3 does not exist"):
        open_level(source, 3)


def test_a_given_mask_is_seen_from_other_levels(pyramid):
    mask = np.random.default_rng(0).random((61, 90)) < 0.5
    source = open_source(pyramid, axes="cyx", mask=mask)
    for number in (1, 2):
        block = whole(open_level(source, number))
        np.testing.assert_array_equal(block.valid, nearest(mask, pyramid[number].shape[1:]))


def test_levels_of_a_file_keep_what_was_chosen(samples):
    source = open_source(samples / "mosaic_cog1.tif", channels=[2, 0])
    assert len(source.level_shapes) > 1
    for number, shape in enumerate(source.level_shapes):
        level = open_level(source, number)
        told = open_source(samples / "mosaic_cog1.tif", channels=[2, 0], level=number)
        assert level.axes == told.axes
        assert level.axes.plane_shape == shape
        assert (level.nodata, level.georeference) == (told.nodata, told.georeference)
        ours, theirs = whole(level), whole(told)
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)
        np.testing.assert_array_equal(ours.valid, theirs.valid)


@pytest.mark.parametrize("shape", [(61, 90), (7, 9), (100, 91), (1, 1)])
@pytest.mark.parametrize("axes", ["cyx", "yxc"])
def test_another_resolution_is_the_nearest_pixel(image, shape, axes):
    stored = image if axes == "cyx" else np.moveaxis(image, 0, -1)
    mask = np.random.default_rng(0).random((61, 90)) < 0.5
    source = replace(open_source(stored, axes=axes, mask=mask), nodata=7.0)
    lookups = tuple(Nearest.between(n, m) for n, m in zip((61, 90), shape))
    seen = at_resolution(source, lookups)
    assert seen.axes.plane_shape == shape
    block = whole(seen)
    np.testing.assert_array_equal(block.pixels, nearest(image, shape))
    held = mask & ~(image == 7).all(axis=0)
    expected = nearest(held, shape)
    np.testing.assert_array_equal(block.valid if block.valid is not None else True, expected)
    part = Box.of((shape[0] // 3, shape[0]), (0, max(1, shape[1] // 2)))
    np.testing.assert_array_equal(seen.read(0, part).pixels, nearest(image, shape)[:, *part.slices])


def test_large_boxes_are_read_in_strips(image, monkeypatch):
    lookups = (Nearest.between(61, 20), Nearest.between(90, 30))
    seen = at_resolution(open_source(image, axes="cyx"), lookups)
    at_once = whole(seen).pixels
    boxes = []
    read = type(seen.reader.reader).read

    def watched(reader, box):
        boxes.append(box)
        return read(reader, box)

    monkeypatch.setattr(_nearest, "STRIP_SAMPLES", 2 * 90 * 3 * 4)
    monkeypatch.setattr(type(seen.reader.reader), "read", watched)
    np.testing.assert_array_equal(whole(seen).pixels, at_once)
    assert len(boxes) == 5
    assert max(box[1].stop - box[1].start for box in boxes) <= 12


def test_chunks_are_told_in_pixels_as_seen():
    image = da.zeros((64, 96), chunks=(16, 32), dtype=np.uint8)
    lookups = (Nearest.between(64, 16), Nearest.between(96, 12))
    assert at_resolution(open_source(image), lookups).chunk_shape == (4, 4)
