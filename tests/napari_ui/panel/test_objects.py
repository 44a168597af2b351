"""The panel Objects: from a class layer to a layer of objects, cancelled, resumed, refused."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

import napari_superpixels as nsp
from napari_superpixels.napari_ui import objects_errand
from napari_superpixels.napari_ui.finished import finished_layer
from napari_superpixels.napari_ui.objects_widget import ObjectsWidget
from napari_superpixels.testing.gate import gated
from napari_superpixels.testing.weights import write_random_segmentation


@pytest.fixture
def squares() -> np.ndarray:
    """Twelve squares of 10 x 10 px of the classes 1 and 3, and one pixel of class 3."""
    small = np.zeros((20, 20), np.uint8)
    small[5:15, 5:15] = 1
    image = np.tile(small, (3, 4))
    image[:, 40:] *= 3
    image[59, 79] = 3
    return image


@pytest.fixture
def painted(viewer: Any, objects: Any, squares: np.ndarray, until: Any) -> Any:
    """The squares as a layer that somebody painted, chosen."""
    viewer.add_labels(squares.copy(), name="squares", scale=(0.5, 0.5), translate=(3, -2))
    until(lambda: objects.settled)
    return objects


def _run(panel: Any, until: Any) -> None:
    panel.run()
    until(lambda: not panel.running)


def test_every_field_and_button_says_what_it_is_for(objects: Any) -> None:
    assert [field.name for field in objects.form.fields if not field.tooltip] == []
    assert all(button.toolTip() for button in objects._panel.buttons.values())


def test_without_a_layer_it_says_what_to_do(objects: Any, told: list[str]) -> None:
    assert objects.sentence.startswith("Choose a Labels layer that holds classes")
    objects.run()
    assert told == [
        "No Labels layer is chosen, but objects are found in one that holds classes; open a class "
        "map, or paint one."
    ]
    assert not objects.running


def test_objects_of_a_painted_layer_lie_on_it(
    painted: Any, viewer: Any, squares: np.ndarray, tmp_path: Path, until: Any
) -> None:
    painted.min_px.value, painted.numbers.value = 2, "3"
    until(lambda: painted.sentence == "Objects: of 2 px and more.")
    viewer.layers["squares"].units = ("um", "um")
    painted.min_px.value = 3
    until(lambda: painted.sentence == "Objects: of 3 px (0.75 µm²) and more.")
    painted.min_px.value = 2
    _run(painted, until)
    assert painted.sentence == "Run: 6 objects in squares objects.zarr."
    layer = viewer.layers["squares objects"]
    wanted = nsp.instances(squares, tmp_path / "wanted", min_px=2, classes=[3])
    np.testing.assert_array_equal(np.asarray(layer.data), wanted.labels[...])
    np.testing.assert_allclose(layer.translate, (3, -2))
    np.testing.assert_allclose(layer.scale, (0.5, 0.5))
    assert list(layer.features["class"]) == ["3"] * 6
    assert list(layer.features["pixels"]) == [100] * 6
    assert layer not in painted.layer.choices


def test_what_is_painted_meanwhile_changes_nothing(
    painted: Any, viewer: Any, squares: np.ndarray, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    intended = objects_errand.intended_instances

    def painting(*args: Any) -> Any:
        plan = intended(*args)
        viewer.layers["squares"].data[:] = 0
        return plan

    monkeypatch.setattr(objects_errand, "intended_instances", painting)
    _run(painted, until)
    assert painted.sentence.startswith("Run: 13 objects")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("numbers", "glands", "There is no class 'glands' in squares"),
        ("numbers", "0", "0 is background"),
        ("max_px", 3, "max_px is 3, less than min_px (5)"),
        ("output", "a/b", "give a name such as cells.zarr"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    painted: Any, told: list[str], until: Any, field: str, value: Any, words: str
) -> None:
    painted.min_px.value = 5
    getattr(painted, field).value = value
    _run(painted, until)
    assert len(told) == 1
    assert words in told[0]
    assert painted.sentence == told[0]
    assert painted._panel.buttons["run"].isEnabled()


def test_too_large_to_split_is_refused_or_counted(
    painted: Any, viewer: Any, told: list[str], until: Any
) -> None:
    painted.split.value, painted.largest_px.value = True, 9
    until(lambda: painted.settled)
    assert not painted._panel._of_split.isHidden()
    _run(painted, until)
    assert "is 10 x 10 px, and only objects of up to 9 px are split" in told[0]
    painted.exact.value = False
    _run(painted, until)
    assert painted.sentence.endswith("; 12 were too large to be split.")


def test_a_stack_is_refused_with_what_to_do(
    objects: Any, viewer: Any, squares: np.ndarray, told: list[str], until: Any
) -> None:
    viewer.add_labels(np.stack([squares] * 3), name="stack")
    _run(objects, until)
    assert "3 planes" in told[0]
    assert "one plane at a time" in told[0]


@pytest.fixture
def classes(tmp_path: Path, picture: np.ndarray) -> Path:
    """A finished run of classes with names."""
    weights = write_random_segmentation(tmp_path, "HCFPN")
    plan = nsp.plan(picture, "segment", weights=str(weights))
    return nsp.run(plan, tmp_path / "classes.zarr").path


def test_classes_of_a_finished_run_are_chosen_by_name(
    objects: Any, viewer: Any, classes: Path, tmp_path: Path, until: Any
) -> None:
    data, keywords, _ = finished_layer(classes)
    viewer.add_labels(data, **keywords)
    until(lambda: objects.settled)
    assert objects.form.are_named
    names = [name for name, _ in objects.form._classes()]
    assert names == ["class 1", "class 2", "class 3"]
    there = int(np.asarray(viewer.layers[0].data)[0, 0])
    objects.classes.value = [there]
    _run(objects, until)
    layer = viewer.layers[-1]
    wanted = nsp.instances(classes, tmp_path / "wanted", classes=[there])
    np.testing.assert_array_equal(np.asarray(layer.data), wanted.labels[...])
    assert set(layer.features["class"]) == {f"class {there}"}
    facts = layer.metadata["napari_superpixels"]["provenance"]
    assert facts["location"] == str(classes)  # so that the shell can resume it


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What runs wait for after some tiles; tiles are small."""
    opened, intended = threading.Event(), objects_errand.intended_instances

    def small(source: Any, settings: Any) -> Any:
        kept, at_gate = gated(source, free=4)
        at_gate.opened = opened
        return intended(kept, settings, 20)

    monkeypatch.setattr(objects_errand, "intended_instances", small)
    yield opened
    opened.set()


