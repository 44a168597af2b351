"""What opens with our reader, what is left to napari's, and what the layers are."""

import json
import shutil

import numpy as np
import pytest
import rasterio
import tifffile
import zarr
from napari.layers import Layer

from napari_superpixels.errors import SourceError
from napari_superpixels.io import open_source
from napari_superpixels.napari_ui import image_layers, reader
from napari_superpixels.napari_ui.reader import get_reader, read, read_as_napari


def layers(path):
    """The layers that napari makes of what the reader gives."""
    return [Layer.create(*data) for data in get_reader(str(path))(str(path))]


def facts_of(layer):
    return layer.metadata["napari_superpixels"]


@pytest.mark.parametrize("name", ["a.svs", "b.NDPI", "c.scn", "d.tif", "e.TIFF", "f.btf", "g.tf8"])
def test_files_are_ours_by_name_and_not_even_looked_at(name):
    assert get_reader(f"nowhere/{name}") is read


@pytest.mark.parametrize("name", ["a.png", "b.jpg", "c.jpeg", "d.npy", "e.txt", "svs", ""])
def test_other_files_are_not_ours(name):
    assert get_reader(f"nowhere/{name}") is None


def test_folders_are_ours_where_they_are_zarr(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", shape=(3, 3), dtype="u1", zarr_format=2)
    zarr.create_group(tmp_path / "b")
    (tmp_path / "photos").mkdir()
    assert [get_reader(str(tmp_path / name)) for name in ("a.zarr", "b")] == [read, read]
    assert get_reader(str(tmp_path / "photos")) is read_as_napari
    assert get_reader(["a.tif", "b.tif"]) is read_as_napari


def test_a_slide(samples):
    path = samples / "cmu-1-small-region.svs"
    (layer,) = layers(path)
    assert (layer.name, layer.rgb, layer.multiscale) == ("cmu-1-small-region", True, False)
    np.testing.assert_allclose(layer.scale, 0.499)
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 2
    facts = facts_of(layer)
    assert open_source(**facts["opened"]).identity == facts["identity"]
    assert json.dumps(facts)
    assert (facts["channel"], facts["nodata"], facts["georeference"]) == (None, None, None)


def test_a_scene_lies_where_it_is_on_earth(samples):
    path = samples / "mosaic_cog1.tif"
    red, green, blue = layers(path)
    with rasterio.open(path) as scene:
        bands = scene.read()
        overview = scene.overviews(1)[0]
        easting, northing = scene.xy(400, 300)
    for number, layer in enumerate((red, green, blue)):
        assert [level.shape for level in layer.data] == [(790, 779), (395, 390), (198, 195)]
        np.testing.assert_array_equal(layer.data[0][300:500], bands[number, 300:500])
        np.testing.assert_allclose(layer.data_to_world((400, 300)), (-northing, easting))
        assert [str(unit) for unit in layer.units] == ["meter"] * 2
        assert (layer.blending, layer.name) == ("additive", f"mosaic_cog1 {number}")
        facts = facts_of(layer)
        assert facts["channel"] == number
        assert facts["georeference"]["transform"][2] == pytest.approx(425085, abs=1)
        alone = open_source(**facts["opened"])
        assert (alone.channels, alone.level) == (1, 0)
        assert facts["levels"] == len(alone.level_shapes) == 3
    assert [layer.colormap.name for layer in (red, green, blue)] == ["red", "green", "blue"]
    assert overview == 2


def test_what_a_channel_was_opened_with_opens_that_channel(tmp_path, rng):
    image = rng.integers(0, 999, (3, 40, 50), dtype=np.uint16)
    zarr.create_array(tmp_path / "c.zarr", data=image, dimension_names=["c", "y", "x"])
    for number, layer in enumerate(layers(tmp_path / "c.zarr")):
        again = image_layers.layers_of(open_source(**facts_of(layer)["opened"]))
        np.testing.assert_array_equal(again[0][0].compute(), image[number])


def test_channels_of_an_ome_tiff_have_their_names(tmp_path, rng):
    image = rng.integers(0, 999, (2, 40, 50), dtype=np.uint16)
    names = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}, "PhysicalSizeX": 0.5}
    tifffile.imwrite(tmp_path / "two.ome.tif", image, metadata=names)
    first, second = layers(tmp_path / "two.ome.tif")
    assert (first.name, second.name) == ("two DAPI", "two GFP")
    assert (first.colormap.name, second.colormap.name) == ("green", "magenta")
    np.testing.assert_array_equal(second.data, image[1])


