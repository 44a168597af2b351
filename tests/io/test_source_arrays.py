import pickle

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

import napari_superpixels as nsp
from napari_superpixels.errors import InputError, SourceError
from napari_superpixels.io import open_source
from napari_superpixels.tiling import Box


@pytest.fixture
def rgb(rng):
    return rng.integers(0, 256, (40, 57, 3), dtype=np.uint8)


def planar(rgb):
    return np.moveaxis(rgb, 2, 0)[None]


@pytest.mark.parametrize(
    ("shape", "dtype", "letters"),
    [
        ((40, 50), "u1", "yx"),
        ((40, 50, 3), "u1", "cyx"),
        ((40, 50, 3), "u2", "cyx"),
        ((40, 50, 4), "f4", "cyx"),
        ((12, 50, 3), "i4", "zyx"),
        ((7, 40, 50), "u1", "zyx"),
        ((5, 4, 3), "u1", "zyx"),
        ((2, 7, 40, 50), "u1", "tzyx"),
        ((7, 40, 50, 3), "u1", "czyx"),
        ((2, 3, 7, 40, 50), "u1", "tczyx"),
        ((2, 7, 40, 50, 3), "u1", "tczyx"),
    ],
)
def test_axes_are_guessed_and_said_aloud(shape, dtype, letters, caplog):
    caplog.set_level("INFO")
    source = nsp.open(np.ones(shape, dtype))
    assert source.axes.names == letters
    assert any("axes guessed as" in note for note in source.notes)
    assert "axes guessed as" in caplog.text


def test_given_axes_are_not_guessed(rng, assert_reads):
    array = rng.integers(0, 256, (3, 20, 5, 30), dtype=np.uint8)
    source = open_source(array, axes="cyzx", rgb=False)
    assert source.axes.names == "czyx"
    assert not source.notes
    assert_reads(source, array.transpose(2, 0, 1, 3))


def test_planes_are_numbered_t_slowest(rng, assert_reads):
    array = rng.integers(0, 256, (2, 3, 4, 20, 30), dtype=np.uint16)
    assert_reads(open_source(array, axes="tczyx"), array.swapaxes(1, 2).reshape(8, 3, 20, 30))
    assert_reads(
        open_source(array, axes="zctyx"),
        array.transpose(2, 0, 1, 3, 4).reshape(8, 3, 20, 30),
    )


@pytest.mark.parametrize("axes", ["yx", "yxcz", "yxx", "ayx", "zcy", ""])
def test_wrong_axes_are_refused(rgb, axes):
    with pytest.raises(InputError, match="axes="):
        open_source(rgb, axes=axes)


def test_the_error_names_letters_and_shape(rgb):
    with pytest.raises(InputError, match=r"unknown letters 'q', 'w'; use t, c, z, y, x, and s"):
        open_source(rgb, axes="qwyx")
    with pytest.raises(InputError, match=r"names 2 axes, but the image has 3 of sizes \(40, 57, 3"):
        open_source(rgb, axes="yx")


def test_rgb_is_a_view(rgb, assert_reads):
    source = open_source(rgb)
    assert source.rgb
    assert_reads(source, planar(rgb))
    assert np.shares_memory(source.read(0, Box.of((1, 5), (2, 9))).pixels, rgb)


def test_rgb_can_be_overruled(rgb):
    assert not open_source(rgb, rgb=False).rgb
    assert open_source(planar(rgb)[0], axes="cyx", rgb=True).rgb
    assert not open_source(planar(rgb)[0], axes="cyx").rgb
    assert open_source(rgb.astype("i4"), axes="yxs").rgb


def test_rgb_of_two_channels_is_refused(rgb):
    with pytest.raises(InputError, match=r"rgb=True needs 3 channels .* the image has 2"):
        open_source(rgb[..., :2], axes="yxc", rgb=True)


