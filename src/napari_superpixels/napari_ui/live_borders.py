"""The boundaries of a finished layer, live: they follow it, and go with it."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_superpixels.engine.live_boundaries import LiveBoundaries
from napari_superpixels.napari_ui.background import show
from napari_superpixels.napari_ui.live_layer import (
    REFRESH_MS,
    Place,
    add_live_borders,
    refresh,
    remove,
)
from napari_superpixels.napari_ui.mailbox import Mailbox

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer


class Borders:
    """The boundaries of labels on disk; opened off the main thread, shown on it.

    Parameters
    ----------
    path
        Folder that a run wrote.
    cache_bytes
        Memory that tiles may be kept in.
    """

    def __init__(self, path: Path, cache_bytes: int) -> None:
        self._mailbox = Mailbox()
        self._view = LiveBoundaries(
            path,
            cache_bytes=cache_bytes,
            on_change=self._mailbox.changed,
            on_error=self._mailbox.failed,
        )

    def show(
        self, viewer: "napari.viewer.Viewer", labels: "napari.layers.Labels", place: Place
    ) -> "napari.layers.Labels":
        """Add them over a layer, to stay until that or they are removed."""
        name = f"{labels.name} boundaries"
        self._viewer, self._labels = viewer, labels
        self._layer = add_live_borders(viewer, self._view.levels, name, place)
        self._timer = QTimer()
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()
        # A partial is held strongly where a bound method is not: the viewer's layers keep this.
        self._watch = partial(Borders._removed, self)
        viewer.layers.events.removed.connect(self._watch)
        labels.events.visible.connect(self._follow)
        return self._layer

    def close(self) -> None:
        """Stop what computes them and remove them."""
        self._timer.stop()
        self._view.close()
        self._viewer.layers.events.removed.disconnect(self._watch)
        remove(self._viewer, self._layer)

    def _removed(self, event: Any) -> None:
        if event.value == self._labels or event.value == self._layer:
            self.close()

    def _follow(self) -> None:
        self._layer.visible = self._labels.visible

    def _tick(self) -> None:
        if self._mailbox.fetch_change():
            refresh(self._layer)
        if error := self._mailbox.fetch_error():
            show(error)
