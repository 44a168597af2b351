"""The curve of a training, painted as it grows: the loss, and a score of what is held out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_superpixels.napari_ui.diary import Learnt
from napari_superpixels.napari_ui.train_wording import SCORES, score_of
from napari_superpixels.training.log import smooth

HEIGHT_PX, LEAST_HEIGHT_PX = 110, 56
MARGIN_PX = 4
LOSS, SCORE = QColor("#4f9dde"), QColor("#e0a43a")
"""Colours of the loss and of the score; both can be told from napari's light and dark themes."""
SMOOTH_SHARE = 20
"""The bold line is a mean over this part of the steps that are done."""

Points = list[tuple[float, float]]
"""x and y, each from 0 to 1, y upwards."""


def curve_points(values: Sequence[float], steps: int, ends: tuple[float, float]) -> Points:
    """Return the places of the values of steps 1, 2, ... in a range that fills the height."""
    low, high = ends
    return [
        (number / max(1, steps), (value - low) / (high - low))
        for number, value in enumerate(values, start=1)
        if np.isfinite(value)
    ]


def bounds(values: Sequence[float]) -> tuple[float, float]:
    """Return what the lower and the upper edge stand for: apart, also for a single value."""
    finite: NDArray[np.float64] = np.array([value for value in values if np.isfinite(value)])
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def score_bounds(values: Sequence[float]) -> tuple[float, float]:
    """Return the same for scores, which never leave 0 to 1."""
    low, high = bounds(values)
    return max(low, 0.0), min(high, 1.0)


class LossCurve(QWidget):
    """Shows how far a training is; as wide as the panel."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumHeight(LEAST_HEIGHT_PX)
        self.setMaximumHeight(HEIGHT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self.setToolTip(
            "The loss of each step (blue; the bold line is its mean over some steps) and, where a "
            "part of what is annotated is held out, ASA or mIoU there (orange, of 0 to 1)."
        )
        self._learnt = Learnt()

    def show_learnt(self, learnt: Learnt) -> None:
        """Show how far a training is now."""
        if learnt != self._learnt:
            self._learnt = learnt
            self.update()

    def paintEvent(self, _: object) -> None:  # noqa: N802 - of Qt
        """Paint frame, curves and the ends of their ranges."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        line = painter.fontMetrics().height()
        area = QRectF(self.rect()).adjusted(MARGIN_PX, line, -MARGIN_PX, -line)
        painter.setPen(QPen(text, 0.5))
        painter.drawRect(area)
        self._paint_losses(painter, area)
        self._paint_scores(painter, area)
        self._paint_texts(painter, text)
        painter.end()

    def _paint_losses(self, painter: QPainter, area: QRectF) -> None:
        losses, steps = self._learnt.losses, self._learnt.steps
        if not losses:
            return
        faint = QColor(LOSS)
        faint.setAlphaF(0.35)
        mean = smooth(list(losses), max(1, len(losses) // SMOOTH_SHARE))
        for pen, values in ((QPen(faint, 1), losses), (QPen(LOSS, 2), mean)):
            painter.setPen(pen)
            painter.drawPolyline(_on(area, curve_points(values, steps, bounds(losses))))

    def _paint_scores(self, painter: QPainter, area: QRectF) -> None:
        painter.setPen(QPen(SCORE, 5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        watched = [
            (step, scores[score_of(scores)])
            for step, scores in self._learnt.scores
            if score_of(scores)
        ]
        low, high = score_bounds([value for _, value in watched])
        for step, value in watched:
            place = (step / max(1, self._learnt.steps), (value - low) / (high - low))
            painter.drawPoints(_on(area, [place]))

    def _paint_texts(self, painter: QPainter, colour: QColor) -> None:
        learnt = self._learnt
        painter.setPen(colour)
        top, bottom = Qt.AlignmentFlag.AlignTop, Qt.AlignmentFlag.AlignBottom
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        place = self.rect().adjusted(MARGIN_PX, 0, -MARGIN_PX, 0)
        if learnt.losses:
            low, high = bounds(learnt.losses)
            painter.drawText(place, top | left, f"loss {high:.3g}")
            painter.drawText(place, bottom | left, f"{low:.3g}")
        main = score_of(learnt.scores[0][1]) if learnt.scores else ""
        if main:
            found = [scores[main] for _, scores in learnt.scores if main in scores]
            low, high = score_bounds(found)
            painter.drawText(place, top | right, f"{SCORES[main][0]} {high:.4f}")
            painter.drawText(place, bottom | right, f"{low:.4f}")


def _on(area: QRectF, points: Points) -> QPolygonF:
    return QPolygonF(
        [
            QPointF(area.left() + x * area.width(), area.bottom() - y * area.height())
            for x, y in points
        ]
    )