def test_many_channels_do_not_add_up_to_white(tmp_path):
    zarr.create_array(
        tmp_path / "a.zarr", data=np.zeros((9, 8, 8), np.uint16), dimension_names=["c", "y", "x"]
    )
    shown = layers(tmp_path / "a.zarr")
    assert [layer.visible for layer in shown] == [True] + 8 * [False]


def test_three_bands_of_a_16_bit_picture_keep_their_balance(tmp_path, rng):
    image = rng.integers(0, 100, (30, 30, 3), dtype=np.uint16) * np.array([1, 5, 20], np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", resolutionunit=3,
                     resolution=(100, 100))  # fmt: skip
    limits = {tuple(layer.contrast_limits) for layer in layers(tmp_path / "a.tif")}
    assert len(limits) == 1


def test_a_stack_with_time_and_spacing(runs):
    path = runs["stack"].path.parent / "cells.ome.tif"
    (layer,) = layers(path)
    assert layer.data.shape == (2, 3, 60, 80)
    np.testing.assert_allclose(layer.scale, (2, 0.05, 0.004, 0.004))
    assert layer.axis_labels == ("t", "z", "y", "x")
    assert [str(unit) for unit in layer.units] == ["second", *["micrometer"] * 3]


def test_a_small_plain_tiff_is_left_in_memory_by_napari(plugins, tmp_path, rng):
    image = rng.integers(0, 255, (40, 50), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "plain.tif", image)
    (layer,) = layers(tmp_path / "plain.tif")
    assert isinstance(layer.data, np.ndarray)
    layer.data[3, 4] = 9
    assert layer.metadata == {}


def test_a_large_plain_tiff_is_lazy(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "SMALL_BYTES", 1999)
    tifffile.imwrite(tmp_path / "plain.tif", np.zeros((40, 50), np.uint8))
    (layer,) = layers(tmp_path / "plain.tif")
    assert not isinstance(layer.data, np.ndarray)
    assert facts_of(layer)["identity"]


def _write(path, case):
    image = np.zeros((64, 64), np.uint8)
    rgba = np.full((64, 64, 4), 9, np.uint8)
    if case == "spacing":
        tifffile.imwrite(path, image, resolution=(100, 100), resolutionunit=3)
    if case == "channels":
        tifffile.imwrite(path, rgba, photometric="minisblack", planarconfig="contig")
    if case == "alpha":
        tifffile.imwrite(path, rgba, photometric="rgb", extrasamples=["unassalpha"])
    if case == "levels":
        with tifffile.TiffWriter(path) as writer:
            writer.write(image, tile=(16, 16), subifds=1)
            writer.write(image[::2, ::2], tile=(16, 16), subfiletype=1)
    if case == "nodata":
        facts = {"driver": "GTiff", "height": 64, "width": 64, "count": 1, "dtype": "uint8"}
        place = rasterio.Affine(2, 0, 0, 0, -2, 0)
        with rasterio.open(path, "w", nodata=3, transform=place, crs=32618, **facts) as file:
            file.write(image, 1)


@pytest.mark.parametrize("case", ["spacing", "channels", "alpha", "levels", "nodata"])
def test_a_small_tiff_that_says_more_is_ours(tmp_path, case):
    _write(tmp_path / "more.tif", case)
    assert all("identity" in facts_of(layer) for layer in layers(tmp_path / "more.tif"))