def test_alpha_zero_is_no_data(rng):
    rgba = rng.integers(1, 256, (20, 30, 4), dtype=np.uint8)
    rgba[3:7, 5, 3] = 0
    source = open_source(rgba)
    assert (source.channels, source.rgb, source.has_alpha) == (3, True, True)
    block = source.read(0, Box.of((2, 10), (4, 20)))
    np.testing.assert_array_equal(block.valid, rgba[2:10, 4:20, 3] != 0)
    np.testing.assert_array_equal(block.pixels, planar(rgba)[0, :3, 2:10, 4:20])
    assert source.read(0, Box.of((10, 20), (0, 30))).valid is None


def test_four_samples_as_channels(rng):
    samples = np.zeros((20, 30, 4), np.uint8)
    source = open_source(samples, rgb=False)
    assert (source.channels, source.has_alpha) == (4, False)
    assert source.read(0, Box.of((0, 20), (0, 30))).valid is None


def test_alpha_beside_chosen_channels(rng):
    rgba = rng.integers(1, 256, (20, 30, 4), dtype=np.uint8)
    rgba[0, :, 3] = 0
    source = open_source(rgba, channels=[1])
    block = source.read(0, Box.of((0, 5), (0, 30)))
    np.testing.assert_array_equal(block.pixels, rgba[None, :5, :, 1])
    np.testing.assert_array_equal(block.valid, rgba[:5, :, 3] != 0)


@pytest.mark.parametrize("channels", [[0], [2], [0, 2], [2, 0], [1, 2], [2, 1, 0]])
def test_channels_are_chosen_in_order(rgb, channels, assert_reads):
    source = open_source(rgb, channels=channels)
    assert source.rgb == (len(channels) == 3)
    assert_reads(source, planar(rgb)[:, channels])


@pytest.mark.parametrize("channels", [[3], [-1], [], [0, 0], ["red"]])
def test_channels_out_of_range_are_refused(rgb, channels):
    with pytest.raises(InputError, match="numbers from 0 to 2"):
        open_source(rgb, channels=channels)


def test_level_out_of_range_is_refused(rgb):
    with pytest.raises(InputError, match=r"level=1 does not exist.*give level=0"):
        open_source(rgb, level=1)


def test_bool_is_read_as_numbers(assert_reads):
    array = np.eye(20, 30, dtype=bool)
    source = open_source(array)
    assert source.dtype == np.uint8
    assert_reads(source, array.astype(np.uint8)[None, None])


@pytest.mark.parametrize("dtype", [">u2", ">f4"])
def test_foreign_byte_order(rng, dtype, assert_reads):
    array = rng.integers(0, 999, (20, 30)).astype(dtype)
    source = open_source(array)
    assert source.dtype.isnative
    assert_reads(source, array[None, None])


@pytest.mark.parametrize("dtype", [np.complex64, object, "U3", "M8[s]", np.longdouble])
def test_other_types_are_refused(dtype):
    with pytest.raises(InputError, match=r"type|object"):
        open_source(np.zeros((20, 30), dtype))


def test_complex_names_the_repair():
    with pytest.raises(InputError, match=r"type complex64.*np\.abs"):
        open_source(np.zeros((20, 30), np.complex64))


@pytest.mark.parametrize("image", [None, 3, [[1, 2], [3]], np.zeros(5), {"a": 1}])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(InputError):
        open_source(image)


@pytest.mark.parametrize("make", [np.zeros, da.zeros, lambda s: xr.DataArray(np.zeros(s))])
def test_empty_images_are_refused(make):
    with pytest.raises(InputError, match=r"shape \(0, 12\).*not empty"):
        open_source(make((0, 12)))


def test_masked_arrays_point_to_mask():
    with pytest.raises(InputError, match="mask="):
        open_source(np.ma.masked_equal(np.eye(20), 1))


