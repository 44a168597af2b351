"""The files of a benchmark: rows as they come, tables, pictures last."""

import csv
import sys

import numpy as np
import pytest

from napari_superpixels.errors import InputError, OutputError
from napari_superpixels.evaluation.benchmark import Row
from napari_superpixels.evaluation.report import KeptRows, check_pictures, write_report
from napari_superpixels.evaluation.scores import Scores


def row(method, target, annotation=0):
    scores = Scores(
        superpixels=target, asa=0.9, br=0.8, bp=0.1, ue_np=0.1, co=0.4, ev=0.8, br_thin=0.7,
        br_wide=0.9,
    )  # fmt: skip
    return Row(method=method, target=target, image="a", annotation=annotation, scores=scores)


ROWS = [row(method, target) for method in ("ours", "theirs") for target in (100, 400)]


def test_rows_are_in_the_file_as_soon_as_they_are_told(tmp_path):
    keep = KeptRows(tmp_path / "out", "ours")
    assert not keep.path.parent.exists()
    for number, each in enumerate(ROWS):
        keep([each])
        assert len(keep.path.read_text().splitlines()) == 1 + number + 1
    with keep.path.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(line["method"], int(line["asked"])) for line in table] == [
        (each.method, each.target) for each in ROWS
    ]
    assert float(table[0]["asa"]) == 0.9


def test_a_report_is_tables_and_pictures(tmp_path):
    from skimage.io import imread

    written = write_report(tmp_path / "out", "ours", ROWS, reference="theirs", about="One image.")
    assert [path.name for path in written] == [
        "ours-scores.csv", "ours.md", "ours-asa.png", "ours-br-bp.png",
    ]  # fmt: skip
    page = (tmp_path / "out" / "ours.md").read_text()
    assert "One image." in page
    assert "+0.0000 (1 of 1)" in page
    for path in written[2:]:
        assert len(np.unique(imread(path)[..., 0])) > 10


def test_the_footer_explains_every_column_and_its_direction(tmp_path):
    write_report(tmp_path, "ours", ROWS, reference="theirs", about="")
    page = " ".join((tmp_path / "ours.md").read_text().split())
    for name in ("K:", "ASA, higher", "BR, higher", "BP, higher", "UE_NP, lower", "EV, higher"):
        assert f"- {name}" in page
    assert "- CO, higher is rounder" in page
    for said in ("tolerance", "over annotations", "means over images", "n of N"):
        assert said in page


def test_a_report_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("taken")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(tmp_path / "file", "ours", ROWS, reference=None, about="")
    with pytest.raises(OutputError, match="cannot be written"):
        KeptRows(tmp_path / "file", "ours")(ROWS)


def test_tables_are_there_when_pictures_fail(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match="pip install"):
        check_pictures()
    with pytest.raises(InputError, match="pip install"):
        write_report(tmp_path, "ours", ROWS, reference=None, about="")
    assert {path.name for path in tmp_path.iterdir()} == {"ours-scores.csv", "ours.md"}
