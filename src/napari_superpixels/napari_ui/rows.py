"""What panels are made of: rows of labels and fields, folded ones, a bar, a status."""

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
    QWidget,
)
from superqt import QCollapsible

from napari_superpixels.models.registry import DENSE, METHODS
from napari_superpixels.napari_ui.parameters import label_of, parameters_of

LABELS = ("Boundaries", "Computes on")
"""The longest labels of the forms' own."""
STATUS_LINES = 3
"""Lines that are kept free for sentences, so that buttons stay where they are."""


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
    of_methods = (label_of(one) for method in METHODS | DENSE for one in parameters_of(method))
    return (*LABELS, *of_methods)


def rows_of(rows: Sequence[tuple[str, Any]]) -> QWidget:
    """Return rows of a label and a field each."""
    layout = QFormLayout()
    for text, field in rows:
        native = field.native if isinstance(field, Widget) else field
        add_row(layout, text, native, native.toolTip())
    return holding(layout)


def add_row(layout: QFormLayout, text: str, native: QWidget, tooltip: str | None) -> None:
    """Add a label and a field, as narrow as the dock wants them."""
    label = _Label(text)
    label.setToolTip(tooltip or "")
    native.show()
    native.setMinimumWidth(0)
    native.setSizePolicy(QSizePolicy.Policy.Ignored, native.sizePolicy().verticalPolicy())
    layout.addRow(label, native)


def holding(layout: QFormLayout) -> QWidget:
    """Return a widget with a layout, no higher than its rows."""
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setVerticalSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    holder = QWidget()
    holder.setLayout(layout)
    holder.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
    return holder


def folded(title: str, content: QWidget) -> QWidget:
    """Return rows under a title that opens and closes them; closed."""
    # Its icons are black on napari's dark theme, so the triangle is part of the text.
    section = QCollapsible(expandedIcon=QIcon(), collapsedIcon=QIcon())
    section.setDuration(0)
    section.toggleButton().setStyleSheet("text-align: left; background: transparent; padding: 2px")
    section.addWidget(content)
    for layout in (section.layout(), section.content().layout()):
        if layout is not None:
            layout.setContentsMargins(0, 0, 0, 0)
    section.toggled.connect(lambda open_: section.setText(f"{'▾' if open_ else '▸'} {title}"))
    section.setText(f"▸ {title}")
    return section


def side_by_side(*parts: QWidget) -> QWidget:
    """Return widgets in one line."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for part in parts:
        layout.addWidget(part)
    return holder


def make_button(text: str, tooltip: str) -> QPushButton:
    """Return a button."""
    made = QPushButton(text)
    made.setToolTip(tooltip)
    return made


def make_bar() -> QProgressBar:
    """Return a thin progress bar, hidden."""
    bar = QProgressBar()
    bar.setTextVisible(False)
    bar.setMaximumHeight(8)
    bar.hide()
    return bar


def make_status(lines: int = STATUS_LINES) -> QLabel:
    """Return a text of a few lines, to be selected and copied."""
    status = QLabel()
    status.setWordWrap(True)
    status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    status.setAlignment(Qt.AlignmentFlag.AlignTop)
    status.setMinimumHeight(lines * status.fontMetrics().lineSpacing())
    status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
    return status
