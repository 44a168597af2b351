"""The curve of a training: places of values, and what is painted."""

from typing import Any

import pytest

from napari_superpixels.napari_ui.diary import Learnt
from napari_superpixels.napari_ui.loss_curve import (
    LOSS,
    SCORE,
    LossCurve,
    bounds,
    curve_points,
    score_bounds,
)


def test_values_fill_the_range() -> None:
    assert curve_points([3.0, 1.0], 4, (1.0, 3.0)) == [(0.25, 1.0), (0.5, 0.0)]


def test_what_is_no_number_is_left_out() -> None:
    assert [x for x, _ in curve_points([1.0, float("nan"), 2.0], 3, (1.0, 2.0))] == [1 / 3, 1.0]
    assert bounds([float("nan"), 2.0, 5.0]) == (2.0, 5.0)


@pytest.mark.parametrize("values", [[], [2.0], [2.0, 2.0], [float("inf")]])
def test_the_ends_are_apart_whatever_the_values(values: list[float]) -> None:
    low, high = bounds(values)
    assert low < high


def test_scores_stay_in_their_range() -> None:
    assert score_bounds([1.0]) == (0.5, 1.0)
    assert score_bounds([0.25, 0.75]) == (0.25, 0.75)


def _colours(curve: LossCurve) -> set[tuple[int, int, int]]:
    image = curve.grab().toImage()
    pixels = (image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height()))
    return {(pixel.red(), pixel.green(), pixel.blue()) for pixel in pixels}


@pytest.mark.parametrize("name", ["asa", "miou", "delta1"])
def test_losses_and_scores_are_painted_in_their_colours(qtbot: Any, name: str) -> None:
    curve = LossCurve()
    qtbot.addWidget(curve)
    curve.resize(120, 90)
    loss, score = ((c.red(), c.green(), c.blue()) for c in (LOSS, SCORE))
    assert not {loss, score} & _colours(curve)
    curve.show_learnt(Learnt(steps=4, losses=(0.5, 0.25, 0.3)))
    assert loss in _colours(curve)
    assert score not in _colours(curve)
    scores = ((0, {name: 0.9, "other": 2.0}), (2, {name: 0.95, "other": 3.0}))
    curve.show_learnt(Learnt(steps=4, losses=(0.5, 0.25, 0.3), scores=scores))
    assert {loss, score} <= _colours(curve)
