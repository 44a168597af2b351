"""The fields that say where an output goes: a folder and a name, both proposed."""

import os
from pathlib import Path
from typing import Any

from magicgui.types import FileDialogMode
from magicgui.widgets import FileEdit, LineEdit

from napari_superpixels.napari_ui.outputs import Output
from napari_superpixels.napari_ui.plugin_settings import PluginSettings


class OutputFields:
    """``folder`` and ``output``, the name.

    Parameters
    ----------
    kept
        The folder that was chosen before; empty where none was.
    settings
        What the preferences say.
    """

    def __init__(self, kept: str, settings: PluginSettings) -> None:
        self._folder_is_set = bool(kept or settings.folder)
        self.folder = FileEdit(
            name="folder", mode=FileDialogMode.EXISTING_DIRECTORY, value=_home(settings)
        )
        if kept:
            self.folder.value = Path(kept)
        self.output = LineEdit(name="output")
        self._proposed, self._proposed_folder = "", self.folder.value

    @property
    def fields(self) -> tuple[Any, ...]:
        """Both, in the order of a form."""
        return self.folder, self.output

    def propose(self, name: str, image: str | None) -> None:
        """Propose a name, and the folder of an image, unless the user chose them.

        Parameters
        ----------
        name
            What the output may be called; empty where there is nothing to write.
        image
            Where the image lies; None where that is not known.
        """
        typed = self.name_is_typed
        self._proposed = name
        if not typed:
            self.output.value = name
        if image is None or self.folder_is_chosen:
            return
        beside = Path(image).absolute().parent
        if os.access(beside, os.W_OK):  # else where outputs go before an image says better
            self._proposed_folder = self.folder.value = beside

    @property
    def name_is_typed(self) -> bool:
        """Whether the user wrote the name of the output."""
        return self.output.value not in ("", self._proposed)

    @property
    def folder_is_chosen(self) -> bool:
        """Whether the user, now or before, or the preferences say where outputs go."""
        return self._folder_is_set or self.folder.value != self._proposed_folder

    def wanted(self) -> Output:
        """Return where the user wants the output."""
        name = self.output.value or self._proposed
        return Output(Path(str(self.folder.value)).expanduser(), name, self.name_is_typed)

    def remembered(self) -> str:
        """Return the folder that is to be kept for the next widget; empty where none is."""
        return str(self.folder.value) if self.folder_is_chosen else ""


def _home(settings: PluginSettings) -> Path:
    """Return where outputs go before an image says better."""
    return Path(settings.folder).expanduser() if settings.folder else Path.home()
