"""The panel *Segment*: classes where one looks, a run of them, what it says where it cannot."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.testing.weights import write_random_segmentation

NAMES = ["class 1", "class 2", "class 3"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of weights, of a network that is exact."""
    return str(write_random_segmentation(tmp_path_factory.mktemp("weights"), "HCFPN"))


@pytest.fixture
def cells(viewer: Any, picture: np.ndarray) -> Any:
    """An image layer."""
    return viewer.add_image(picture, name="cells", scale=(0.5, 0.5), translate=(3, -2))


def test_it_has_no_step_and_no_list_of_one_method(segment: Any) -> None:
    names = {field.name for field in segment.form.fields}
    assert {"images", "level", "region", "boundaries", "device"} <= names
    assert not {"method", "step", "step_um", "unit"} & names
    fields = [*segment.form.fields, *segment.form.parameters.fields]
    assert [field.name for field in fields if not field.tooltip] == []
    assert segment.sentence.startswith("segment comes without weights; choose some under Weights")


def test_a_preview_is_the_classes_of_a_run(
    segment: Any, cells: Any, viewer: Any, weights: str, picture: np.ndarray, until: Any
) -> None:
    segment.parameter("weights").value = weights
    segment.preview()
    name = "cells segment HCFPN-0 (preview)"
    until(lambda: name in viewer.layers)
    layer = viewer.layers[name]
    assert list(layer.features["class"]) == NAMES
    wanted = nsp.superpixels(picture, "segment", weights=weights).compute(scheduler="threads")
    until(lambda: np.array_equal(np.asarray(layer.data[0][:, :]), wanted))
    segment.run()
    until(lambda: not segment.running)
    assert segment.sentence == "Run: classes in cells segment HCFPN-0.zarr."
    run = viewer.layers["cells segment classes"]
    np.testing.assert_array_equal(np.asarray(run.data), wanted)
    np.testing.assert_allclose(run.translate, cells.translate)
    assert not layer.visible


def test_a_preview_shows_classes_where_a_run_writes_probabilities(
    segment: Any, cells: Any, viewer: Any, weights: str, until: Any
) -> None:
    segment.boundaries.value = True
    segment.parameter("weights").value = weights
    segment.parameter("probabilities").value = True
    segment.preview()
    until(lambda: len(viewer.layers) == 3)
    before = [layer.name for layer in viewer.layers]
    segment.run()
    until(lambda: not segment.running)
    found = [layer for layer in viewer.layers if layer.name not in before]
    assert [layer.name[-7:] for layer in found] == NAMES
    total = sum(np.asarray(layer.data, np.float32) for layer in found)
    np.testing.assert_allclose(total, 1, atol=2e-3)
    for layer in found:
        np.testing.assert_allclose(layer.translate, cells.translate)


def test_a_network_that_averages_over_all_says_what_to_choose(
    segment: Any, cells: Any, viewer: Any, tmp_path: Path, told: list[str], until: Any
) -> None:
    pooled = str(write_random_segmentation(tmp_path, "HCPSPNet"))
    segment.parameter("weights").value = pooled
    segment.preview()
    until(lambda: told)
    assert told[-1].startswith("The network 'HCPSPNet' averages over all that it sees")
    assert not segment.previewing
    segment.parameter("exact").value = False
    segment.parameter("patch").value = 128
    segment.preview()
    until(lambda: "cells segment HCPSPNet-0 (preview)" in viewer.layers)


def test_a_cancelled_run_goes_on_where_it_was(
    segment: Any, viewer: Any, weights: str, tmp_path: Path, until: Any, gate: threading.Event
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (512, 512, 3), dtype=np.uint8)
    viewer.add_image(noise, name="large")
    segment.parameter("weights").value = weights
    segment.run()
    until(lambda: "tiles" in segment.sentence and not segment.sentence.startswith("Run: 0 of"))
    segment.cancel()
    gate.set()
    until(lambda: not segment.running)
    assert "press Run with the same settings to go on" in segment.sentence
    assert (tmp_path / "large segment HCFPN-0.zarr.partial").is_dir()
    segment.run()
    until(lambda: not segment.running)
    assert segment.sentence == "Run: classes in large segment HCFPN-0.zarr."
    assert not list(tmp_path.glob("*.partial"))
    wanted = nsp.superpixels(noise, "segment", weights=weights).compute(scheduler="threads")
    np.testing.assert_array_equal(np.asarray(viewer.layers["large segment classes"].data), wanted)


def test_what_was_chosen_is_there_in_the_next_panel_and_not_in_superpixels(
    segment: Any, viewer: Any, weights: str, until: Any
) -> None:
    from napari_superpixels.napari_ui.widget import SegmentWidget, SuperpixelsWidget

    segment.parameter("weights").value = weights
    segment.parameter("scales").value = (0.5, 1)
    until(lambda: segment.settled)
    other, superpixels = SegmentWidget(viewer), SuperpixelsWidget(viewer)
    for panel in (other, superpixels):
        viewer.window.add_dock_widget(panel, name=type(panel).__name__)
    assert other.form.settings() == {"weights": weights, "scales": (0.5, 1.0)}
    assert superpixels.method.value == "slic"


def test_the_script_runs_the_same(
    segment: Any, cells: Any, weights: str, qapp: Any, until: Any
) -> None:
    segment.parameter("weights").value = weights
    segment.copy_script()
    until(lambda: segment.sentence == "The script is on the clipboard.")
    assert "'segment'" in qapp.clipboard().text()
    assert f"weights={weights!r}" in qapp.clipboard().text()