def test_a_cancelled_run_goes_on_where_it_was(
    painted: Any, viewer: Any, squares: np.ndarray, tmp_path: Path, until: Any, gate: Any
) -> None:
    painted.run()
    until(lambda: "tiles" in painted.sentence and not painted.sentence.startswith("Run: 0 of"))
    assert not painted._panel.bar.isHidden()
    assert not painted._panel.buttons["run"].isEnabled()
    painted.cancel()
    gate.set()
    until(lambda: not painted.running)
    assert "press Run with the same settings to go on" in painted.sentence
    assert (tmp_path / "squares objects.zarr.partial").is_dir()
    _run(painted, until)
    assert painted.sentence == "Run: 13 objects in squares objects.zarr."
    assert not list(tmp_path.glob("*.partial"))
    wanted = nsp.instances(squares, tmp_path / "wanted")
    found = viewer.layers["squares objects"]
    np.testing.assert_array_equal(np.asarray(found.data), wanted.labels[...])


def test_a_layer_that_is_removed_cancels_its_run(
    painted: Any, viewer: Any, told: list[str], until: Any, gate: Any
) -> None:
    painted.run()
    until(lambda: "tiles" in painted.sentence)
    viewer.layers.remove("squares")
    gate.set()
    until(lambda: not painted.running)
    assert told[-1].startswith("The layer squares was removed and its run cancelled")


def test_closing_the_panel_ends_its_run(
    painted: Any, viewer: Any, until: Any, gate: Any, no_threads: Any
) -> None:
    painted.run()
    until(lambda: "tiles" in painted.sentence)
    gate.set()
    viewer.window.remove_dock_widget(painted.native)
    no_threads()
    assert [layer.name for layer in viewer.layers] == ["squares"]


def test_what_was_chosen_is_there_in_the_next_panel(painted: Any, viewer: Any, until: Any) -> None:
    painted.min_px.value, painted.split.value, painted.connectivity.value = 7, True, 8
    painted.distance_px.value, painted.exact.value = 4, False
    until(lambda: painted.settled)
    other = ObjectsWidget(viewer)
    viewer.window.add_dock_widget(other, name="other")
    assert other.form.settings() == painted.form.settings()
    assert other.form.remembered() == painted.form.remembered()


def test_labels_are_shown_whole_in_300_pixels(
    make_napari_viewer: Any, until: Any, no_threads: Any
) -> None:
    viewer = make_napari_viewer(show=True)
    panel = ObjectsWidget(viewer)
    panel.split.value = True
    dock = viewer.window.add_dock_widget(panel, name="objects")
    viewer.window._qt_window.resizeDocks([dock], [300], Qt.Orientation.Horizontal)
    until(lambda: panel.settled)
    assert dock.width() <= 310
    labels = [one for one in panel.native.findChildren(QLabel) if one.isVisible()]
    assert {"Labels", "Least (px)", "Split", "Apart (px)"} <= {one.text() for one in labels}
    for label in labels:
        if not label.wordWrap():
            assert label.width() >= label.fontMetrics().horizontalAdvance(label.text())
    viewer.close()