def test_nan_and_inf_are_no_data(rng):
    array = rng.random((2, 20, 30)).astype(np.float32)
    array[0, 3, 4], array[1, 5, 6], array[1, 7, 8] = np.nan, np.inf, -np.inf
    block = open_source(array, axes="cyx").read(0, Box.whole((20, 30)))
    assert set(zip(*np.nonzero(~block.valid))) == {(3, 4), (5, 6), (7, 8)}


def test_dask_blocks_go_into_a_graph(rgb, assert_reads):
    lazy = da.from_array(rgb, chunks=(17, 20, 3))
    source = open_source(lazy)
    assert source.is_dask
    assert source.chunk_shape == (17, 20)
    box = Box.of((3, 30), (10, 50))
    block = source.dask_block(0, box)
    assert isinstance(block, da.Array)
    np.testing.assert_array_equal(block.compute(), planar(rgb)[0][:, 3:30, 10:50])
    np.testing.assert_array_equal(
        source.block(0, box, block.compute()).pixels, source.read(0, box).pixels
    )
    assert_reads(source, planar(rgb))


def test_dask_block_with_alpha_and_channels(rng):
    rgba = rng.integers(0, 3, (20, 30, 4), dtype=np.uint8)
    source = open_source(da.from_array(rgba, chunks=(8, 8, 1)), channels=[2, 0])
    box = Box.of((3, 17), (10, 30))
    samples = source.dask_block(0, box)
    assert samples.shape == (3, 14, 20)
    block = source.block(0, box, samples.compute())
    np.testing.assert_array_equal(block.pixels, planar(rgba)[0][[2, 0], 3:17, 10:30])
    np.testing.assert_array_equal(block.valid, rgba[3:17, 10:30, 3] != 0)


def test_opening_dask_computes_nothing_and_reading_is_synchronous():
    threads = set()

    def note(block):
        import threading

        threads.add(threading.get_ident())
        return block

    lazy = da.zeros((40, 40), chunks=10, dtype="u1").map_blocks(note, dtype="u1", meta=np.empty(0))
    with dask.config.set(scheduler="threads"):
        source = open_source(lazy)
        assert not threads
        source.read(0, Box.whole((40, 40)))
    import threading

    assert threads == {threading.get_ident()}


def test_dask_of_unknown_size_is_refused():
    lazy = da.zeros((20, 30), chunks=10)
    with pytest.raises(InputError, match="compute_chunk_sizes"):
        open_source(lazy[lazy[:, 0] == 0])


def test_zarr_in_memory(rgb, assert_reads):
    array = zarr.create_array({}, shape=rgb.shape, chunks=(16, 16, 1), dtype="u1")
    array[:] = rgb
    source = open_source(array, channels=[0, 2])
    assert source.location is None
    assert source.chunk_shape == (16, 16)
    assert_reads(source, planar(rgb)[:, [0, 2]])


def test_xarray_names_axes_and_spacing(rng, assert_reads):
    values = rng.random((3, 20, 30))
    coords = {"y": 100 - 2.5 * np.arange(20), "x": ("x", 4 + 0.5 * np.arange(30), {"units": "m"})}
    image = xr.DataArray(values, coords, ("band", "y", "x"), "scene", {"_FillValue": -1.0})
    source = open_source(image)
    assert source.axes.names == "cyx"
    assert (source.axes["y"].spacing, source.axes["y"].origin) == (2.5, -100.0)
    x = source.axes["x"]
    assert (x.spacing, x.origin, x.unit) == (0.5, 4.0, "m")
    assert (source.name, source.nodata, source.notes) == ("scene", -1.0, ())
    assert_reads(source, values[None])


def test_xarray_with_uneven_coordinates_and_dask(rng, assert_reads):
    values = rng.integers(0, 9, (20, 30), dtype=np.uint8)
    image = xr.DataArray(values, {"lat": np.arange(20.0) ** 2}, ("lat", "lon")).chunk(lat=7)
    source = open_source(image)
    assert source.is_dask
    assert source.axes["y"].spacing == 1.0
    assert_reads(source, values[None, None])


