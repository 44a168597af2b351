"""From layers to plans: what is opened from files, what from arrays, and what is refused."""

import re

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from napari.layers import Image, Labels, Layer, Shapes
from napari.utils._proxies import PublicOnlyProxy

import napari_superpixels as nsp
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.errors import InputError, SuperpixelsError
from napari_superpixels.io import open_level
from napari_superpixels.napari_ui.reader import read
from napari_superpixels.napari_ui.resolve import Request, resolve, resolve_source
from napari_superpixels.napari_ui.snapshot import LayerSnapshot, PolygonsSnapshot

UM = ("um", "um")


def request(*layers, mask=None, **keywords):
    kind = PolygonsSnapshot if isinstance(mask, Shapes) else LayerSnapshot
    taken = None if mask is None else kind.of(mask)
    images = tuple(LayerSnapshot.of(PublicOnlyProxy(layer)) for layer in layers)
    return Request(images=images, mask=taken, **({"settings": {"step": 8}} | keywords))


def labels(plan):
    return np.asarray(lazy_labels(plan).compute())


def same(plan, *arguments, **keywords):
    """Whether a plan gives the labels that the public functions give."""
    expected = nsp.plan(nsp.open(*arguments, **keywords), "slic", step=8)
    np.testing.assert_array_equal(labels(plan), labels(expected))


@pytest.fixture
def picture(rng):
    return rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)


@pytest.fixture
def stack(rng):
    return rng.integers(0, 4000, (2, 3, 40, 50), dtype=np.uint16)


@pytest.mark.parametrize("make", [np.asarray, lambda a: da.from_array(a, chunks=(19, 20, 3)),
                                  lambda a: zarr.array(a, chunks=(16, 16, 3))])  # fmt: skip
def test_arrays_are_used_as_they_are(picture, make):
    plan = resolve(request(Image(make(picture), rgb=True, name="cells")))
    assert (plan.source.rgb, plan.source.name, plan.source.opened) == (True, "cells", None)
    same(plan, picture)


def test_xarray_is_used_as_it_is(picture):
    import xarray as xr

    layer = Image(xr.DataArray(picture[..., 0], dims=("y", "x")), name="cells")
    same(resolve(request(layer)), picture[..., 0])


@pytest.mark.parametrize("level", [0, 1, 2])
def test_levels_come_along(picture, level):
    arrays = [da.from_array(picture[:: 2**i, :: 2**i]) for i in range(3)]
    layer = Image(arrays, multiscale=True, rgb=True)
    plan = resolve(request(layer, level=level))
    same(plan, arrays[level].compute())
    assert plan.source.level_shapes == ((60, 80), (30, 40), (15, 20))
    assert open_level(plan.source, 2).axes.plane_shape == (15, 20)


def test_levels_of_one_shape_are_no_stack(picture):
    layer = Image([picture[..., 0]] * 2, multiscale=True)
    plan = resolve(request(layer, level=1))
    same(plan, picture[..., 0])


@pytest.mark.parametrize("labels_of_axes", [None, ("t", "z", "y", "x"), ("a", "z", "y", "x")])
def test_stacks(stack, labels_of_axes):
    plan = resolve(request(Image(stack, axis_labels=labels_of_axes)))
    assert plan.axes.names == "tzyx"
    same(plan, stack, axes="tzyx")
    assert resolve(request(Image(stack[0], axis_labels=("t", "y", "x")))).axes.names == "tyx"


def test_bool_alpha_and_nan(picture, rng):
    holes = picture[..., 0] > 128
    same(resolve(request(Image(holes))), holes)
    rgba = np.concatenate([picture, (holes[..., None] * 255).astype(np.uint8)], axis=2)
    plan = resolve(request(Image(rgba, rgb=True)))
    assert plan.source.has_alpha
    np.testing.assert_array_equal(labels(plan) == 0, ~holes)
    floats = rng.random((60, 80)).astype(np.float32)
    floats[10:20, 30:40] = np.nan
    plan = resolve(request(Image(floats)))
    np.testing.assert_array_equal(labels(plan) == 0, np.isnan(floats))


