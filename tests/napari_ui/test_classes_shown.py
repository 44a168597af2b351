"""Classes as layers: names and colours, live and finished; numbers as images."""

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.napari_ui.colours import class_colours
from napari_superpixels.napari_ui.finished import finished_layer
from napari_superpixels.napari_ui.reader import read
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.weights import write_random_segmentation

NAMED = {"index": [1, 2, 3], "class": ["class 1", "class 2", "class 3"]}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return str(write_random_segmentation(tmp_path_factory.mktemp("weights"), "HCFPN"))


@pytest.fixture(scope="module")
def source():
    return nsp.open(noise((70, 90, 3)), axes="yxs", rgb=True)


def test_a_class_has_its_colour_whatever_its_id():
    colours = class_colours({1: [255, 0, 0, 255], 300: [0, 51, 0, 255]})
    mapped = colours.map(np.array([0, 1, 2, 300], np.uint16))
    np.testing.assert_allclose(mapped, [[0] * 4, [1, 0, 0, 1], [0] * 4, [0, 0.2, 0, 1]], atol=1e-6)


def test_a_finished_run_is_a_layer_with_names_and_colours(source, weights, tmp_path):
    result = nsp.run(nsp.plan(source, nsp.Segment(weights=weights)), tmp_path / "out.zarr")
    data, keywords, kind = finished_layer(result.path)
    assert kind == "labels"
    assert keywords["features"] == {
        "index": [0, *NAMED["index"]],
        "class": ["nodata", *NAMED["class"]],
    }
    assert keywords["name"].endswith("segment classes")
    found = keywords["colormap"].map(np.asarray(data))
    np.testing.assert_allclose(found[..., 0] * 255, np.asarray(data), atol=1e-3)


def test_numbers_open_as_an_image(source, weights, tmp_path):
    method = nsp.Segment(weights=weights, probabilities=True)
    nsp.run(nsp.plan(source, method), tmp_path / "out.zarr")
    layers = read(str(tmp_path / "out.zarr"))
    assert {kind for _, _, kind in layers} == {"image"}
    assert [keywords["name"] for _, keywords, _ in layers] == [
        "out class 1",
        "out class 2",
        "out class 3",
    ]


def test_a_preview_has_names_and_colours(make_napari_viewer, source, weights):
    viewer = make_napari_viewer()
    layer = nsp.show(viewer, nsp.plan(source, nsp.Segment(weights=weights)), boundaries=True)
    assert {name: list(layer.features[name]) for name in NAMED} == NAMED
    assert layer.name == "image segment classes (preview)"
    np.testing.assert_allclose(layer.colormap.map(2) * 255, [2, 128, 64, 255], atol=1e-3)
    assert len(viewer.layers) == 2
    with pytest.raises(InputError, match="A preview shows superpixels, classes and numbers"):
        nsp.show(viewer, nsp.plan(source, nsp.Segment(weights=weights, probabilities=True)))
