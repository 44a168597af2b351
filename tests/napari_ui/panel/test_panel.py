"""The panel as a person uses it: open, preview, change, run, cancel, run again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.napari_ui.layer_facts import is_preview


def _names(viewer: Any) -> list[str]:
    return [layer.name for layer in viewer.layers]


def _exact(panel: Any) -> bool:
    return panel.sentence.startswith("Preview: exact")


def _shown(viewer: Any, name: str) -> np.ndarray:
    """Level 0 of a preview, whole."""
    return np.asarray(viewer.layers[name].data[0][:, :])


@pytest.fixture
def cells(viewer: Any, picture: np.ndarray) -> Any:
    """An image layer."""
    return viewer.add_image(picture, name="cells", scale=(0.5, 0.5), translate=(3, -2))


def test_the_panel_offers_what_is_there(panel: Any, cells: Any, viewer: Any) -> None:
    viewer.add_labels(np.ones((96, 128), int), name="where")
    viewer.add_shapes(name="drawn")
    assert list(panel.images.choices) == [cells]
    assert len(panel.mask.choices) == 3
    assert len(panel.region.choices) == 3
    assert panel.level.current_choice == "128 x 96"
    assert panel.output.value == "cells slic 16px.zarr"


def test_every_field_and_button_has_a_tooltip(panel: Any) -> None:
    fields = [*panel.form.fields, *panel.form.parameters.fields]
    assert [field.name for field in fields if not field.tooltip] == []


def test_a_preview_is_the_labels_of_a_run(
    panel: Any, cells: Any, viewer: Any, picture: np.ndarray, until: Any
) -> None:
    panel.step.value = 8
    panel.preview()
    until(lambda: len(viewer.layers) == 2)
    name = "cells slic 8px (preview)"
    assert _names(viewer) == ["cells", name]
    wanted = nsp.superpixels(picture, "slic", step=8).compute()
    until(lambda: np.array_equal(_shown(viewer, name), wanted))
    layer = viewer.layers[name]
    assert not layer.editable
    assert is_preview(layer)
    np.testing.assert_allclose(layer.scale, cells.scale)
    np.testing.assert_allclose(layer.translate, cells.translate)


def test_a_change_shows_in_the_same_layer_which_stays_as_the_user_made_it(
    panel: Any, cells: Any, viewer: Any, picture: np.ndarray, until: Any
) -> None:
    panel.preview()
    until(lambda: len(viewer.layers) == 2)
    layer = viewer.layers[-1]
    layer.opacity = 0.3
    viewer.layers.selection.active = cells
    panel.step.value = 12
    panel.parameter("compactness").value = 20
    until(lambda: layer.name == "cells slic 12px (preview)")
    wanted = nsp.superpixels(picture, "slic", step=12, compactness=20).compute()
    until(lambda: np.array_equal(np.asarray(layer.data[0][:, :]), wanted))
    assert len(viewer.layers) == 2
    assert layer.opacity == pytest.approx(0.3)
    assert viewer.layers.selection.active == cells


def test_the_active_image_is_taken_and_kept_when_labels_become_active(
    panel: Any, cells: Any, viewer: Any, picture: np.ndarray, until: Any
) -> None:
    viewer.add_image(picture[::-1].copy(), name="other")
    viewer.layers.selection.active = cells
    panel.preview()
    until(lambda: len(viewer.layers) == 3)
    assert panel.images.value == [cells]
    panel.step.value = 8
    until(lambda: "cells slic 8px (preview)" in viewer.layers)


def test_channels_of_one_grid_are_one_image(
    panel: Any, viewer: Any, picture: np.ndarray, until: Any
) -> None:
    for channel, name in enumerate("ab"):
        viewer.add_image(picture[..., channel].copy(), name=name)
    panel.images.value = list(viewer.layers)
    panel.run()
    until(lambda: not panel.running)
    both = np.ascontiguousarray(np.moveaxis(picture[..., :2], -1, 0))
    wanted = nsp.superpixels(both, "slic", step=16, axes="cyx").compute()
    np.testing.assert_array_equal(np.asarray(viewer.layers["a slic 16px"].data), wanted)


def test_pressing_preview_again_stops_it(panel: Any, cells: Any, viewer: Any, until: Any) -> None:
    panel.preview()
    until(lambda: len(viewer.layers) == 2)
    panel.stop_preview()
    assert viewer.layers == [cells]
    assert not panel.previewing


def test_boundaries_come_and_go_and_follow(panel: Any, cells: Any, viewer: Any, until: Any) -> None:
    panel.boundaries.value = True
    panel.preview()
    until(lambda: len(viewer.layers) == 3)
    labels, borders = viewer.layers[1:]
    until(lambda: np.asarray(borders.data[0][:, :]).any())
    assert set(np.unique(borders.data[0][:, :])) == {0, 1}
    labels.visible = False
    assert not borders.visible
    panel.boundaries.value = False
    assert len(viewer.layers) == 2
    panel.boundaries.value = True
    assert len(viewer.layers) == 3
    viewer.layers.remove(viewer.layers[1])
    until(lambda: viewer.layers == [cells])
    assert not panel.previewing


def test_all_layers_may_be_removed_at_once(panel: Any, cells: Any, viewer: Any, until: Any) -> None:
    panel.boundaries.value = True
    panel.preview()
    until(lambda: len(viewer.layers) == 3)
    viewer.layers.select_all()
    viewer.layers.remove_selected()
    until(lambda: not panel.previewing)
    assert _names(viewer) == []


def test_after_a_run_the_preview_comes_back_when_something_changes(
    panel: Any, cells: Any, viewer: Any, until: Any
) -> None:
    panel.preview()
    until(lambda: len(viewer.layers) == 2)
    layer = viewer.layers[1]
    panel.run()
    until(lambda: not panel.running)
    assert not layer.visible
    panel.step.value = 12
    until(lambda: layer.visible and layer.name == "cells slic 12px (preview)")


def test_a_preview_outlives_settings_that_cannot_be_used(
    panel: Any, cells: Any, viewer: Any, until: Any, told: list[str]
) -> None:
    panel.preview()
    until(lambda: _exact(panel))
    layer = viewer.layers[1]
    panel.unit.value = "um"  # of an image whose pixels have no size
    until(lambda: "out of date" in panel.sentence)
    assert "micrometers" in told[-1]
    assert viewer.layers == [cells, layer]
    assert panel.previewing
    panel.unit.value = "px"
    panel.step.value = 12
    until(lambda: layer.name == "cells slic 12px (preview)")
    # A window that is not shown is not drawn, so napari stays at the level it begins with.
    until(lambda: "out of date" not in panel.sentence and "planning" not in panel.sentence)


def test_a_run_gives_the_labels_of_the_shell_on_the_image(
    panel: Any, cells: Any, viewer: Any, picture: np.ndarray, tmp_path: Path, until: Any
) -> None:
    panel.preview()
    until(lambda: len(viewer.layers) == 2)
    panel.run()
    until(lambda: not panel.running)
    assert (tmp_path / "cells slic 16px.zarr").is_dir()
    layer = viewer.layers["cells slic 16px"]
    assert layer.visible
    assert not viewer.layers["cells slic 16px (preview)"].visible
    np.testing.assert_array_equal(
        np.asarray(layer.data), nsp.superpixels(picture, "slic", step=16).compute()
    )
    np.testing.assert_allclose(layer.scale, cells.scale)
    np.testing.assert_allclose(layer.translate, cells.translate)
    assert layer.metadata["napari_superpixels"]["provenance"]["method"]["name"] == "slic"


def test_a_second_run_gets_a_name_of_its_own(
    panel: Any, cells: Any, tmp_path: Path, until: Any
) -> None:
    for _ in range(2):
        panel.run()
        until(lambda: not panel.running)
    assert sorted(path.name for path in tmp_path.glob("*.zarr")) == [
        "cells slic 16px 2.zarr",
        "cells slic 16px.zarr",
    ]


def test_two_panels_preview_at_once(panel: Any, cells: Any, viewer: Any, until: Any) -> None:
    from napari_superpixels.napari_ui.widget import SuperpixelsWidget

    other = SuperpixelsWidget(viewer)
    dock = viewer.window.add_dock_widget(other, name="other")
    panel.preview()
    other.step.value = 24
    other.preview()
    until(lambda: len(viewer.layers) == 3)
    until(lambda: _exact(panel) and _exact(other))
    viewer.window.remove_dock_widget(dock)
    assert _names(viewer) == ["cells", "cells slic 16px (preview)"]


def test_what_was_chosen_is_there_in_the_next_panel(panel: Any, viewer: Any, until: Any) -> None:
    from napari_superpixels.napari_ui.widget import SuperpixelsWidget

    panel.method.value = "ssn_pix"
    panel.parameter("iterations").value = 6
    panel.step.value = 24
    panel.unit.value = "um"
    until(lambda: panel.settled)
    other = SuperpixelsWidget(viewer)
    viewer.window.add_dock_widget(other, name="other")
    assert (other.method.value, other.step.value, other.unit.value) == ("ssn_pix", 24, "um")
    assert other.parameter("iterations").value == 6
    assert other.folder.value == panel.folder.value


def test_the_script_is_on_the_clipboard(panel: Any, cells: Any, qapp: Any, until: Any) -> None:
    panel.step.value = 24
    panel.copy_script()
    until(lambda: panel.sentence == "The script is on the clipboard.")
    assert "nsp.plan(source, 'slic', step=24)" in qapp.clipboard().text()


def test_a_script_that_comes_after_the_panel_was_closed_goes_nowhere(
    viewer: Any, cells: Any, qapp: Any, no_threads: Any
) -> None:
    from napari_superpixels.napari_ui.widget import SuperpixelsWidget

    panel = SuperpixelsWidget(viewer)
    dock = viewer.window.add_dock_widget(panel, name="other")
    qapp.clipboard().setText("before")
    panel.copy_script()
    viewer.window.remove_dock_widget(dock)
    no_threads()
    qapp.processEvents()
    assert qapp.clipboard().text() == "before"