def test_lengths_are_those_of_the_layer(picture):
    layer = Image(picture[..., 0], scale=(0.5, 0.5), units=UM, translate=(7, 8))
    plan = resolve(request(layer, settings={"step_um": 4}))
    assert plan.lattice.step == (8, 8)
    y = plan.source.axes["y"]
    assert (y.spacing, y.unit, y.origin) == (0.5, "micrometer", 7.0)
    coarse = Image(
        [picture[..., 0], picture[::2, ::2, 0]], multiscale=True, scale=(0.5, 0.5), units=UM
    )
    plan = resolve(request(coarse, level=1, settings={"step_um": 8}))
    assert plan.lattice.step == (8, 8)
    assert plan.source.axes["y"].origin == 0.25
    with pytest.raises(InputError, match="no spacing in micrometers"):
        resolve(request(Image(picture[..., 0]), settings={"step_um": 4}))


def test_lengths_of_a_rotated_layer(picture):
    layer = Image(
        picture[..., 0], scale=(0.25, 0.25), units=UM, rotate=30, affine=np.diag([2, 2, 1])
    )
    assert resolve(request(layer, settings={"step_um": 4})).lattice.step == (8, 8)


def opened(path):
    return [Layer.create(*data) for data in read(str(path))]


def test_what_our_reader_opened_is_read_from_the_file(samples):
    (layer,) = opened(samples / "cmu-1-small-region.svs")
    plan = resolve(request(layer, region={"y": (100, 200), "x": (200, 300)}))
    expected = nsp.open(samples / "cmu-1-small-region.svs")
    assert plan.source.identity == expected.identity
    assert plan.source.opened["calibration"] is None
    assert resolve(request(layer, settings={"step_um": 8})).lattice.step == (16, 16)


def test_nodata_of_a_file_stays_nodata(samples):
    layers = opened(samples / "mosaic_cog1.tif")
    plan = resolve(request(*layers))
    expected = nsp.open(samples / "mosaic_cog1.tif")
    assert (plan.source.identity, plan.source.nodata) == (expected.identity, expected.nodata)
    assert plan.source.opened["channels"] == [0, 1, 2]
    one = resolve(request(layers[1])).source
    assert one.identity == nsp.open(samples / "mosaic_cog1.tif", channels=[1]).identity
    swapped = resolve(request(*layers[:2][::-1])).source
    assert swapped.opened["channels"] == [1, 0]


