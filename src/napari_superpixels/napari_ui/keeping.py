"""Keeping what was chosen, off the main thread; the last of it is what lies on disk."""

import threading
from pathlib import Path

from napari_superpixels.napari_ui import remembered
from napari_superpixels.napari_ui.background import Job
from napari_superpixels.napari_ui.remembered import Chosen


class Keeper:
    """Writes what is to be remembered.

    Parameters
    ----------
    folder
        Where; None where nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._lock = folder, threading.Lock()
        self._wanted: Chosen | None = None
        self._kept: Chosen | None = None

    @property
    def done(self) -> bool:
        """Whether everything is written."""
        return self._kept == self._wanted

    def keep(self, chosen: Chosen) -> None:
        """Write what is chosen; returns at once."""
        if chosen != self._wanted:
            self._wanted = chosen
            Job(self._write, _nothing)

    def _write(self) -> None:
        """Write what was chosen last, by whichever thread comes to it."""
        with self._lock:
            wanted = self._wanted
            if wanted is not None and wanted != self._kept:
                remembered.save(self._folder, wanted)
                self._kept = wanted


def _nothing(_: None) -> None:
    """Do nothing: it is nobody's concern."""
