"""A real window, used as a person does: what is on the canvas is what a run gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_superpixels as nsp


@pytest.fixture
def window(no_threads: Any, make_napari_viewer_proxy: Any) -> Any:
    """A viewer that is on screen, with the sample slide."""
    viewer = make_napari_viewer_proxy(show=True)
    viewer.open_sample("napari-superpixels", "histology")
    return viewer


def _under(viewer: Any, layer: Any, points: list[tuple[int, int]]) -> list[Any]:
    """What the canvas shows of a layer under some of its pixels: level and label."""
    return [layer.get_value(layer.data_to_world(point), world=True) for point in points]


def test_open_preview_zoom_pan_change_run_cancel_run_again(
    window: Any, until: Any, tmp_path: Path
) -> None:
    viewer = window
    image = viewer.layers[0]
    _, panel = viewer.window.add_plugin_dock_widget("napari-superpixels", "Superpixels")
    panel.folder.value = tmp_path
    until(lambda: panel.ready)
    panel._panel.buttons["preview"].click()
    until(lambda: len(viewer.layers) == 2)
    layer = viewer.layers[1]
    camera = getattr(viewer, "scene", viewer).camera  # `scene` since napari 0.9
    source = nsp.open(nsp.sample_path("histology"))
    height, width = source.axes.plane_shape
    for step, centre in ((16, (0.5, 0.5)), (16, (0.4, 0.6)), (24, (0.4, 0.6))):
        panel.step.value = step
        y, x = int(height * centre[0]), int(width * centre[1])
        camera.zoom = 4 / float(image.scale[-1])
        camera.center = (0, *image.data_to_world((y, x)))
        until(lambda step=step: f"slic {step}px" in layer.name)
        wanted = nsp.superpixels(source, "slic", step=step)
        points = [(y, x), (y + 5, x - 9), (y - 20, x + 20)]
        labels = [int(wanted[point].compute()) for point in points]
        until(lambda p=points, v=labels: _under(viewer, layer, p) == [(0, one) for one in v])
        until(lambda: panel.sentence == "Preview: exact, as a run gives it.")
    panel._panel.buttons["run"].click()
    panel._panel.buttons["cancel"].click()
    until(lambda: not panel.running)
    panel._panel.buttons["run"].click()
    until(lambda: not panel.running)
    done = viewer.layers[-1]
    assert done.name == f"{image.name} slic 24px"
    np.testing.assert_array_equal(
        np.asarray(done.data[0] if done.multiscale else done.data),
        nsp.superpixels(source, "slic", step=24).compute(),
    )
    assert not layer.visible


@pytest.mark.parametrize("width", [300])
def test_the_panel_fits_a_narrow_dock(window: Any, until: Any, width: int) -> None:
    dock, panel = window.window.add_plugin_dock_widget("napari-superpixels", "Superpixels")
    assert panel.native.minimumSizeHint().width() <= width
    assert dock is not None


def test_boundaries_of_a_finished_layer_follow_it(window: Any, until: Any, tmp_path: Path) -> None:
    viewer = window
    _, panel = viewer.window.add_plugin_dock_widget("napari-superpixels", "Superpixels")
    panel.folder.value = tmp_path
    panel.boundaries.value = True
    panel.run()
    until(lambda: not panel.running)
    done, borders = viewer.layers[-2:]
    assert borders.name == f"{done.name} boundaries"
    until(lambda: np.asarray(borders.data[0][:200, :200]).any())
    done.visible = False
    assert not borders.visible
    viewer.layers.remove(done)
    assert len(viewer.layers) == 1
