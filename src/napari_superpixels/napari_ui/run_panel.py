"""How a panel shows a run: its buttons, a bar and a sentence."""

from qtpy.QtWidgets import QLabel, QProgressBar, QPushButton

from napari_superpixels.engine.tally import Progress


class RunPanel:
    """What panels that run something have in common."""

    buttons: dict[str, QPushButton]
    """By name; ``run`` and ``cancel`` are among them."""
    bar: QProgressBar
    """Seen while a run is on."""
    status: QLabel
    """What was said last."""

    def tell(self, sentence: str) -> None:
        """Show one sentence, of what was said last."""
        self.status.setText(sentence)

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
