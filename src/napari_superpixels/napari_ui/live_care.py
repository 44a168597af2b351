"""Looking after live layers: drawn anew as tiles come, hidden and removed with their leader."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_superpixels.napari_ui.background import show
from napari_superpixels.napari_ui.closing import when_window_goes
from napari_superpixels.napari_ui.mailbox import Mailbox

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

REFRESH_MS = 100
"""How often new tiles are fetched onto the screen, at most."""


def _nothing() -> None:
    """Do nothing."""


class LiveCare:
    """Looks after the layers of one live view, for as long as they are there.

    Parameters
    ----------
    viewer
        Where the layers are.
    leader
        The layer that the others follow: they are hidden and removed with it. It may be a live
        one itself.
    mailbox
        Where the worker of the view leaves word; may be exchanged.
    ended
        Told once that nothing is left to look after, because somebody removed it.
    ticked
        Told regularly, after what is new was drawn.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        leader: "napari.layers.Layer",
        mailbox: Mailbox,
        *,
        ended: Callable[[], None],
        ticked: Callable[[], None] = _nothing,
    ) -> None:
        self._viewer, self._leader, self.mailbox = viewer, leader, mailbox
        self._ended, self._ticked = ended, ticked
        self.layers: tuple[napari.layers.Layer, ...] = ()
        self._timer = QTimer()
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()
        # The bound method is held by a function, and that by the viewer's list of layers: so the
        # layers are looked after for as long as they are there, whether or not anybody else cares.
        self._watch = partial(LiveCare._removed, self)
        viewer.layers.events.removed.connect(self._watch)
        leader.events.visible.connect(self._follow)
        self._forget_window = when_window_goes(viewer, partial(LiveCare._window_gone, self))

    def add(self, layer: "napari.layers.Layer") -> None:
        """Look after a live layer, too."""
        self.layers = (*self.layers, layer)
        self._follow()

    def remove(self, layer: "napari.layers.Layer") -> None:
        """Remove a live layer that is not the leader."""
        self.layers = self._without(layer)
        self._take_out(layer)

    def close(self) -> None:
        """Look after the live layers no more and remove them; may be called again."""
        layers = self.layers
        self.stop()
        self._take_out_all(layers)

    def stop(self) -> None:
        """Look after the live layers no more; may be called again."""
        if self._timer.isActive():
            self._timer.stop()
            self._viewer.layers.events.removed.disconnect(self._watch)
            self._leader.events.visible.disconnect(self._follow)
            self._forget_window()
        self.layers = ()

    def _take_out_all(self, layers: "tuple[napari.layers.Layer, ...]") -> None:
        for layer in layers:
            self._take_out(layer)

    def _take_out(self, layer: "napari.layers.Layer") -> None:
        if layer in self._viewer.layers:  # it may be gone already
            self._viewer.layers.remove(layer)

    def _without(self, gone: Any) -> "tuple[napari.layers.Layer, ...]":
        return tuple(layer for layer in self.layers if layer != gone)

    def _removed(self, event: Any) -> None:
        self.layers = self._without(event.value)
        if event.value == self._leader or not self.layers:
            # Whoever removes several layers has a list of them, and is not done yet.
            QTimer.singleShot(0, partial(self._take_out_all, self.layers))
            self.stop()
            self._ended()

    def _window_gone(self) -> None:
        """The viewer goes, and the layers with it."""
        self.stop()
        self._ended()

    def _follow(self) -> None:
        for layer in self._without(self._leader):
            layer.visible = self._leader.visible

    def _tick(self) -> None:
        if self.mailbox.fetch_change():
            for layer in self.layers:  # extent and thumbnail stay as they are
                layer.refresh(extent=False, thumbnail=False)
        if error := self.mailbox.fetch_error():
            show(error)
        self._ticked()
