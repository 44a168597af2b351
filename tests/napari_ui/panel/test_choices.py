"""What is chosen where the user chose nothing, and what is remembered, on the panel."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.napari_ui.remembered import FILE, settings_folder

PLUGIN = "napari-superpixels"


def _image(viewer: Any, name: str, size: int) -> Any:
    return viewer.add_image(np.zeros((size, size), np.uint8), name=name)


def test_the_bands_of_a_file_are_chosen_together(panel: Any, viewer: Any, until: Any) -> None:
    viewer.open_sample(PLUGIN, "scene")
    assert len(viewer.layers) == 3
    assert panel.images.value == list(viewer.layers)
    panel.step.value = 64
    panel.run()
    until(lambda: not panel.running)
    wanted = nsp.superpixels(nsp.sample_path("scene"), "slic", step=64).compute()
    np.testing.assert_array_equal(np.asarray(viewer.layers[-1].data[0]), wanted)


def test_layers_of_another_reader_are_chosen_together(
    panel: Any, viewer: Any, tmp_path: Path
) -> None:
    planes = np.zeros((2, 64, 64), np.uint8)
    path = str(tmp_path / "two.npy")
    Path(path).touch()
    from napari.layers._source import layer_source

    with layer_source(path=path):
        first, second = (viewer.add_image(one) for one in planes)
        smaller = viewer.add_image(planes[0, :32])
    viewer.layers.selection.active = first
    assert panel.images.value == [first, second]
    viewer.layers.selection.active = smaller
    assert panel.images.value == [smaller]


def test_the_active_image_is_seen_in_the_list_its_levels_and_the_output(
    panel: Any, viewer: Any
) -> None:
    first, second = _image(viewer, "first", 64), _image(viewer, "second", 80)
    assert panel.images.value == [second]
    viewer.layers.selection.active = first
    assert panel.images.value == [first]
    assert panel.level.current_choice == "64 x 64"
    assert panel.output.value.startswith("first ")
    viewer.layers.selection.active = second
    assert panel.level.current_choice == "80 x 80"
    assert panel.output.value.startswith("second ")


def test_what_the_user_chose_stays(panel: Any, viewer: Any) -> None:
    first, second = _image(viewer, "first", 64), _image(viewer, "second", 80)
    third = _image(viewer, "third", 96)
    panel.images.value = [first]
    viewer.layers.selection.active = second
    assert panel.images.value == [first]
    assert panel.level.current_choice == "64 x 64"
    viewer.layers.remove(first)
    viewer.layers.selection.active = third
    assert panel.images.value == [third]


def test_what_is_no_image_changes_no_choice(panel: Any, viewer: Any) -> None:
    first, _ = _image(viewer, "first", 64), _image(viewer, "second", 80)
    viewer.layers.selection.active = first
    viewer.add_labels(np.ones((64, 64), int))
    assert panel.images.value == [first]


def test_a_closed_panel_listens_to_the_viewer_no_more(panel: Any, viewer: Any) -> None:
    _image(viewer, "first", 64)
    panel._close_work()
    viewer.layers.selection.clear()
    second = _image(viewer, "second", 80)
    viewer.layers.selection.active = second
    assert panel.images.value != [second]


@pytest.mark.parametrize(
    ("kept", "um", "px"),
    [
        ({"step_um": 1e9, "step_px": 24}, 1e6, 24),
        ({"step_um": -1, "step_px": 24}, 0.0001, 24),
        ({"step_um": 0.064, "step_px": 100_000}, 0.064, 16),
        ({"step_um": 4, "step_px": 24, "hue": "green", "unit": "ell"}, 4.0, 24),
        ({"step_px": 24, "settings": {"slic": {"iterations": True, "hue": [1]}}}, 8.0, 24),
    ],
)
def test_the_panel_opens_whatever_was_remembered(
    viewer: Any, kept: dict[str, Any], um: float, px: int, until: Any
) -> None:
    from napari_superpixels.napari_ui.widget import SuperpixelsWidget

    folder = settings_folder()
    assert folder is not None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(kept))
    panel = SuperpixelsWidget(viewer)
    viewer.window.add_dock_widget(panel, name="superpixels")
    assert (panel.step_um.value, panel.step.value, panel.unit.value) == (um, px, "px")
    assert panel.parameter("iterations").value == 10
    until(lambda: panel.ready)


def test_micrometers_of_an_electron_microscope(
    panel: Any, viewer: Any, picture: np.ndarray, until: Any
) -> None:
    image = viewer.add_image(picture, name="em", scale=(0.004, 0.004))
    image.units = ("um", "um")
    panel.reset_choices()
    assert panel.level.current_choice == "128 x 96, 4 nm"
    panel.unit.value = "um"
    panel.step_um.value = 0.064
    panel.run()
    until(lambda: not panel.running)
    facts = viewer.layers["em slic 16px"].metadata["napari_superpixels"]["provenance"]
    assert facts["lattice"]["step_px"] == [16, 16]
