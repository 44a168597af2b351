"""A real window, used as a person does: what is on the canvas is what a run gives."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication, QWidget

import napari_superpixels as nsp
from napari_superpixels import api
from napari_superpixels.testing.gate import gated


@pytest.fixture
def window(no_threads: Any, make_napari_viewer_proxy: Any) -> Any:
    """A viewer that is on screen, with the sample slide."""
    viewer = make_napari_viewer_proxy(show=True)
    viewer.open_sample("napari-superpixels", "histology")
    return viewer


def _under(viewer: Any, layer: Any, points: list[tuple[int, int]]) -> list[Any]:
    """What the canvas shows of a layer under some of its pixels: level and label."""
    return [layer.get_value(layer.data_to_world(point), world=True) for point in points]


def _cancel_while_it_reads(panel: Any, until: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Run, and Cancel while the run stands in the middle of reading a tile."""
    begun, go_on = threading.Event(), threading.Event()
    run = api.run

    def gated_run(plan: Any, *args: Any, **kwargs: Any) -> Any:
        source, gate = gated(plan.source)
        gate.begun = Beginning(begun)  # type: ignore[assignment]
        gate.opened = go_on
        return run(replace(plan, source=source), *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(api, "run", gated_run)
        panel._panel.buttons["run"].click()
        until(begun.is_set)
        panel._panel.buttons["cancel"].click()
        go_on.set()
        until(lambda: not panel.running)


class Beginning:
    """Where a gate puts what is asked for: only that it was is kept."""

    def __init__(self, begun: threading.Event) -> None:
        self._begun = begun

    def put(self, _: Any) -> None:
        self._begun.set()


def _wheel(viewer: Any, qtbot: Any, clicks: int, towards: tuple[int, int]) -> None:
    """Turn the wheel over a place of the canvas, counted from its middle: zooms there."""
    canvas = _canvas(viewer)
    at = QPointF(canvas.width() / 2 + towards[0], canvas.height() / 2 + towards[1])
    turned = QPoint(0, 120 * (1 if clicks > 0 else -1))
    for _ in range(abs(clicks)):
        event = QWheelEvent(
            at, QPointF(canvas.mapToGlobal(at.toPoint())), QPoint(), turned,
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(canvas, event)


def _drag(viewer: Any, qtbot: Any, by: tuple[int, int]) -> None:
    """Drag the canvas with the left button: pans."""
    canvas = _canvas(viewer)
    start = QPoint(canvas.width() // 2, canvas.height() // 2)
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=start)
    for part in (0.5, 1.0):
        to = start + QPoint(int(by[0] * part), int(by[1] * part))
        event = QMouseEvent(
            QEvent.Type.MouseMove, QPointF(to), QPointF(canvas.mapToGlobal(to)),
            Qt.MouseButton.LeftButton, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
        )  # fmt: skip
        QApplication.sendEvent(canvas, event)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=start + QPoint(*by))


def _canvas(viewer: Any) -> QWidget:
    """The widget that napari draws on: the largest of the central ones that takes the mouse."""
    window = QApplication.topLevelWidgets()
    canvases = [w for top in window for w in top.findChildren(QWidget)
                if type(w).__name__ == "CanvasBackendDesktop" and w.isVisible()]  # fmt: skip
    return canvases[0]


def test_the_mouse_zooms_and_pans_the_preview(window: Any, until: Any, qtbot: Any) -> None:
    viewer = window
    image = viewer.layers[0]
    _, panel = viewer.window.add_plugin_dock_widget("napari-superpixels", "Superpixels")
    until(lambda: panel.ready)
    panel._panel.buttons["preview"].click()
    until(lambda: len(viewer.layers) == 2)
    layer = viewer.layers[1]
    camera = getattr(viewer, "scene", viewer).camera
    zoom, centre = camera.zoom, camera.center
    _wheel(viewer, qtbot, 5, (40, 30))
    until(lambda: camera.zoom > 1.5 * zoom)
    zoomed = camera.center
    assert zoomed != centre
    _drag(viewer, qtbot, (-60, 25))
    until(lambda: camera.center != zoomed)
    assert camera.center[-1] > zoomed[-1]
    assert camera.center[-2] < zoomed[-2]
    place = tuple(round(at) for at in image.world_to_data(camera.center[-2:]))
    source = nsp.open(nsp.sample_path("histology"))
    wanted = int(nsp.superpixels(source, "slic", step=panel.step.value)[place].compute())
    until(lambda: _under(viewer, layer, [place]) == [(0, wanted)])


def test_open_preview_zoom_pan_change_run_cancel_run_again(
    window: Any, until: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    _cancel_while_it_reads(panel, until, monkeypatch)
    assert list(viewer.layers) == [image, layer]
    assert list(tmp_path.glob("*.partial")), "a run that computed leaves what it did"
    panel._panel.buttons["run"].click()
    until(lambda: not panel.running)
    assert len(list(tmp_path.iterdir())) == 1, "the second run went on with the first"
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
    until(lambda: len(viewer.layers) == 1)
