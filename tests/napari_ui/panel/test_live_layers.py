"""Live layers: what the user gave them stays, and they go together."""

from typing import Any

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.errors import InputError


@pytest.fixture
def cells(viewer: Any, picture: np.ndarray) -> Any:
    """An image layer."""
    return viewer.add_image(picture, name="cells")


@pytest.fixture
def layer(panel: Any, cells: Any, viewer: Any, until: Any) -> Any:
    """The layer of a preview."""
    panel.preview()
    until(lambda: len(viewer.layers) == 2)
    return viewer.layers[1]


def _replan(panel: Any, layer: Any, picture: np.ndarray, until: Any) -> None:
    panel.step.value = 12
    wanted = nsp.superpixels(picture, "slic", step=12).compute()
    until(lambda: np.array_equal(np.asarray(layer.data[0][:, :]), wanted))


def test_a_name_of_the_user_stays(layer: Any, panel: Any, picture: np.ndarray, until: Any) -> None:
    layer.name = "mine"
    _replan(panel, layer, picture, until)
    assert layer.name == "mine"


def test_a_name_that_napari_made_unique_is_still_ours(
    panel: Any, cells: Any, viewer: Any, picture: np.ndarray, until: Any
) -> None:
    viewer.add_points(name="cells slic 16px (preview)")
    panel.preview()
    until(lambda: "cells slic 16px (preview) [1]" in viewer.layers)
    layer = viewer.layers["cells slic 16px (preview) [1]"]
    _replan(panel, layer, picture, until)
    assert layer.name == "cells slic 12px (preview)"


def test_colours_of_the_user_stay(layer: Any, panel: Any, picture: np.ndarray, until: Any) -> None:
    from napari.utils.colormaps import label_colormap

    layer.colormap = label_colormap(7, seed=0.25)
    _replan(panel, layer, picture, until)
    assert len(layer.colormap.colors) == len(label_colormap(7, seed=0.25).colors)


def test_colours_are_of_the_new_lattice_where_the_user_gave_none(
    layer: Any, panel: Any, picture: np.ndarray, until: Any
) -> None:
    from napari_superpixels.napari_ui.looks import colours_of

    _replan(panel, layer, picture, until)
    wanted = colours_of(nsp.plan(picture, "slic", step=12))
    np.testing.assert_array_equal(layer.colormap.colors, wanted.colors)


def test_what_refuses_to_be_saved_is_called_as_it_is_called_now(layer: Any) -> None:
    layer.name = "mine"
    with pytest.raises(InputError, match="mine holds only"):
        layer.as_layer_data_tuple()


def test_borders_of_a_run_follow_its_labels_until_they_go(
    panel: Any, cells: Any, viewer: Any, until: Any
) -> None:
    panel.boundaries.value = True
    panel.run()
    until(lambda: not panel.running)
    _, labels, borders = viewer.layers
    labels.visible = False
    assert not borders.visible
    viewer.layers.remove(borders)
    labels.visible = True
    assert not borders.visible
    assert labels in viewer.layers


def test_borders_of_a_run_go_with_its_labels(
    panel: Any, cells: Any, viewer: Any, until: Any, no_threads: Any
) -> None:
    panel.boundaries.value = True
    panel.run()
    until(lambda: not panel.running)
    viewer.layers.remove(viewer.layers[1])
    until(lambda: list(viewer.layers) == [cells])
    no_threads()


def test_borders_that_were_removed_do_not_come_back_with_a_change(
    panel: Any, cells: Any, viewer: Any, picture: np.ndarray, until: Any
) -> None:
    panel.boundaries.value = True
    panel.preview()
    until(lambda: len(viewer.layers) == 3)
    _, labels, borders = viewer.layers
    viewer.layers.remove(borders)
    _replan(panel, labels, picture, until)
    assert list(viewer.layers) == [cells, labels]
    panel.boundaries.value = False
    panel.boundaries.value = True
    assert len(viewer.layers) == 3
