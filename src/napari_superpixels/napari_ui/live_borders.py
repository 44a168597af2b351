"""The boundaries of a finished layer, live: they follow it, and go with it."""

from pathlib import Path
from typing import TYPE_CHECKING

from napari_superpixels.engine.live_boundaries import LiveBoundaries
from napari_superpixels.napari_ui.live_care import LiveCare
from napari_superpixels.napari_ui.live_layer import LayerPlace, LiveLayer
from napari_superpixels.napari_ui.looks import border_look
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

    def add_over(
        self, viewer: "napari.viewer.Viewer", labels: "napari.layers.Labels", place: LayerPlace
    ) -> "napari.layers.Labels":
        """Add them over a layer, to stay until that or they are removed."""
        name = f"{labels.name} boundaries"
        borders = LiveLayer(viewer, self._view.levels, name, border_look(), place).layer
        LiveCare(viewer, labels, self._mailbox, ended=self._view.close).add(borders)
        return borders
