"""The benchmark: rows, gains at equal counts, files."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest

from napari_superpixels.errors import InputError, OutputError
from napari_superpixels.evaluation.benchmark import Gain, Row, curve, gain, run, summary
from napari_superpixels.evaluation.bsds import Samples
from napari_superpixels.evaluation.protocol import Scores
from napari_superpixels.evaluation.report import write_report

ONE = Scores(superpixels=1, asa=0, br=0, bp=0, ue_np=0, co=0, ev=0, br_thin=0, br_wide=0)


def stripes(image, target):
    width = image.shape[1]
    return np.broadcast_to(np.arange(width) * target // width, image.shape[:2])


def one_label(image, target):
    return np.ones(image.shape[:2], int)


def row(method, target, image, count, asa, annotation=0):
    scores = replace(ONE, superpixels=count, asa=asa)
    return Row(method=method, target=target, image=image, annotation=annotation, scores=scores)


REFERENCE = [
    row("theirs", 100, "a", 100, 0.90),
    row("theirs", 400, "a", 400, 0.94),
    row("theirs", 100, "b", 50, 0.80),
    row("theirs", 400, "b", 200, 0.90),
]


def test_every_annotation_is_a_row_in_order(annotated_folder):
    rows = run({"one": one_label, "stripes": stripes}, Samples(annotated_folder), [2, 4])
    assert len(rows) == 2 * 2 * (1 + 2 + 3)
    assert [(r.method, r.target) for r in rows[::6]] == [
        ("one", 2), ("one", 4), ("stripes", 2), ("stripes", 4),
    ]  # fmt: skip
    assert [(r.image, r.annotation) for r in rows[:6]] == [
        ("0", 0), ("1", 0), ("1", 1), ("2", 0), ("2", 1), ("2", 2),
    ]  # fmt: skip
    assert {r.scores.asa for r in rows if r.method == "stripes"} == {1.0}
    assert {r.scores.asa for r in rows if r.method == "one"} == {0.5}


def test_threads_change_nothing_and_all_is_told(annotated_folder):
    told = []
    samples, methods = Samples(annotated_folder), {"stripes": stripes}
    alone = run(methods, samples, [2, 3], told=lambda *done: told.append(done))
    assert run(methods, samples, [2, 3], workers=3) == alone
    assert set(told) == {("stripes", target, image) for target in (2, 3) for image in "012"}


def test_a_gain_is_measured_at_the_counts_that_the_method_left():
    """Halfway in the logarithm, the reference has .92 in image a and .85 in b."""
    ours = [row("ours", 9, "a", 200, 0.93), row("ours", 9, "b", 100, 0.88)]
    found = gain(REFERENCE + ours, "ours", 9, "theirs", "asa")
    assert found.images == 2
    assert found.mean == pytest.approx((0.01 + 0.03) / 2)
    assert found.error == pytest.approx(0.01)


def test_images_weigh_the_same_whatever_their_annotations():
    ours = [row("ours", 9, "a", 200, 0.93), row("ours", 9, "b", 100, 0.88)]
    ours += [row("ours", 9, "b", 100, 0.88, annotation=number) for number in range(1, 5)]
    assert gain(REFERENCE + ours, "ours", 9, "theirs", "asa").mean == pytest.approx(0.02)


def test_nothing_is_extrapolated():
    ours = [row("ours", 9, "a", 401, 0.93), row("ours", 9, "b", 100, 0.88)]
    found = gain(REFERENCE + ours, "ours", 9, "theirs", "asa")
    assert (found.images, found.mean) == (1, pytest.approx(0.03))
    assert math.isnan(found.error)
    assert gain(REFERENCE + ours[:1], "ours", 9, "theirs", "asa") is None
    assert gain(ours, "ours", 9, "theirs", "asa") is None


def test_a_curve_has_the_means_of_all_annotations_by_count():
    points = curve(REFERENCE, "theirs")
    assert [point.superpixels for point in points] == [75, 300]
    assert [point.asa for point in points] == pytest.approx([0.85, 0.92])


def test_the_table_compares_all_but_the_reference():
    ours = [row("ours", 9, "a", 200, 0.93), row("ours", 9, "b", 100, 0.88)]
    header, lines = summary(ours + REFERENCE, "theirs")
    assert header[-2:] == ["ASA - theirs", "BR - theirs"]
    assert lines[0][:4] == ["ours", 9, 150, pytest.approx(0.905)]
    assert lines[0][-2:] == ["+0.0200 ± 0.0100 (2)", "+0.0000 ± 0.0000 (2)"]
    assert lines[1][-2:] == ["", ""]
    assert summary(ours[:1] + REFERENCE, "theirs")[1][0][-2] == "+0.0100 (1)"
    assert len(summary(ours, None)[0]) == len(header) - 2
    assert Gain(mean=1.0, error=0.0, images=1).images == 1


def test_a_report_is_tables_and_pictures(annotated_folder, tmp_path):
    from skimage.io import imread

    rows = run({"one": one_label, "stripes": stripes}, Samples(annotated_folder), [2, 4])
    written = write_report(tmp_path / "out", "ours", rows, reference="one", about="Three images.")
    assert {path.name for path in written} == {
        "ours-rows.csv", "ours-scores.csv", "ours.md", "ours-asa.png", "ours-br-bp.png",
    }  # fmt: skip
    with (tmp_path / "out" / "ours-rows.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 24
    assert float(table[-1]["asa"]) == 1.0
    page = (tmp_path / "out" / "ours.md").read_text()
    assert "Three images." in page
    assert "| stripes | 4 " in page.replace("     ", " ").replace("  ", " ")
    for path in written:
        if path.suffix == ".png":
            assert len(np.unique(imread(path)[..., 0])) > 10


def test_a_report_that_cannot_be_written_is_told(annotated_folder, tmp_path):
    rows = run({"one": one_label}, Samples(annotated_folder), [2])
    (tmp_path / "file").write_text("taken")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(tmp_path / "file", "ours", rows, reference=None, about="")


def test_without_matplotlib_there_is_a_sentence(annotated_folder, tmp_path, monkeypatch):
    import sys

    rows = run({"one": one_label}, Samples(annotated_folder), [2])
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match="pip install"):
        write_report(tmp_path / "out", "ours", rows, reference=None, about="")
