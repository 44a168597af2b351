"""How the panel *Train* lies: fields, two buttons, the curve and a sentence."""

from typing import Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_superpixels.napari_ui.diary import Learnt
from napari_superpixels.napari_ui.loss_curve import LossCurve
from napari_superpixels.napari_ui.rows import (
    folded,
    make_bar,
    make_button,
    make_status,
    rows_of,
    side_by_side,
)
from napari_superpixels.napari_ui.tooltips import TRAINING_TOOLTIPS
from napari_superpixels.napari_ui.train_form import TrainForm
from napari_superpixels.napari_ui.train_wording import learning_sentence

STATUS_LINES = 4
"""Lines of the longest sentence, of a training with scores."""

_TEXTS = {"train": "Train", "stop": "Stop"}


class TrainPanel:
    """The panel, made of the form's fields, and what else is on it.

    Parameters
    ----------
    form
        The fields.
    native
        The widget to lay them out on.
    """

    def __init__(self, form: TrainForm, native: QWidget) -> None:
        self.buttons = {
            name: make_button(text, TRAINING_TOOLTIPS[name]) for name, text in _TEXTS.items()
        }
        self.bar, self.curve, self.status = make_bar(), LossCurve(), make_status(STATUS_LINES)
        self.curve.hide()
        form.evenly.native.setText("")
        self._of_classes = rows_of([("Classes", form.classes), ("Balanced", form.evenly)])
        body = native.layout()
        assert isinstance(body, QVBoxLayout), "a container that is laid out vertically"
        for part in self._parts(form):
            body.addWidget(part)
        body.addStretch(1)
        self.show_training(on=False)
        native.setMinimumWidth(260)

    def tell(self, sentence: str) -> None:
        """Show one sentence, of what was said last."""
        self.status.setText(sentence)

    def show_classes(self, *, on: bool) -> None:
        """Show the fields of networks that learn classes."""
        self._of_classes.setVisible(on)

    def show_training(self, *, on: bool) -> None:
        """Show whether a training is on: one at a time."""
        self.buttons["train"].setEnabled(not on)
        self.buttons["train"].setText("Training" if on else "Train")
        self.buttons["stop"].setEnabled(on)
        self.bar.setVisible(on)
        if on:
            self.curve.show()

    def show_learnt(self, learnt: Learnt) -> None:
        """Show how far a training is."""
        self.bar.setMaximum(learnt.steps)  # 0 makes the bar a busy one
        self.bar.setValue(learnt.done)
        self.curve.show_learnt(learnt)
        self.tell(learning_sentence(learnt))

    def _parts(self, form: TrainForm) -> list[QWidget]:
        layers: list[tuple[str, Any]] = [("Image", form.image), ("Labels", form.segments)]
        return [
            rows_of([*layers, ("Method", form.method), ("0 means", form.zero)]),
            self._of_classes,
            rows_of([("Start from", form.start), ("Steps", form.steps)]),
            folded("More", rows_of([("Crop (px)", form.crop), ("Seed", form.seed)])),
            rows_of([("Name", form.weights)]),
            side_by_side(self.buttons["train"], self.buttons["stop"]),
            self.bar,
            self.curve,
            self.status,
        ]
