"""The panel *Segment* with networks that give numbers: an image where one looks, then a run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.testing.weights import write_random_segmentation

CUT = {"bins": 12, "lowest": 0.0, "highest": 9.0}
MAP = {"output": "map", "unit": "px", "classes": []}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of weights: of numbers cut into intervals, of any numbers, of classes."""
    folder = tmp_path_factory.mktemp("weights")
    dorn = {"head": "dorn", "discretisation": CUT}
    made = {
        "cut": write_random_segmentation(folder, "HCFPN", 0, **MAP, discretisation=CUT),
        "any": write_random_segmentation(folder, "HCFPN", 1, **MAP),
        "classes": write_random_segmentation(folder, "HCFPN", 2),
        "pooled": write_random_segmentation(folder, "HCPSPNet", 0, **MAP, **dorn),
    }
    return {name: str(path) for name, path in made.items()}


@pytest.fixture
def cells(viewer: Any, picture: np.ndarray) -> Any:
    """An image layer."""
    return viewer.add_image(picture, name="cells", scale=(0.5, 0.5), translate=(3, -2))


def _wanted(picture: np.ndarray, weights: str, **settings: Any) -> np.ndarray:
    lazy = nsp.superpixels(picture, "segment", weights=weights, **settings)
    return np.asarray(lazy.compute(scheduler="threads"))


def _shows(layer: Any, wanted: np.ndarray) -> bool:
    return np.array_equal(np.asarray(layer.data[0][:, :]), wanted, equal_nan=True)


def test_a_preview_is_the_numbers_of_a_run(
    segment: Any, cells: Any, viewer: Any, weights: Any, picture: np.ndarray, until: Any
) -> None:
    segment.boundaries.value = True
    segment.parameter("weights").value = weights["cut"]
    segment.preview()
    name = "cells segment HCFPN-0 [px] (preview)"
    until(lambda: name in viewer.layers)
    layer = viewer.layers[name]
    until(lambda: _shows(layer, _wanted(picture, weights["cut"])))
    assert list(viewer.layers) == [cells, layer], "numbers have no boundaries"
    assert isinstance(layer, Image)
    assert layer.colormap.name == "viridis"
    assert layer.contrast_limits == [0, 9]
    assert layer.opacity < 1
    np.testing.assert_allclose(layer.translate, cells.translate)
    assert layer.metadata["napari_superpixels"]["unit"] == "px"
    assert segment.images.value == [cells], "a preview is no image to work on"
    assert layer not in segment.images.choices
    segment.boundaries.value = False
    segment.boundaries.value = True
    segment.run()
    until(lambda: not segment.running)
    assert segment.sentence.startswith("Run: values in cells segment HCFPN-0.zarr")
    assert not layer.visible
    with pytest.raises(InputError, match=r"\(preview\) holds only .* press Run and save what it"):
        layer.save("nowhere.tif")
    viewer.layers.remove(layer)
    until(lambda: not segment.previewing)


def test_limits_follow_what_is_known_until_the_user_sets_them(
    segment: Any, cells: Any, viewer: Any, weights: Any, picture: np.ndarray, until: Any
) -> None:
    segment.parameter("weights").value = weights["any"]
    segment.preview()
    until(lambda: len(viewer.layers) == 2)
    layer = viewer.layers[1]
    wanted = _wanted(picture, weights["any"])
    until(lambda: _shows(layer, wanted))
    expected = np.percentile(wanted, (1, 99))
    until(lambda: np.allclose(layer.contrast_limits, expected))
    layer.contrast_limits = (-2, 2)
    segment.parameter("flips").value = "x"
    flipped = _wanted(picture, weights["any"], flips="x")
    until(lambda: _shows(layer, flipped))
    assert layer.contrast_limits == [-2, 2]


def test_other_weights_change_the_kind_of_layer(
    segment: Any, cells: Any, viewer: Any, weights: Any, picture: np.ndarray, until: Any
) -> None:
    segment.boundaries.value = True
    for name, kinds in (
        ("classes", ["Labels", "Labels"]),
        ("cut", ["Image"]),
        ("any", ["Image"]),
        ("classes", ["Labels", "Labels"]),
    ):
        segment.parameter("weights").value = weights[name]
        segment.preview()
        wanted = _wanted(picture, weights[name])
        until(lambda wanted=wanted: any(_shows(each, wanted) for each in viewer.layers[1:]))
        assert [type(layer).__name__ for layer in viewer.layers[1:]] == kinds
        assert segment.previewing


def test_a_network_that_averages_over_all_is_previewed_in_patches(
    segment: Any, cells: Any, viewer: Any, weights: Any, picture: np.ndarray, until: Any
) -> None:
    segment.parameter("weights").value = weights["pooled"]
    segment.parameter("exact").value = False
    segment.parameter("patch").value = 128
    segment.preview()
    until(lambda: len(viewer.layers) == 2)
    wanted = _wanted(picture, weights["pooled"], exact=False, patch=128)
    until(lambda: _shows(viewer.layers[1], wanted))
    assert viewer.layers[1].contrast_limits == [0, 9]


def test_it_is_drawn_and_nothing_where_nothing_is_known(
    make_napari_viewer: Any, weights: Any, picture: np.ndarray, until: Any, no_threads: Any
) -> None:
    viewer = make_napari_viewer(show=True)
    mask = np.ones(picture.shape[:2], bool)
    mask[:, :64] = False
    source = nsp.open(picture, axes="yxs", rgb=True, mask=mask)
    layer = nsp.show(viewer, nsp.plan(source, nsp.Segment(weights=weights["cut"])))
    layer.opacity, layer.contrast_limits = 1, (-9, 9)  # no number is of the darkest colours
    until(lambda: np.isfinite(layer.get_value((50, 100))[1]))
    drawn = viewer.screenshot(flash=False)[..., :3].max(axis=-1) > 0
    columns = np.flatnonzero(drawn.any(axis=0))
    assert columns.mean() / drawn.shape[1] > 0.4
    assert columns.min() > 0.4 * drawn.shape[1], "no data, no colour"
    layer.reset_contrast_limits()
    viewer.close()


def test_show_names_the_unit_and_goes_with_its_layer(
    viewer: Any, weights: Any, picture: np.ndarray, no_threads: Any, tmp_path: Path
) -> None:
    plan = nsp.plan(picture, nsp.Segment(weights=weights["any"]))
    layer = nsp.show(viewer, plan, boundaries=True)
    assert layer.name == "image segment values [px] (preview)"
    assert list(viewer.layers) == [layer]
    assert layer.contrast_limits == [0, 1], "before anything is known"
    layer.reset_contrast_limits_range()
    viewer.layers.remove(layer)
    no_threads()
