"""Whatever is closed or removed, what works for it stops, and nothing of it stays."""

import gc
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils import progress
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from napari_superpixels.engine.records import partial_path

STEP = 4


@pytest.fixture
def large(viewer: Any) -> Any:
    """An image whose run has many windows."""
    noise = np.random.default_rng(0).integers(0, 255, (512, 512), dtype=np.uint8)
    return viewer.add_image(noise, name="large")


@pytest.fixture
def begun(panel: Any, large: Any, until: Any, gate: threading.Event) -> Any:
    """A panel with a run that has windows done, and cannot do all."""
    panel.step.value = STEP
    panel.run()
    until(lambda: panel.sentence.startswith("Run: ") and "tiles" in panel.sentence)
    until(lambda: not panel.sentence.startswith("Run: 0 of"))
    assert panel.running
    return panel


def _partial(folder: Path) -> Path:
    return partial_path(folder / f"large slic {STEP}px.zarr")


def test_cancel_keeps_what_is_done_and_run_goes_on_with_it(
    begun: Any, tmp_path: Path, until: Any, told: list[str], viewer: Any, gate: threading.Event
) -> None:
    begun.cancel()
    gate.set()
    until(lambda: not begun.running)
    assert _partial(tmp_path).is_dir()
    assert len(told) == 1
    assert str(_partial(tmp_path)) in told[0]
    assert not progress._all_instances
    begun.run()
    until(lambda: not begun.running)
    assert [path.name for path in tmp_path.iterdir()] == [f"large slic {STEP}px.zarr"]
    assert f"large slic {STEP}px" in viewer.layers


def test_a_second_run_has_to_wait(begun: Any, told: list[str]) -> None:
    begun.run()
    assert told == ["A run is on already; wait for it, or cancel it."]
    assert not begun._panel.buttons["run"].isEnabled()


def test_a_run_goes_on_while_something_else_is_previewed(
    begun: Any, viewer: Any, until: Any, gate: threading.Event
) -> None:
    begun.step.value = 16
    begun.preview()
    until(lambda: "large slic 16px (preview)" in viewer.layers)
    assert begun.running
    gate.set()
    until(lambda: not begun.running)
    assert f"large slic {STEP}px" in viewer.layers


def test_the_activity_dock_shows_the_run(begun: Any) -> None:
    (bar,) = progress._all_instances
    assert bar.desc.startswith("Run of large")
    assert bar.total >= 16


def test_removing_the_image_cancels_its_run_and_says_how_to_go_on(
    begun: Any, large: Any, viewer: Any, tmp_path: Path, until: Any, told: list[str], gate: Any
) -> None:
    viewer.layers.remove(large)
    gate.set()
    until(lambda: not begun.running)
    assert len(told) == 1
    assert "The layer large was removed" in told[0]
    assert str(_partial(tmp_path)) in told[0]
    assert "press Run" in told[0]


def test_removing_the_image_ends_its_preview(
    panel: Any, large: Any, viewer: Any, until: Any
) -> None:
    panel.preview()
    until(lambda: len(viewer.layers) == 2)
    viewer.layers.remove(large)
    until(lambda: len(viewer.layers) == 0)
    assert not panel.previewing


def test_closing_the_dock_stops_all_and_leaves_nothing(
    begun: Any, viewer: Any, until: Any, no_threads: Any, large: Any, gate: Any
) -> None:
    begun.preview()
    until(lambda: len(viewer.layers) == 2)
    viewer.window.remove_dock_widget(begun.native)
    assert list(viewer.layers) == [large]
    assert not progress._all_instances
    gate.set()
    no_threads()


def test_a_closed_panel_is_freed(viewer: Any, until: Any, no_threads: Any, picture: Any) -> None:
    from napari_superpixels.napari_ui.widget import SuperpixelsWidget

    viewer.add_image(picture, name="cells")
    widget = SuperpixelsWidget(viewer)
    viewer.window.add_dock_widget(widget, name="freed")
    widget.preview()
    until(lambda: len(viewer.layers) == 2)
    view = weakref.ref(viewer.layers[1].data[0])
    gone = weakref.ref(widget)
    viewer.window.remove_dock_widget(widget.native)
    no_threads()
    widget.native.deleteLater()
    del widget

    def collected() -> bool:
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.collect()
        return gone() is None

    until(collected)
    assert view() is None


def test_closing_the_viewer_stops_all(
    begun: Any, viewer: Any, until: Any, no_threads: Any, tmp_path: Path, gate: Any
) -> None:
    begun.preview()
    until(lambda: len(viewer.layers) == 2)
    viewer.close()
    gate.set()
    no_threads()
    assert not begun.previewing
    assert not progress._all_instances
    assert _partial(tmp_path).is_dir()


CLOSE_THE_WINDOW = """
import sys, threading
from dataclasses import replace
import napari, numpy as np
from qtpy.QtCore import QTimer
from napari_superpixels.napari_ui import running
from napari_superpixels.testing.gate import gated

opened, plan_of = threading.Event(), running.plan_of

def waiting(request, cancel):
    plan = plan_of(request, cancel)
    source, gate = gated(plan.source)
    gate.opened = opened
    return replace(plan, source=source)

running.plan_of = waiting

viewer = napari.Viewer()
noise = np.random.default_rng(0).integers(0, 255, (512, 512), dtype=np.uint8)
viewer.add_image(noise, name="large")
dock, panel = viewer.window.add_plugin_dock_widget("napari-superpixels", "Superpixels")
panel.folder.value = sys.argv[1]
panel.step.value = 4
panel.boundaries.value = True

def look():
    if panel.ready and not panel.previewing:
        panel.preview()
        panel.run()
    told = panel.sentence.startswith("Run: ") and "tiles" in panel.sentence
    if panel.running and len(viewer.layers) == 3 and told:
        timer.stop()
        dock.window().close()

timer = QTimer()
timer.timeout.connect(look)
timer.start(50)
napari.run()
opened.set()
ours = [t for t in threading.enumerate() if t.name.startswith("superpixels")]
for thread in ours:
    thread.join(30)
print("left:", [t.name for t in ours if t.is_alive()], panel.running, panel.previewing)
"""


def test_closing_the_window_as_a_person_does_ends_the_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSE_THE_WINDOW, str(tmp_path)],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "left: [] False False" in done.stdout
    assert "Traceback" not in done.stderr
