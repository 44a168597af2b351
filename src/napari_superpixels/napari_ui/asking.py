"""The question before a long run: the plan's table, with Run and Cancel."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from napari_superpixels.engine.plan import Plan
    from napari_superpixels.napari_ui.running import Answer


def ask(parent: QWidget, plan: "Plan", answer: "Answer") -> Callable[[], None]:
    """Show what a plan would do, without blocking; return what takes the question away.

    Parameters
    ----------
    parent
        The panel that it belongs to, and with which it goes.
    plan
        What would run.
    answer
        Told whether to go on.
    """
    dialog = QDialog(parent)
    dialog.setWindowTitle("A long run")
    table = QLabel(str(plan))
    table.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
    buttons.addButton("Run", QDialogButtonBox.ButtonRole.AcceptRole)
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    layout = QVBoxLayout(dialog)
    for part in (table, buttons):
        layout.addWidget(part)
    dialog.accepted.connect(lambda: answer(go_on=True))
    dialog.rejected.connect(lambda: answer(go_on=False))
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
    return partial(_take_away, dialog)


def _take_away(dialog: QDialog) -> None:
    if isalive(dialog):  # it goes with its window, too
        dialog.reject()
