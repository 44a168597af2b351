"""A viewer with the panel in it, and how tests wait: for a condition, never for a time."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_superpixels.napari_ui import learning
from napari_superpixels.napari_ui.remembered import (
    FILE,
    OBJECTS_FILE,
    SEGMENT_FILE,
    TRAINING_FILE,
    settings_folder,
)
from napari_superpixels.testing.gate import gated
from napari_superpixels.testing.teacher import Teacher

LONGEST_MS = 180_000
"""How long something may take that must happen; a first use compiles."""
OURS = ("superpixels", "napari-superpixels")
"""How the names of our threads begin."""


@pytest.fixture(autouse=True)
def _forgetful() -> None:
    """Begin each test with nothing remembered."""
    folder = settings_folder()
    assert folder is not None, "tests have settings of their own"
    for file in (FILE, SEGMENT_FILE, TRAINING_FILE, OBJECTS_FILE):
        (folder / file).unlink(missing_ok=True)


@pytest.fixture
def told() -> Iterator[list[str]]:
    """The notifications that were shown, as their sentences."""
    from napari.utils.notifications import notification_manager

    sentences: list[str] = []

    def note(notification: Any) -> None:
        sentences.append(notification.message)

    notification_manager.notification_ready.connect(note)
    yield sentences
    notification_manager.notification_ready.disconnect(note)


@pytest.fixture
def until(qtbot: Any) -> Callable[[Callable[[], Any]], None]:
    """Wait until something holds, with Qt's events going on."""

    def wait(condition: Callable[[], Any]) -> None:
        qtbot.waitUntil(lambda: bool(condition()), timeout=LONGEST_MS)

    return wait


def our_threads() -> list[str]:
    """Names of the threads of ours that are alive."""
    return [t.name for t in threading.enumerate() if t.name.startswith(OURS)]


@pytest.fixture
def no_threads(qtbot: Any) -> Iterator[Callable[[], None]]:
    """A wait until no thread of ours is left; also after the test."""

    def wait() -> None:
        qtbot.waitUntil(lambda: not our_threads(), timeout=LONGEST_MS)

    yield wait
    end = time.monotonic() + LONGEST_MS / 1000
    while our_threads() and time.monotonic() < end:
        time.sleep(0.01)
    assert not our_threads()


@pytest.fixture
def picture() -> np.ndarray:
    """An RGB image with something to see, shape (96, 128, 3)."""
    y, x = np.mgrid[:96, :128]
    waves = np.stack([np.sin(y / 9) + np.cos(x / 7), np.sin(x / 11), np.cos((x + y) / 13)], -1)
    return (127 + 60 * waves).astype(np.uint8)


@pytest.fixture
def viewer(no_threads: Any, make_napari_viewer_proxy: Any) -> Any:
    """A viewer as plugins see it; when it is gone, so are our threads."""
    return make_napari_viewer_proxy()


def _docked(viewer: Any, name: str, folder: Path, until: Any) -> Any:
    """Open a panel in a dock, with a folder for outputs, and wait until it is ready."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-superpixels", name)
    widget.folder.value = folder
    until(lambda: widget.ready)
    return widget


@pytest.fixture
def panel(viewer: Any, tmp_path: Path, until: Any) -> Any:
    """The panel in a dock of the viewer, its kernels ready; outputs go to an empty folder."""
    return _docked(viewer, "Superpixels", tmp_path, until)


@pytest.fixture
def segment(viewer: Any, tmp_path: Path, until: Any) -> Any:
    """The panel *Segment* in a dock of the viewer; outputs go to an empty folder."""
    return _docked(viewer, "Segment", tmp_path, until)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, no_threads: Any) -> Iterator[threading.Event]:
    """What runs wait for after some windows; opened at the latest when the test ends."""
    opened = threading.Event()
    from napari_superpixels.napari_ui import running

    plan_of = running.plan_of

    def small(request: Any, cancel: threading.Event) -> Any:
        plan = plan_of(request, cancel)
        source, at_gate = gated(plan.source, free=4)
        at_gate.opened = opened
        cells = 128 // plan.method.step
        return replace(plan, source=source, core=(cells, cells), chunk=(cells, cells))

    monkeypatch.setattr(running, "plan_of", small)
    yield opened
    opened.set()


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> Teacher:
    made = Teacher()
    monkeypatch.setattr(learning, "train_elsewhere", made)
    return made


@pytest.fixture
def train(viewer: Any, own: Path, until: Any, teacher: Teacher) -> Any:
    """The panel *Train* in a dock of the viewer; there are no own weights, nobody trains."""
    own.mkdir()
    _, widget = viewer.window.add_plugin_dock_widget("napari-superpixels", "Train")
    until(lambda: widget.settled)
    return widget


@pytest.fixture
def objects(viewer: Any, tmp_path: Path, until: Any) -> Any:
    """The panel *Objects* in a dock of the viewer; outputs go to an empty folder."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-superpixels", "Objects")
    widget.folder.value = tmp_path
    until(lambda: widget.settled)
    return widget
