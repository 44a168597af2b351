"""The benchmark: rows as they come, and the reference's reach."""

import numpy as np
import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.evaluation.benchmark import run
from napari_superpixels.evaluation.bsds import Samples


def stripes(image, target):
    width = image.shape[1]
    return np.broadcast_to(np.arange(width) * target // width, image.shape[:2])


def one_label(image, target):
    return np.ones(image.shape[:2], int)


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
    alone = run(methods, samples, [2, 3], told=told.extend)
    assert run(methods, samples, [2, 3], workers=3) == alone
    assert sorted(told, key=alone.index) == alone


def test_what_is_measured_is_told_before_something_fails(annotated_folder):
    def fails_at_the_last(image, target):
        if np.array_equal(image, last):
            raise RuntimeError("no more")
        return stripes(image, target)

    samples, told = Samples(annotated_folder), []
    last = samples[2].image
    with pytest.raises(RuntimeError, match="no more"):
        run({"one": one_label, "fails": fails_at_the_last}, samples, [2, 3], told=told.extend)
    assert len(told) == 2 * 2 * (1 + 2) + 2 * 3


def finer(image, target):
    return stripes(image, target * 5)


def coarser(image, target):
    return stripes(image, max(1, target // 3))


@pytest.mark.parametrize("other", [finer, coarser])
def test_the_reference_is_run_until_it_reaches_around_the_others(annotated_folder, other):
    methods = {"other": other, "theirs": stripes}
    samples, told = Samples(annotated_folder), []
    rows = run(methods, samples, [6, 12], reference="theirs", told=told.extend)
    for image in "012":
        counts = {
            name: [r.scores.superpixels for r in rows if (r.method, r.image) == (name, image)]
            for name in methods
        }
        assert min(counts["theirs"]) <= min(counts["other"])
        assert max(counts["theirs"]) >= max(counts["other"])
    further = [row for row in rows if row.further]
    assert {row.method for row in further} == {"theirs"}
    assert sorted(told, key=rows.index) == rows
    assert not any(row.further for row in run(methods, samples, [6, 12]))


def test_a_reference_that_cannot_reach_ends_the_search(annotated_folder):
    asked = []

    def stuck(image, target):
        asked.append(target)
        if target > 9:
            raise InputError("no such step")
        return stripes(image, 4)

    rows = run({"finer": finer, "stuck": stuck}, Samples(annotated_folder), [6], reference="stuck")
    assert len(rows) == 2 * (1 + 2 + 3)
    assert asked == [6, 11] * 3


def test_a_reference_alone_needs_no_further_rows(annotated_folder):
    rows = run({"stripes": stripes}, Samples(annotated_folder), [4], reference="stripes")
    assert not any(row.further for row in rows)
