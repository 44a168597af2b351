"""The doors of a real window: samples, files, finished runs, and what is said of bad ones."""

import numpy as np
import pytest
from napari.errors import MultipleReaderError

import napari_superpixels as nsp

PLUGIN = "napari-superpixels"


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.mark.parametrize(("name", "count"), [("slide", 1), ("nuclei", 1), ("scene", 3)])
def test_samples_open_from_the_menu(viewer, name, count):
    assert len(viewer.open_sample(PLUGIN, name)) == count


def test_a_run_is_visible_and_in_its_colours(make_napari_viewer_proxy, qtbot, runs):
    viewer = make_napari_viewer_proxy(show=True)
    (layer,) = viewer.open(runs["picture"].path, plugin=PLUGIN)
    layer.opacity = 1
    ids = np.arange(1, int(np.asarray(layer.data).max()) + 1, dtype=np.uint32)
    expected = np.round(layer.colormap.map(ids)[:, :3] * 255).astype(int)
    known = {tuple(colour) for colour in expected.tolist()}

    def is_drawn():
        viewer.reset_view()
        picture = viewer.screenshot(canvas_only=True, flash=False)
        drawn = {tuple(colour) for colour in picture[::5, ::5, :3].reshape(-1, 3).tolist()}
        assert len(drawn & known) > 100
        assert len(drawn - known) < 10, "only what lies around the labels"

    qtbot.waitUntil(is_drawn, timeout=30_000)


def test_labels_lie_on_their_image(viewer, runs):
    (image,) = viewer.open(runs["stack"].path.parent / "cells.ome.tif", plugin=PLUGIN)
    (labels,) = viewer.open(runs["stack"].path, plugin=PLUGIN)
    np.testing.assert_allclose(labels.extent.world, image.extent.world)
    for place in [(0, 0, 0, 0), (1, 2, 59, 79), (0, 1, 30.5, 12.25)]:
        there = image.data_to_world(place)
        np.testing.assert_allclose(labels.world_to_data(there), place, atol=1e-9)


def test_ordinary_files_open_as_before(viewer, samples):
    (layer,) = viewer.open(samples / "nuclei-fluorescence.png", plugin=None)
    assert isinstance(layer.data, np.ndarray)


def test_napari_asks_which_reader_where_there_are_two(viewer):
    with pytest.raises(MultipleReaderError, match=PLUGIN):
        viewer.open(nsp.sample_path("slide"), plugin=None)


def test_a_bad_file_is_one_sentence(viewer, tmp_path):
    (tmp_path / "bad.svs").write_bytes(b"II*\0" + bytes(40))
    with pytest.raises(nsp.SuperpixelsError, match=r"bad\.svs \(44 bytes\) cannot be read"):
        viewer.open(tmp_path / "bad.svs", plugin=PLUGIN)
    assert len(viewer.layers) == 0


def test_the_widget_stands_in_its_menus(viewer):
    from napari._app_model import get_app_model

    menu = get_app_model().menus.get_menu("napari/layers/segment")
    assert any(item.command.id == f"{PLUGIN}.superpixels" for item in menu)
