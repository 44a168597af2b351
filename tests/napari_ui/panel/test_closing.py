"""A panel is closed when it leaves its dock or its window goes, not when it hides or floats."""

from types import SimpleNamespace
from typing import Any

import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QMenuBar, QPushButton, QWidget

from napari_superpixels.napari_ui.closing import Closing, when_window_goes


class _Watched:
    def __init__(self, viewer: Any) -> None:
        self.calls: list[str] = []
        self.panel = QWidget()
        self.closing = Closing(
            self.panel, lambda: self.calls.append("left"), lambda: self.calls.append("gone")
        )
        self.dock = viewer.window.add_dock_widget(self.panel, name="watched")


@pytest.fixture
def watched(make_napari_viewer: Any) -> _Watched:
    """A panel in a dock of a real window."""
    return _Watched(make_napari_viewer(show=True))


def _press(dock: Any, button: str) -> None:
    """Press a button of the dock's title bar, as a person does."""
    found = dock.findChild(QPushButton, f"QTitle{button}Button") or dock.findChild(
        QPushButton, f"QTitleBar{button}Button"
    )
    found.click()


def test_it_is_not_closed_while_it_is_docked(watched: _Watched) -> None:
    assert watched.calls == []


def test_the_x_of_the_dock_closes_it_once(watched: _Watched, until: Any) -> None:
    _press(watched.dock, "Close")
    until(lambda: watched.calls)
    watched.panel.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert watched.calls == ["left"]


def test_hiding_does_not_close_it(watched: _Watched) -> None:
    _press(watched.dock, "Hide")
    QApplication.processEvents()
    assert not watched.panel.isVisible()
    assert watched.calls == []


def test_floating_and_docking_again_do_not_close_it(watched: _Watched) -> None:
    for _ in range(2):
        _press(watched.dock, "Float")
        QApplication.processEvents()
    assert watched.calls == []


def test_a_deleted_panel_is_gone(watched: _Watched, until: Any) -> None:
    watched.dock.setWidget(QWidget())
    watched.calls.clear()
    panel = QWidget()
    calls: list[str] = []
    closing = Closing(panel, lambda: calls.append("left"), lambda: calls.append("gone"))
    panel.deleteLater()
    until(lambda: calls)
    assert calls == ["gone"]
    del closing


@pytest.mark.parametrize(("undone", "calls"), [(False, ["gone"]), (True, [])])
def test_who_watches_a_window_is_told_that_it_is_gone(
    qapp: Any, undone: bool, calls: list[str]
) -> None:
    bar, told = QMenuBar(), list[str]()
    viewer = SimpleNamespace(window=SimpleNamespace(main_menu=bar))
    undo = when_window_goes(viewer, lambda: told.append("gone"))
    if undone:
        undo()
    bar.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    undo()
    assert told == calls


def test_a_viewer_without_a_window_is_never_gone() -> None:
    when_window_goes(SimpleNamespace(), lambda: pytest.fail("it is there"))()
