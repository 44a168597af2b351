"""Learned methods in the panel: what they need is said once, and loaded off the main thread."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.models import grid_network, learned
from napari_superpixels.models import weights as weights_module
from napari_superpixels.models.registry import METHODS
from napari_superpixels.testing.weights import write_random_segmentation, write_random_weights

SENTENCE = "scn comes without weights; choose some under Weights"


@pytest.fixture(autouse=True)
def _nothing_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(weights_module, "SHIPPED", tmp_path / "none")


@pytest.fixture
def scn(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of weights."""
    return str(write_random_weights(tmp_path_factory.mktemp("weights"), "scn"))


@pytest.fixture
def cells(viewer: Any, picture: np.ndarray) -> Any:
    """An image layer."""
    return viewer.add_image(picture, name="cells")


def test_the_list_says_which_methods_need_weights(panel: Any) -> None:
    assert panel.method.choices == tuple(METHODS)
    said = {}
    for name in METHODS:
        panel.method.value = name
        said[name] = panel.method.current_choice
    assert said["slic"] == "slic"
    assert said["ssn_pix"] == "ssn_pix"
    needy = {name for name, text in said.items() if text == f"{name} (needs weights)"}
    assert needy == {"ainet", "hcnet", "hcssn", "pcnet", "scn", "ssn"}


def test_what_is_missing_is_said_in_the_panel_and_nowhere_else(
    panel: Any, cells: Any, viewer: Any, until: Any, told: list[str]
) -> None:
    panel.preview()
    until(lambda: len(viewer.layers) == 2)
    panel.method.value = "scn"
    assert viewer.layers == [cells]
    assert not panel.previewing
    assert panel.sentence.startswith(SENTENCE)
    for step in (20, 24):
        panel.step.value = step
        until(lambda: panel.settled)
    assert panel.sentence.startswith(SENTENCE)
    panel.method.value = "slic"
    assert panel.sentence == ""
    assert told == []


def test_pressing_the_button_all_the_same_is_told_once(
    panel: Any, cells: Any, until: Any, told: list[str]
) -> None:
    panel.method.value = "scn"
    panel.preview()
    until(lambda: not panel.previewing)
    panel.step.value = 20
    until(lambda: panel.settled)
    assert len(told) == 1
    assert told[0].startswith("There are no weights 'scn', neither in this version")


def test_with_a_file_it_is_like_any_method_and_the_network_is_loaded_elsewhere(
    panel: Any,
    cells: Any,
    viewer: Any,
    picture: np.ndarray,
    scn: str,
    until: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loading, load = set(), learned.load

    def recorded(weights: Any) -> Any:
        loading.add(threading.get_ident())
        return load(weights)

    monkeypatch.setattr(grid_network.learned, "load", recorded)
    panel.method.value = "scn"
    panel.parameter("weights").value = scn
    until(lambda: panel.settled)
    assert panel.sentence == ""
    panel.preview()
    name = "cells scn 16px (preview)"
    until(lambda: name in viewer.layers)
    wanted = nsp.superpixels(picture, "scn", weights=scn).compute(scheduler="threads")
    until(lambda: np.array_equal(viewer.layers[name].data[0][:, :], wanted))
    panel.run()
    until(lambda: not panel.running)
    np.testing.assert_array_equal(np.asarray(viewer.layers["cells scn 16px"].data), wanted)
    assert loading
    assert threading.get_ident() not in loading


def test_a_panel_that_remembers_such_a_method_opens(panel: Any, viewer: Any, until: Any) -> None:
    from napari_superpixels.napari_ui.widget import SuperpixelsWidget

    panel.method.value = "scn"
    until(lambda: panel.settled)
    other = SuperpixelsWidget(viewer)
    viewer.window.add_dock_widget(other, name="other")
    assert other.method.value == "scn"
    until(lambda: other.ready)
    assert other.sentence.startswith(SENTENCE)


def test_the_file_is_remembered_and_in_the_script(
    panel: Any, cells: Any, viewer: Any, scn: str, qapp: Any, until: Any
) -> None:
    from napari_superpixels.napari_ui.widget import SuperpixelsWidget

    panel.method.value = "scn"
    panel.parameter("weights").value = scn
    until(lambda: panel.settled)
    other = SuperpixelsWidget(viewer)
    viewer.window.add_dock_widget(other, name="other")
    assert str(other.parameter("weights").value) == scn
    other.copy_script()
    until(lambda: other.sentence == "The script is on the clipboard.")
    assert f"weights={scn!r}" in qapp.clipboard().text()


def test_the_clusters_of_an_own_segmentation_become_label_layers(
    own: Path, panel: Any, cells: Any, viewer: Any, picture: np.ndarray, until: Any
) -> None:
    own.mkdir(exist_ok=True)  # the panel watches it
    write_random_segmentation(own).rename(own / "tissue.safetensors")
    (own / "HCFCN-32-0.json").rename(own / "tissue.json")
    panel.method.value, panel.step.value = "hcnet", 32
    weights = panel.parameter("weights")
    until(lambda: "tissue" in weights.list.choices)
    weights.value = "tissue"
    panel.preview()
    until(lambda: len(viewer.layers) == 2)
    layer = viewer.layers[-1]
    wanted = nsp.superpixels(picture, nsp.Hcnet(weights="tissue", step=32)).compute()
    until(lambda: np.array_equal(np.asarray(layer.data[0][:, :]), wanted))
    for step in (32, 16):
        panel.step.value = step
        until(lambda: panel.settled)
        panel.run()
        until(lambda: not panel.running)
    names = [one.name for one in viewer.layers]
    assert {"cells hcnet 32px", "cells hcnet 16px"} <= set(names)
    np.testing.assert_array_equal(np.asarray(viewer.layers["cells hcnet 32px"].data), wanted)
    assert np.asarray(viewer.layers["cells hcnet 16px"].data).max() > wanted.max()


def test_a_step_that_the_network_has_not_is_told(
    panel: Any, cells: Any, tmp_path: Path, until: Any, told: list[str]
) -> None:
    panel.method.value, panel.step.value = "hcnet", 20
    panel.parameter("weights").value = str(write_random_segmentation(tmp_path))
    panel.preview()
    until(lambda: told)
    assert "clusters at 16 and 32 px; give e.g. step=16" in told[-1]
