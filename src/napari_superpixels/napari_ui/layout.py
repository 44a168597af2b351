"""How the form lies on the panel: labels on the left in one column, rarer fields folded away."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from magicgui.widgets.bases import Widget
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_superpixels.engine.device import devices
from napari_superpixels.engine.tally import Progress
from napari_superpixels.models.registry import METHODS
from napari_superpixels.napari_ui.form import Form
from napari_superpixels.napari_ui.parameters import Parameters, label_of, parameters_of
from napari_superpixels.napari_ui.tooltips import TOOLTIPS

LABELS = ("Boundaries", "Computes on")
"""The longest labels of the form's own."""
IMAGES_PX = 66
"""Height of the list of images: three of them, then it scrolls."""

STATUS_LINES = 3
"""Lines that are kept free for sentences, so that buttons stay where they are."""


class Panel:
    """The panel, made of the form's fields, and what else is on it.

    Parameters
    ----------
    form
        The fields.
    native
        The widget to lay them out on.
    """

    def __init__(self, form: Form, native: QWidget) -> None:
        self.buttons = {name: _button(name) for name in ("preview", "run", "cancel", "copy")}
        self.buttons["preview"].setCheckable(True)
        self.buttons["cancel"].setEnabled(False)
        self.bar = _bar()
        self.status = _status()
        self._parameters = QFormLayout()
        form.images.native.setMaximumHeight(IMAGES_PX)
        body = native.layout()
        assert isinstance(body, QVBoxLayout), "a container that is laid out vertically"
        for part in self._parts(form):
            body.addWidget(part)
        body.addStretch(1)
        form.boundaries.native.setText("")
        form.folder.choose_btn.text = "..."
        self.show_parameters(form.parameters)
        self.show_unit(in_um=form.in_um, form=form)
        native.setMinimumWidth(260)

    def show_parameters(self, parameters: Parameters) -> None:
        """Replace the fields of a method by those of another."""
        while self._parameters.rowCount():
            self._parameters.removeRow(0)
        for setting, field in zip(parameters_of(parameters.method), parameters.fields, strict=True):
            _add_row(self._parameters, label_of(setting), field.native, field.tooltip)

    def show_unit(self, *, in_um: bool, form: Form) -> None:
        """Show the field of the step that counts."""
        form.step.native.setVisible(not in_um)
        form.step_um.native.setVisible(in_um)

    def tell(self, sentence: str) -> None:
        """Show one sentence, of what was said last."""
        self.status.setText(sentence)

    def tell_preview(self, sentence: str) -> None:
        """Show a sentence on the preview, unless a run is told of."""
        if self.bar.isHidden():
            self.tell(sentence)

    def show_preview(self, *, on: bool) -> None:
        """Show whether a preview is on."""
        self.buttons["preview"].setChecked(on)

    def show_run(self, *, on: bool) -> None:
        """Show whether a run is on: one at a time."""
        self.buttons["run"].setEnabled(not on)
        self.buttons["run"].setText("Running" if on else "Run")
        self.buttons["cancel"].setEnabled(on)
        self.bar.setVisible(on)

    def show_progress(self, progress: Progress, sentence: str) -> None:
        """Show how far a run is."""
        self.bar.setMaximum(progress.tiles)  # 0 makes the bar a busy one
        self.bar.setValue(progress.done)
        self.tell(sentence)

    def _parts(self, form: Form) -> list[QWidget]:
        step = _side_by_side(form.step.native, form.step_um.native, form.unit.native)
        return [
            _rows([("Images", form.images), ("Level", form.level), ("Method", form.method)]),
            _rows([("Step", step)]),
            _holding(self._parameters),
            _rows([("Boundaries", form.boundaries)]),
            _folded("Where", [("Mask", form.mask), ("Region", form.region)]),
            _folded("Output", [
                ("Folder", form.folder), ("Name", form.output), ("Computes on", _device())
            ]),
            _side_by_side(self.buttons["preview"], self.buttons["run"], self.buttons["cancel"]),
            _side_by_side(self.buttons["copy"]),
            self.bar,
            self.status,
        ]  # fmt: skip


class _Label(QLabel):
    """The label of a field; all are as wide as the longest, so that fields begin in one line."""

    def sizeHint(self) -> QSize:  # noqa: N802 - of Qt
        """Return a size that has room for each label there is, in the font of this one."""
        metrics, hint = self.fontMetrics(), super().sizeHint()
        margin = hint.width() - metrics.horizontalAdvance(self.text())
        widest = max(metrics.horizontalAdvance(text) for text in (self.text(), *_labels()))
        return QSize(widest + margin, hint.height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - of Qt
        """Return the same: fields give way, labels do not."""
        return self.sizeHint()


@cache
def _labels() -> tuple[str, ...]:
    """Return the longest labels of the form and of all methods."""
    of_methods = (label_of(one) for method in METHODS for one in parameters_of(method))
    return (*LABELS, *of_methods)


def _rows(rows: Sequence[tuple[str, Any]]) -> QWidget:
    layout = QFormLayout()
    for text, field in rows:
        native = field.native if isinstance(field, Widget) else field
        _add_row(layout, text, native, native.toolTip())
    return _holding(layout)


def _add_row(layout: QFormLayout, text: str, native: QWidget, tooltip: str | None) -> None:
    label = _Label(text)
    label.setToolTip(tooltip or "")
    native.show()
    native.setMinimumWidth(0)
    native.setSizePolicy(QSizePolicy.Policy.Ignored, native.sizePolicy().verticalPolicy())
    layout.addRow(label, native)


def _holding(layout: QFormLayout) -> QWidget:
    """Return a widget with a layout, no higher than its rows."""
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setVerticalSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    holder = QWidget()
    holder.setLayout(layout)
    holder.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
    return holder


def _folded(title: str, rows: Sequence[tuple[str, Any]]) -> QWidget:
    # Its icons are black on napari's dark theme, so the triangle is part of the text.
    section = QCollapsible(expandedIcon=QIcon(), collapsedIcon=QIcon())
    section.setDuration(0)
    section.toggleButton().setStyleSheet("text-align: left; background: transparent; padding: 2px")
    section.addWidget(_rows(rows))
    for layout in (section.layout(), section.content().layout()):
        if layout is not None:
            layout.setContentsMargins(0, 0, 0, 0)
    section.toggled.connect(lambda open_: section.setText(f"{'▾' if open_ else '▸'} {title}"))
    section.setText(f"▸ {title}")
    return section


def _side_by_side(*parts: QWidget) -> QWidget:
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for part in parts:
        layout.addWidget(part)
    return holder


_TEXTS = {"preview": "Preview", "run": "Run", "cancel": "Cancel", "copy": "Copy as script"}


def _device() -> QLabel:
    """Return what computes, as text: the methods of today leave no choice."""
    label = QLabel(", ".join(device.label for device in devices()))
    label.setToolTip(TOOLTIPS["device"])
    return label


def _button(name: str) -> QPushButton:
    button = QPushButton(_TEXTS[name])
    button.setToolTip(TOOLTIPS[name])
    return button


def _bar() -> QProgressBar:
    bar = QProgressBar()
    bar.setTextVisible(False)
    bar.setMaximumHeight(8)
    bar.hide()
    return bar


def _status() -> QLabel:
    status = QLabel()
    status.setWordWrap(True)
    status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    status.setAlignment(Qt.AlignmentFlag.AlignTop)
    status.setMinimumHeight(STATUS_LINES * status.fontMetrics().lineSpacing())
    status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
    return status
