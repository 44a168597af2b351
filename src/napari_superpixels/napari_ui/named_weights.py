"""Weights that have names, as they come and go: listed off the main thread, told on it."""

import threading
from collections.abc import Callable

from qtpy.QtCore import QFileSystemWatcher

from napari_superpixels.models.weights import named_weights, own_folder
from napari_superpixels.napari_ui.background import Latest

Found = dict[str, list[str]]
"""Names by network."""


class NamedWeights:
    """Watches the folder of the user's own weights, wherever they come from.

    Parameters
    ----------
    changed
        Told the names by network, on the main thread, at first and whenever they change.
    """

    def __init__(self, changed: Callable[[Found], None]) -> None:
        self._changed = changed
        self._looking: Latest[Found] = Latest()
        self._watcher = QFileSystemWatcher()
        self._watcher.directoryChanged.connect(self.look)
        self.look()

    @property
    def looking(self) -> bool:
        """Whether the list is read."""
        return self._looking.busy

    def look(self, _: object = None) -> None:
        """List them anew; returns at once."""
        self._looking.begin(_listed, self._tell, _unseen)

    def drop(self) -> None:
        """Tell of nothing any more."""
        self._looking.drop()
        for path in self._watcher.directories():
            self._watcher.removePath(path)

    def _tell(self, found: Found) -> None:
        if not self._watcher.directories() and self._watcher.addPath(str(own_folder())):
            self.look()  # for what came before it was watched
        self._changed(found)


def _listed(_: threading.Event) -> Found:
    own_folder().mkdir(parents=True, exist_ok=True)
    return named_weights()


def _unseen(_: BaseException) -> None:
    """Offer none where the folder cannot be read: whoever asks for one is told."""
