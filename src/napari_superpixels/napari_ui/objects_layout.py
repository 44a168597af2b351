"""How the panel *Objects* lies: fields, two buttons, a bar and a sentence."""

from typing import Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_superpixels.napari_ui.objects_form import ObjectsForm
from napari_superpixels.napari_ui.rows import (
    folded,
    make_bar,
    make_button,
    make_status,
    rows_of,
    side_by_side,
)
from napari_superpixels.napari_ui.run_panel import RunPanel
from napari_superpixels.napari_ui.tooltips import OBJECTS_TOOLTIPS

CLASSES_PX = 66
"""Height of the list of classes: three of them, then it scrolls."""

_TEXTS = {"run": "Run", "cancel": "Cancel"}


class ObjectsPanel(RunPanel):
    """The panel, made of the form's fields, and what else is on it.

    Parameters
    ----------
    form
        The fields.
    native
        The widget to lay them out on.
    """

    def __init__(self, form: ObjectsForm, native: QWidget) -> None:
        self.buttons = {
            name: make_button(text, OBJECTS_TOOLTIPS[name]) for name, text in _TEXTS.items()
        }
        self.bar, self.status = make_bar(), make_status()
        self._prepare(form)
        self._named = rows_of([("Classes", form.classes)])
        self._numbered = rows_of([("Classes", form.numbers)])
        self._of_split = rows_of([
            ("Apart (px)", form.distance_px), ("Up to (px)", form.largest_px), ("Exact", form.exact)
        ])  # fmt: skip
        body = native.layout()
        assert isinstance(body, QVBoxLayout), "a container that is laid out vertically"
        for part in self._parts(form):
            body.addWidget(part)
        body.addStretch(1)
        self.show_run(on=False)
        native.setMinimumWidth(260)

    def show_fields(self, *, named: bool, split: bool) -> None:
        """Show the fields that count.

        Parameters
        ----------
        named
            Whether classes are chosen by name, and not by number.
        split
            Whether objects are split.
        """
        self._named.setVisible(named)
        self._numbered.setVisible(not named)
        self._of_split.setVisible(split)

    def _prepare(self, form: ObjectsForm) -> None:
        form.classes.native.setMaximumHeight(CLASSES_PX)
        form.numbers.native.setPlaceholderText("all")
        form.max_px.native.setSpecialValueText("no limit")  # of its least value, 0
        for box in (form.split, form.exact):
            box.native.setText("")
        form.folder.choose_btn.text = "..."

    def _parts(self, form: ObjectsForm) -> list[QWidget]:
        seldom: list[tuple[str, Any]] = [
            ("Touching", form.connectivity),
            ("Most (px)", form.max_px),
        ]
        return [
            rows_of([("Labels", form.layer)]),
            self._named,
            self._numbered,
            rows_of([("Least (px)", form.min_px), ("Split", form.split)]),
            self._of_split,
            folded("More", rows_of(seldom)),
            folded("Output", rows_of([("Folder", form.folder), ("Name", form.output)])),
            side_by_side(self.buttons["run"], self.buttons["cancel"]),
            self.bar,
            self.status,
        ]
