"""Telling when a panel is closed, in any of the ways in which napari closes one.

The X of a dock takes the panel out of it and deletes the dock; the panel itself gets no close
event. The X of the window deletes the panel with all the rest. A panel that is merely hidden, or
floats, is not closed.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget


class Closing(QObject):
    """Calls something once, when a panel is taken out of its dock or deleted.

    Parameters
    ----------
    panel
        The panel to watch; lies in a dock, or will.
    then
        What to call.
    gone
        What to call instead when the panel is deleted, and the window with it.
    """

    def __init__(self, panel: QWidget, then: Callable[[], None], gone: Callable[[], None]) -> None:
        super().__init__()
        self._panel, self._then, self._gone = panel, then, gone
        self._docked = panel.parent() is not None
        panel.installEventFilter(self)
        panel.destroyed.connect(self._deleted)

    def eventFilter(self, _: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - of Qt
        """See a panel come into a dock and leave it."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            docked = self._panel.parent() is not None
            if self._docked and not docked:
                self._call(self._then)
            self._docked = docked
        return False

    def _deleted(self) -> None:
        self._call(self._gone)

    def _call(self, what: Callable[[], None]) -> None:
        self._then = self._gone = _nothing
        what()


def when_window_goes(viewer: Any, then: Callable[[], None]) -> Callable[[], None]:
    """Have something called when the window of a viewer is deleted; return what undoes that.

    The X of a window removes no layers, so whatever looks after them must be told; and while
    another window is open, nothing else ends. A viewer without a window is never gone.
    """
    window = getattr(viewer, "window", None)
    if window is None:
        return _nothing
    bar = window.main_menu
    told = partial(_call_once, then)
    bar.destroyed.connect(told)

    def undo() -> None:
        if isalive(bar):
            bar.destroyed.disconnect(told)

    return undo


def _call_once(then: Callable[[], None], *_: object) -> None:
    then()


def _nothing() -> None:
    """Do nothing."""
