"""How the form lies on the panel: labels on the left in one column, rarer fields folded away."""

from typing import Any

from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from napari_superpixels.napari_ui.form import Form
from napari_superpixels.napari_ui.parameters import Parameters, label_of, parameters_of
from napari_superpixels.napari_ui.rows import (
    add_row,
    folded,
    holding,
    make_bar,
    make_button,
    make_status,
    rows_of,
    side_by_side,
)
from napari_superpixels.napari_ui.run_panel import RunPanel

IMAGES_PX = 66
"""Height of the list of images: three of them, then it scrolls."""


class Panel(RunPanel):
    """The panel, made of the form's fields, and what else is on it.

    Parameters
    ----------
    form
        The fields.
    native
        The widget to lay them out on.
    """

    def __init__(self, form: Form, native: QWidget) -> None:
        self.buttons = {
            name: make_button(text, form.kind.tooltips[name]) for name, text in _TEXTS.items()
        }
        self.buttons["preview"].setCheckable(True)
        self.buttons["cancel"].setEnabled(False)
        self.bar = make_bar()
        self.status = make_status()
        self._parameters, self._seldom = QFormLayout(), QFormLayout()
        self._more = folded("More", holding(self._seldom))
        form.images.native.setMaximumHeight(IMAGES_PX)
        body = native.layout()
        assert isinstance(body, QVBoxLayout), "a container that is laid out vertically"
        for part in self._parts(form):
            body.addWidget(part)
        body.addStretch(1)
        form.boundaries.native.setText("")
        form.folder.choose_btn.text = "..."
        self.show_parameters(form.parameters)
        form.step.show_unit()
        native.setMinimumWidth(260)

    def show_parameters(self, parameters: Parameters) -> None:
        """Replace the fields of a method by those of another."""
        for layout in (self._parameters, self._seldom):
            while layout.rowCount():
                layout.removeRow(0)
        for setting, field in zip(parameters_of(parameters.method), parameters.fields, strict=True):
            layout = self._seldom if setting.about.seldom else self._parameters
            add_row(layout, label_of(setting), field.native, field.tooltip)
        self._more.setVisible(self._seldom.rowCount() > 0)

    def tell_preview(self, sentence: str) -> None:
        """Show a sentence on the preview, unless a run is told of."""
        if self.bar.isHidden():
            self.tell(sentence)

    def show_preview(self, *, on: bool) -> None:
        """Show whether a preview is on."""
        self.buttons["preview"].setChecked(on)

    def _parts(self, form: Form) -> list[QWidget]:
        return [
            rows_of([("Images", form.images), ("Level", form.level), *_rows_of_methods(form)]),
            holding(self._parameters),
            rows_of([("Boundaries", form.boundaries)]),
            self._more,
            folded("Where", rows_of([("Mask", form.mask), ("Region", form.region)])),
            folded("Output", rows_of([
                ("Folder", form.folder), ("Name", form.output), ("Computes on", form.device)
            ])),
            side_by_side(self.buttons["preview"], self.buttons["run"], self.buttons["cancel"]),
            side_by_side(self.buttons["copy"]),
            self.bar,
            self.status,
        ]  # fmt: skip


def _rows_of_methods(form: Form) -> list[tuple[str, Any]]:
    """Return the rows of the method and its step, where there is something to choose."""
    rows: list[tuple[str, Any]] = [("Method", form.method)] if form.method in form.fields else []
    if form.step.fields:
        rows.append(("Step", side_by_side(*(field.native for field in form.step.fields))))
    return rows


_TEXTS = {"preview": "Preview", "run": "Run", "cancel": "Cancel", "copy": "Copy as script"}
