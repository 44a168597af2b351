"""Means, gains at equal counts, curves."""

import math
from dataclasses import replace

import numpy as np
import pytest

from napari_superpixels.evaluation.benchmark import Row
from napari_superpixels.evaluation.comparison import Comparison, plot_curves, summary
from napari_superpixels.evaluation.scores import Scores

ONE = Scores(superpixels=1, asa=0, br=0, bp=0, ue_np=0, co=0, ev=0, br_thin=0, br_wide=0)


def row(method, target, image, count, asa, **others):
    scores = replace(ONE, superpixels=count, asa=asa)
    return Row(
        method=method, target=target, image=image, scores=scores, **{"annotation": 0} | others
    )


def gain(rows):
    return Comparison(rows).gain("ours", 9, "theirs", "asa")


REFERENCE = [
    row("theirs", 100, "a", 100, 0.90),
    row("theirs", 400, "a", 400, 0.94),
    row("theirs", 100, "b", 50, 0.80),
    row("theirs", 400, "b", 200, 0.90),
]
OURS = [row("ours", 9, "a", 200, 0.93), row("ours", 9, "b", 100, 0.88)]


def test_a_gain_is_measured_at_the_counts_that_the_method_left():
    """Halfway in the logarithm, the reference has .92 in image a and .85 in b."""
    found = gain(REFERENCE + OURS)
    assert (found.images, found.of) == (2, 2)
    assert found.mean == pytest.approx((0.01 + 0.03) / 2)
    assert found.error == pytest.approx(0.01)


def test_images_weigh_the_same_in_gains_whatever_their_annotations():
    more = [row("ours", 9, "b", 100, 0.88, annotation=number) for number in range(1, 5)]
    rows = REFERENCE + OURS + more
    assert gain(rows).mean == pytest.approx(0.02)
    assert Comparison(rows).mean("ours", 9).asa == pytest.approx((0.93 + 5 * 0.88) / 6)


def test_nothing_is_extrapolated_and_that_is_said():
    far = [row("ours", 9, "a", 401, 0.93)]
    found = gain(REFERENCE + far + OURS[1:])
    assert (found.images, found.of, found.mean) == (1, 2, pytest.approx(0.03))
    assert math.isnan(found.error)
    assert str(found) == "+0.0300 (1 of 2)"
    assert str(gain(REFERENCE + far)) == "(0 of 1)"
    assert gain(OURS).images == 0


def test_further_rows_reach_but_are_no_lines_and_no_points_of_a_curve():
    further = row("theirs", 680, "a", 800, 0.98, further=True)
    ours = [row("ours", 9, "a", 800, 0.99)]
    found = Comparison([*REFERENCE, *ours, further])
    assert found.gain("ours", 9, "theirs", "asa").mean == pytest.approx(0.01)
    assert found.measured == [("theirs", 100), ("theirs", 400), ("ours", 9)]
    assert len(found.curve("theirs")) == 2


def test_equal_counts_of_the_reference_are_averaged():
    """Whichever of .90 and .92 came first, the reference has .91 there."""
    same = [row("theirs", target, "a", 100, asa) for target, asa in ((90, 0.90), (110, 0.92))]
    ours = [row("ours", 9, "a", 100, 0.95)]
    assert gain([*same, *ours]).mean == pytest.approx(0.04)
    assert gain([*same[::-1], *ours]).mean == pytest.approx(0.04)


def test_a_comparison_looks_at_each_row_once():
    """Counted, not timed: scanning all rows for each image would be 400 times as much."""
    looked = []

    class Watched(Row):
        def __getattribute__(self, name):
            if name == "scores":
                looked.append(self)
            return super().__getattribute__(name)

    rows = [
        Watched(method=method, target=target, image=str(image), annotation=0, scores=ONE)
        for method in ("ours", "theirs")
        for target in (1, 2)
        for image in range(100)
    ]
    summary(Comparison(rows), "theirs")
    assert len(looked) <= 2 * len(rows)


def test_a_curve_has_the_means_of_all_annotations_by_count():
    points = Comparison(REFERENCE).curve("theirs")
    assert [point.superpixels for point in points] == [75, 300]
    assert [point.asa for point in points] == pytest.approx([0.85, 0.92])


def test_the_table_compares_all_but_the_reference():
    header, lines = summary(Comparison(OURS + REFERENCE), "theirs")
    assert header[-2:] == ["ASA - theirs", "BR - theirs"]
    assert lines[0][:4] == ["ours", 9, 150, pytest.approx(0.905)]
    assert lines[0][-2:] == ["+0.0200 ± 0.0100 (2 of 2)", "+0.0000 ± 0.0000 (2 of 2)"]
    assert lines[1][-2:] == ["", ""]
    assert len(summary(Comparison(OURS), None)[0]) == len(header) - 2


def test_pictures_have_plain_counts_and_the_spread_over_images():
    from matplotlib.figure import Figure

    figure = Figure()
    asa, br_bp = figure.subplots(1, 2)
    plot_curves(Comparison(REFERENCE), asa, br_bp)
    figure.draw_without_rendering()
    assert {"100", "200"} <= {label.get_text() for label in asa.get_xticklabels()}
    (bars,) = asa.containers
    segments = bars[2][0].get_segments()
    spans = [segment[1][1] - segment[0][1] for segment in segments]
    assert spans == pytest.approx([2 * 0.05, 2 * 0.02])
    assert [text.get_text() for text in br_bp.texts] == ["75", "300"]
    assert np.all(np.isfinite(asa.get_xlim()))
