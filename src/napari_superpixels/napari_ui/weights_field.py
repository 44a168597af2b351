"""The field of weights: those of the method, others by name, or a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox, Container, FileEdit
from qtpy.QtCore import QUrl

FILE = "\0file"
"""What stands for a file among names; no name can be this."""
DROPPED = "file:"
"""How what a file manager drops begins."""
A_FILE = "a file"
"""What that is called; it is the second of the list."""


class WeightsField(Container):  # type: ignore[type-arg]
    """A list of weights, and below it a file where that is chosen.

    Its ``value`` is what settings have: a name, a path, or nothing.

    Parameters
    ----------
    empty
        What the first of the list is called: no name, and no file.
    suffixes
        How files end that can be chosen.
    """

    def __init__(self, empty: str, suffixes: tuple[str, ...]) -> None:
        self._empty, self._suffixes = empty, suffixes
        self._names: tuple[str, ...] = ()
        self._other = ""  # what was chosen and is not listed, maybe not yet
        self.list = ComboBox(choices=self._choices)
        self.file = FileEdit(filter=_filter(suffixes), nullable=True)
        self.file.choose_btn.text = "..."
        super().__init__(widgets=[self.list, self.file], labels=False)
        self.margins = (0, 0, 0, 0)
        self.list.changed.connect(self._show_file)
        self._show_file()

    @property
    def value(self) -> str:
        """A name or a path; empty where none is chosen."""
        if self.list.value != FILE:
            return str(self.list.value)
        given = self.file.value
        return "" if given is None else _path_of(str(given))

    @value.setter
    def value(self, value: Any) -> None:
        """Choose a name or a path; a path becomes absolute."""
        text = "" if value is None else str(value)
        is_file = text.lower().endswith(self._suffixes) or Path(text).name != text
        if text and is_file:
            self.file.value = Path(text)
        elif text and text not in self._names:
            self._other = text
            self.list.reset_choices()
        self.list.value = FILE if text and is_file else text

    def offer(self, names: Sequence[str]) -> None:
        """Offer other weights by name; what is chosen stays."""
        self._names = tuple(names)
        kept = self.list.value
        if kept not in ("", FILE, *self._names):
            self._other = kept
        self.list.reset_choices()

    def _choices(self, _: Any = None) -> list[tuple[str, str]]:
        names = dict.fromkeys((*self._names, *filter(None, [self._other])))
        # The file comes second: lists of magicgui add what is new at their end.
        return [(self._empty, ""), (A_FILE, FILE), *((name, name) for name in names)]

    def _show_file(self, _: Any = None) -> None:
        self.file.visible = self.list.value == FILE


def _path_of(given: str) -> str:
    """Return a path that was typed, or dropped: then it is an address of a file."""
    dropped = QUrl(given).toLocalFile() if given.startswith(DROPPED) else ""
    return dropped or str(Path(given).expanduser())


def _filter(suffixes: tuple[str, ...]) -> str:
    """Return which files a dialog offers, as Qt writes that."""
    return f"Weights ({' '.join(f'*{suffix}' for suffix in suffixes)})"