def test_xarray_carries_its_georeference():
    attrs = {"crs_wkt": "WKT", "GeoTransform": "100 10 0 200 0 -10"}
    image = xr.DataArray(np.ones((20, 30)), {"spatial_ref": xr.DataArray(0, attrs=attrs)})
    where = open_source(image).georeference
    assert (where.crs, where.transform) == ("WKT", (10, 0, 100, 0, -10, 200))


def test_nodata_counts_where_all_channels_have_it():
    values = np.ones((2, 20, 30), np.int16)
    values[:, 0, 0], values[0, 1, 1] = -9999, -9999
    image = xr.DataArray(values, dims=("band", "y", "x"), attrs={"_FillValue": -9999})
    valid = open_source(image).read(0, Box.whole((20, 30))).valid
    assert list(zip(*np.nonzero(~valid))) == [(0, 0)]


@pytest.mark.parametrize("nodata", [-1.0, 256.0, 0.5, float("inf"), float("nan")])
def test_nodata_that_no_sample_can_have(nodata):
    image = xr.DataArray(np.zeros((20, 30), np.uint8), attrs={"nodata": nodata})
    assert open_source(image).read(0, Box.whole((20, 30))).valid is None


def test_identity_follows_content_and_choices(rgb):
    source = open_source(rgb)
    assert source.identity == open_source(rgb.copy()).identity
    others = [
        open_source(255 - rgb),
        open_source(rgb, channels=[0, 1]),
        open_source(rgb, rgb=False),
        open_source(rgb, axes="yxs", mask=np.ones((40, 57))),
        open_source(rgb, mask=np.zeros((40, 57))),
        open_source(rgb.astype("u2")),
    ]
    assert len({source.identity, *(other.identity for other in others)}) == 7


def test_identity_of_the_largest_arrays_is_sampled_but_never_shared(monkeypatch, rng):
    monkeypatch.setattr("napari_superpixels.io._identity.WHOLE_BYTES", 100)
    array = rng.integers(0, 256, (100, 100), dtype=np.uint8)
    copy = array.copy()
    assert open_source(array).identity == open_source(array).identity
    assert open_source(array).identity != open_source(copy).identity
    assert open_source(array).identity != open_source(array.T).identity


def test_description_is_plain(rgb):
    import json

    told = open_source(rgb, mask=np.ones((40, 57))).describe()
    assert json.loads(json.dumps(told)) == told
    assert told["levels"] == [[40, 57]]
    assert told["masked"]
    assert told["format"] == "numpy array"


def test_dask_names_sources_by_identity(rgb):
    copy = pickle.loads(pickle.dumps(open_source(rgb)))
    assert dask.base.tokenize(open_source(rgb)) == dask.base.tokenize(copy)


@pytest.mark.parametrize(
    "shape", [(200, 300, 2), (200, 4, 300), (40, 50, 3), (5, 200, 300, 2), (2, 3, 40, 50, 2)]
)
def test_a_guess_of_slivers_is_refused(shape):
    with pytest.raises(InputError, match=r"would be guessed as .*; name them with axes=") as caught:
        open_source(np.ones(shape, "i4"))
    assert str(shape) in str(caught.value)
    letters = str(caught.value).split("axes=")[-1].strip("'")
    assert open_source(np.ones(shape, "i4"), axes=letters).axes.plane_shape == shape[-3:-1]


@pytest.mark.parametrize(
    ("shape", "loud"), [((40, 50), False), ((40, 50, 3), True), ((7, 40, 50), True)]
)
def test_guesses_that_change_the_result_are_warnings(shape, loud, caplog):
    source = nsp.open(np.ones(shape, np.uint8))
    assert ("axes guessed as" in caplog.text) == loud
    caplog.clear()
    nsp.open(source)  # open already, so told already
    nsp.open(np.ones(shape, np.uint8), axes="zyx"[-len(shape) :])
    assert not caplog.text