@pytest.fixture
def two_channels(tmp_path, rng):
    image = rng.integers(0, 4000, (2, 60, 80), dtype=np.uint16)
    metadata = {"axes": "CYX", "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.5}
    tifffile.imwrite(tmp_path / "cells.ome.tif", image, metadata=metadata)
    return tmp_path / "cells.ome.tif", image


def test_channels_of_one_file_are_opened_once(two_channels):
    path, image = two_channels
    plan = resolve(request(*opened(path)))
    assert plan.source.identity == nsp.open(path, channels=[0, 1]).identity
    assert plan.source.location == str(path)
    same(plan, image, axes="cyx")
    twice = resolve_source(request(opened(path)[0], opened(path)[0]))
    assert twice.channels == 2


def test_a_length_that_a_person_corrected_overrules_the_file(two_channels):
    path, _ = two_channels
    layers = opened(path)
    for layer in layers:
        layer.scale = (0.25, 0.25)
    plan = resolve(request(*layers, settings={"step_um": 4}))
    assert plan.lattice.step == (16, 16)
    assert plan.source.opened["calibration"]["y"][:2] == [0.25, "micrometer"]
    assert plan.source.location == str(path)


def test_a_layer_that_was_changed_is_no_file_any_more(two_channels):
    path, image = two_channels
    (layer, _) = opened(path)
    layer.data = da.from_array(image[0] // 2)
    plan = resolve(request(layer))
    assert plan.source.opened is None
    same(plan, image[0] // 2)


def test_an_edit_of_a_few_pixels_is_never_dropped(two_channels):
    """Not even where a few blocks that are compared with the file are as they were."""
    path, image = two_channels
    (layer, _) = opened(path)
    read_lazily = layer.data
    edited = image[0].copy()
    edited[59, 79] ^= 1
    spot = np.zeros_like(edited)
    spot[59, 79] = 1
    for changed in (edited, read_lazily ^ spot):
        layer.data = changed
        plan = resolve(request(layer))
        assert plan.source.opened is None
        same(plan, edited)
    layer.data = image[0]  # in memory, as it was: still what the layer holds now
    assert resolve(request(layer)).source.opened is None
    layer.data = read_lazily
    assert resolve(request(layer)).source.location == str(path)


def test_a_file_that_is_gone_leaves_the_arrays(two_channels):
    path, image = two_channels
    (layer, _) = opened(path)
    gone = with_path(Image(da.from_array(image[0])), path)
    path.unlink()
    same(resolve(request(gone)), image[0])
    assert layer.metadata["napari_superpixels"]["arrays"] == [layer.data.name]


def with_path(layer, path):
    layer._source = layer.source.model_copy(update={"path": str(path)})
    return layer


def test_lazy_layers_of_other_readers_are_read_from_their_file(two_channels, picture, tmp_path):
    path, image = two_channels
    tifffile.imwrite(tmp_path / "rgb.tif", picture)
    lazy = with_path(Image(da.from_array(picture), rgb=True), tmp_path / "rgb.tif")
    plan = resolve(request(lazy))
    assert plan.source.location == str(tmp_path / "rgb.tif")
    same(plan, picture)
    assert (
        resolve(request(with_path(Image(picture, rgb=True), tmp_path / "rgb.tif"))).source.opened
        is None
    )
    channel = with_path(Image(da.from_array(image[1])), path)
    same(resolve(request(channel)), image[1])
    assert resolve(request(channel)).source.opened is None
    other = with_path(Image(da.from_array(255 - picture), rgb=True), tmp_path / "rgb.tif")
    same(resolve(request(other)), 255 - picture)
    gone = with_path(Image(da.from_array(picture), rgb=True), tmp_path / "nothing.tif")
    same(resolve(request(gone)), picture)


def test_planes_have_the_name_that_the_file_gives_them(tmp_path, stack):
    tifffile.imwrite(tmp_path / "movie.ome.tif", stack[0], metadata={"axes": "TYX"})
    layer = with_path(Image(da.from_array(stack[0])), tmp_path / "movie.ome.tif")
    plan = resolve(request(layer, region={"z": (1, 3), "y": (0, 16), "x": (0, 50)}))
    assert plan.source.location == str(tmp_path / "movie.ome.tif")
    assert (plan.axes.names, plan.axes.shape) == ("tyx", (2, 16, 50))


def test_axes_of_one_plane_may_be_missing(tmp_path, stack):
    np.save(tmp_path / "a.npy", stack[:1])
    layer = with_path(Image(da.from_array(stack[0])), tmp_path / "a.npy")
    plan = resolve(request(layer, region={"z": (1, 2), "y": (8, 16), "x": (0, 8)}))
    assert plan.source.location is not None
    assert plan.axes.shape == (1, 1, 8, 8)


def test_several_layers_are_channels(picture):
    layers = [Image(picture[..., i], name=f"c{i}", scale=(2, 2)) for i in range(2)]
    plan = resolve(request(*layers))
    same(plan, picture[..., :2], axes="yxc")
    deeper = Image(picture[..., 1].astype(np.uint16), scale=(2, 2))
    assert resolve(request(layers[0], deeper)).source.dtype == np.uint16


def test_a_file_and_an_array_are_channels_too(two_channels):
    path, image = two_channels
    (first, _) = opened(path)
    array = Image(image[1], scale=(0.5, 0.5), units=UM)
    same(resolve(request(first, array)), image, axes="cyx")


def test_a_mask_of_labels(picture, rng):
    areas = rng.integers(0, 3, (60, 80))
    areas[:20] = 0
    layer, mask = Image(picture, rgb=True), Labels(areas.copy())
    plan = resolve(request(layer, mask=mask))
    same(plan, picture, mask=areas)
    before = labels(plan)
    mask.data[:] = 0  # painting on it later changes nothing
    np.testing.assert_array_equal(labels(plan), before)
    lazy = Labels(da.from_array(areas, chunks=17))
    np.testing.assert_array_equal(labels(resolve(request(layer, mask=lazy))), before)


def test_a_mask_of_another_level(picture):
    areas = np.zeros((60, 80), int)
    areas[16:40, 16:60] = 5
    layer = Image([picture, picture[::2, ::2]], multiscale=True, rgb=True)
    plan = resolve(request(layer, level=1, mask=Labels(areas)))
    np.testing.assert_array_equal(labels(plan) != 0, areas[1::2, 1::2] != 0)
    pyramid = Labels([areas, areas[::2, ::2] * 0 + 1], multiscale=True)
    assert labels(resolve(request(layer, level=1, mask=pyramid))).all()


def test_a_mask_of_shapes(picture):
    corners = np.array([[4.5, 4.5], [4.5, 60.5], [40.5, 60.5], [40.5, 4.5]])
    layer = Image(picture, rgb=True, scale=(3, 3))
    plan = resolve(request(layer, mask=Shapes([corners * 3], shape_type="rectangle")))
    expected = np.zeros((60, 80), bool)
    expected[5:41, 5:61] = True
    np.testing.assert_array_equal(labels(plan) != 0, expected)


def test_a_region_in_pixels_of_the_level(picture):
    layer = Image([picture, picture[::2, ::2]], multiscale=True, rgb=True)
    plan = resolve(request(layer, level=1, region={"y": (8, 16), "x": (9, 17)}))
    assert (plan.pixels.start, plan.pixels.shape) == ((8, 8), (8, 16))


def test_settings_reach_the_method(picture):
    plan = resolve(request(Image(picture, rgb=True), settings={"step": 6, "compactness": 3.0}))
    assert (plan.method.step, plan.method.compactness) == (6, 3.0)


def snapshot(array, **keywords):
    """Of a layer that napari itself would not make."""
    good = LayerSnapshot.of(Image(np.zeros((4, 4)), name="bad"))
    from dataclasses import replace

    return replace(good, levels=(array,), **keywords)


PLAIN = Image(np.zeros((60, 80), np.uint8), name="plain")

BAD = {
    "no layer": (Request(images=()), "No image layer is chosen; open an image"),
    "grids": (
        request(PLAIN, Image(np.zeros((60, 81)), name="other")),
        r"'plain' \(60 x 80\) and 'other' \(60 x 81\) lie on different grids",
    ),
    "mask": (
        request(PLAIN, mask=Labels(np.zeros((60, 81), int), name="roi")),
        r"The mask 'roi' \(60 x 81\) covers .* but the image 'plain' \(60 x 80\) covers",
    ),
    "level": (request(PLAIN, level=2), "'plain' has no level 2; choose one from 0 to 0"),
    "negative level": (request(PLAIN, level=-1), "'plain' has no level -1"),
    "empty": (Request(images=(snapshot(np.zeros((0, 4))),)), r"shape \(0, 4\) and so no pixels"),
    "complex": (
        Request(images=(snapshot(np.zeros((4, 4), np.complex64)),)),
        r"'bad' cannot be used: .*complex64.*np\.abs",
    ),
    "object": (
        Request(images=(snapshot(np.zeros((4, 4), object)),)),
        "'bad' cannot be used: .*object",
    ),
    "channels": (
        request(Image(np.zeros((3, 60, 80)), axis_labels=("c", "y", "x"))),
        r"choose Split Stack",
    ),
    "long step": (request(PLAIN, settings={"step": 100}), "step is 100 px, longer than the image"),
    "short step": (request(PLAIN, settings={"step": 1}), r"step"),
    "no such setting": (request(PLAIN, settings={"sigma": 2}), r"sigma"),
    "region": (request(PLAIN, region={"y": (0, 900)}), r"The region is 0:900 along y"),
    "path": (
        request(PLAIN, mask=Shapes([[[0, 0], [9, 9], [0, 9]]], shape_type="path")),
        "holds a path, which encloses nothing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_use_is_told_in_one_sentence(name):
    wrong, words = BAD[name]
    with pytest.raises(SuperpixelsError, match=words) as caught:
        resolve(wrong)
    text = str(caught.value)
    assert "\n" not in text
    assert not re.search(r"[.!?] [A-Z]", text)


def test_a_preview_is_no_mask_and_no_image(picture):
    class Preview:
        """As the live view's levels are: it gives what it has, but not itself as an array."""

        ndim, dtype, shape, size = 2, np.dtype(np.uint32), (60, 80), 4800

        def __getitem__(self, box):
            return np.zeros((60, 80), np.uint32)[box]

        def __array__(self, *_args, **_keywords):
            raise InputError("This is a preview of labels; press Run.")

    layer = Image(picture[..., 0])
    mask = LayerSnapshot.of(Labels(np.zeros((60, 80), int)))
    from dataclasses import replace

    preview = replace(mask, levels=(Preview(),))
    for wrong in (Request(images=(preview,)), replace(request(layer), mask=preview)):
        with pytest.raises(InputError, match="preview of labels; press Run"):
            resolve(wrong)