def test_a_folder_of_pictures_is_read_by_napari(plugins, samples, tmp_path):
    for name in ("a.png", "b.png"):
        shutil.copy(samples / "nuclei-fluorescence.png", tmp_path / name)
    (layer,) = layers(tmp_path)
    assert layer.data.shape == (2, 520, 696)


def test_several_files_are_stacked_by_napari(plugins, tmp_path):
    paths = [str(tmp_path / name) for name in ("a.tif", "b.tif")]
    for path in paths:
        tifffile.imwrite(path, np.ones((20, 30), np.uint8))
    (data,) = get_reader(paths)(paths)
    assert data[0].shape == (2, 20, 30)


@pytest.mark.parametrize("version", [2, 3])
def test_a_plain_zarr_array(tmp_path, rng, version):
    image = rng.integers(0, 999, (5, 40, 50), dtype=np.uint16)
    zarr.create_array(tmp_path / "a.zarr", data=image, zarr_format=version)
    (layer,) = layers(tmp_path / "a.zarr")
    np.testing.assert_array_equal(layer.data, image)
    assert layer.axis_labels == ("z", "y", "x")


def test_a_huge_image_without_levels_gets_some(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(image_layers, "LARGEST_SINGLE", 9999)
    monkeypatch.setattr(image_layers, "COARSEST", 40)
    image = rng.integers(0, 255, (130, 90), dtype=np.uint8)
    zarr.create_array(tmp_path / "a.zarr", data=image, chunks=(20, 20))
    (layer,) = layers(tmp_path / "a.zarr")
    assert [level.shape for level in layer.data] == [(130, 90), (65, 45), (33, 23)]
    np.testing.assert_array_equal(layer.data[0], image)
    np.testing.assert_array_equal(layer.data[1], image[1::2, 1::2])
    assert facts_of(layer)["levels"] == 1


def test_labels_of_ours_are_visible_labels(runs):
    (layer,) = layers(runs["picture"].path)
    assert type(layer).__name__ == "Labels"
    assert layer.visible


def test_labels_written_into_an_image_come_with_it(tmp_path, rng):
    import napari_superpixels as nsp

    group = zarr.create_group(tmp_path / "image.zarr", zarr_format=3)
    group.create_array("0", data=rng.integers(0, 255, (64, 64), dtype=np.uint8))
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    scale = [{"type": "scale", "scale": [0.5, 0.5]}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}
    plan = nsp.plan(tmp_path / "image.zarr", nsp.Slic(step=8))
    result = nsp.run(plan, tmp_path / "labels.zarr", into="superpixels")
    image, inside = layers(tmp_path / "image.zarr")
    assert (type(image).__name__, type(inside).__name__) == ("Image", "Labels")
    np.testing.assert_allclose(inside.extent.world, image.extent.world)
    np.testing.assert_array_equal(inside.data, result.labels[:])


def test_an_unfinished_run_says_so(runs, tmp_path):
    partial = tmp_path / "a.zarr.partial"
    shutil.copytree(runs["picture"].path, partial)
    zarr.open_group(partial).attrs.clear()
    (partial / ".run").mkdir()
    with pytest.raises(SourceError, match=r"unfinished run; .* resume .*a\.zarr and open"):
        layers(partial)


@pytest.mark.parametrize("name", ["cmu-1-small-region.svs", "mosaic_cog1.tif"])
def test_a_file_cut_short_is_one_sentence(samples, tmp_path, name):
    path = tmp_path / name
    path.write_bytes((samples / name).read_bytes()[:100_000])
    with pytest.raises(SourceError) as caught:
        layers(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_group_without_an_image_is_one_sentence(tmp_path):
    zarr.create_group(tmp_path / "empty.zarr")
    with pytest.raises(SourceError, match="is no OME-Zarr image and holds 0 arrays"):
        layers(tmp_path / "empty.zarr")