def test_three_channels_of_8_bits_may_be_colours(rgb, caplog):
    image = planar(rgb)[0]
    assert "give rgb=True (--rgb)" in nsp.open(image, axes="cyx").notes[0]
    assert "three 8-bit channels" in caplog.text
    named = xr.DataArray(rgb, dims=("y", "x", "c"))
    assert "give rgb=True (--rgb)" in open_source(named).notes[0]
    for options in ({"rgb": True}, {"rgb": False}):
        assert not open_source(image, axes="cyx", **options).notes
    assert not open_source(image.astype(np.uint16), axes="cyx").notes
    assert not any("8-bit" in note for note in open_source(rgb).notes)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"level": "0"}, "level='0' must be a whole number"),
        ({"level": 0.0}, "level=0.0 must be a whole number"),
        ({"level": None}, "level=None must be"),
        ({"level": True}, "level=True must be"),
        ({"channels": "01"}, "channels='01' must be numbers"),
        ({"channels": 1.5}, "channels=1.5 must be numbers"),
        ({"channels": [True]}, r"channels=\[True\] must be numbers"),
        ({"axes": 3}, "axes=3 must be text"),
        ({"axes": ("y", "x", "c")}, "must be text"),
        ({"mask": True}, "mask=True must be an array or a path"),
        ({"rgb": "yes"}, "rgb='yes' must be True"),
    ],
)
def test_options_of_a_wrong_type_are_named(rgb, wrong, words):
    with pytest.raises(InputError, match=words):
        open_source(rgb, **wrong)


def test_numpy_numbers_become_plain(tmp_path, rgb):
    np.save(tmp_path / "image.npy", rgb)
    source = open_source(tmp_path / "image.npy", level=np.int64(0), rgb=np.True_,
                         channels=np.array([2, 1, 0], np.uint8))  # fmt: skip
    assert (source.rgb, type(source.rgb)) == (True, bool)
    assert type(source.level) is int
    opened = source.opened
    assert [type(opened[name]) for name in ("level", "rgb")] == [int, bool]
    assert {type(channel) for channel in opened["channels"]} == {int}
    plain = open_source(tmp_path / "image.npy", rgb=True, channels=[2, 1, 0])
    assert source.identity == plain.identity
    assert open_source(rgb, channels=np.int64(1)).channels == 1
    assert open_source(rgb, channels=np.int64(1)).opened is None


@pytest.mark.parametrize("order", "CF")
def test_files_of_numpy(tmp_path, rgb, order, assert_reads):
    path = tmp_path / "image.npy"
    np.save(path, np.asarray(rgb, order=order))
    source = open_source(path)
    assert (source.format, source.name, source.location) == ("numpy file", "image", str(path))
    assert_reads(source, planar(rgb))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(SourceError, match=r"numpy file .*image\.npy cannot be read"):
        open_source(path)
    with pytest.raises(SourceError, match="changed after it was opened"):
        source.read(0, Box.whole((40, 57)))
    np.save(path, np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(SourceError, match="cannot be read"):
        open_source(path)


@pytest.mark.parametrize("make", [np.asarray, da.from_array, xr.DataArray])
def test_a_source_is_shown_in_one_line(rgb, make):
    source = open_source(make(rgb), axes="yxs", mask=np.ones((40, 57)))
    shown = repr(source)
    assert shown == str(source)
    assert "\n" not in shown + repr(source.reader)
    assert len(shown) < 120
    assert all(part in shown for part in ("cyx (3, 40, 57)", "uint8", "RGB", source.format))


def test_a_box_of_an_npy_file_is_charged_for_itself_alone(tmp_path):
    np.save(tmp_path / "image.npy", np.zeros((300, 400, 3), np.uint8))
    given = open_source(np.load(tmp_path / "image.npy", mmap_mode="r"))
    assert open_source(tmp_path / "image.npy").chunk_shape == given.chunk_shape == (1, 1)
