"""The protocol: rows, means, curves, and nothing extrapolated."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.evaluation.bsds import Samples
from napari_superpixels.evaluation.protocol import Curve, at_count, evaluate, merged
from napari_superpixels.evaluation.scores import Scores

ONE = Scores(superpixels=1, asa=0, br=0, bp=0, ue_np=0, co=0, ev=0, br_thin=0, br_wide=0)


def columns(image, target):
    """Vertical stripes, as many as asked for."""
    width = image.shape[1]
    return np.broadcast_to(np.arange(width) * target // width, image.shape[:2])


def test_images_weigh_by_their_annotations(annotated_folder):
    def only_the_last_is_right(image, target):
        return columns(image, 2 if np.array_equal(image, last) else 1)

    samples = Samples(annotated_folder)
    last = samples[2].image
    assert evaluate(only_the_last_is_right, samples, 0).superpixels == (1 + 2 * 1 + 3 * 2) / 6


def test_threads_do_not_change_scores(annotated_folder):
    samples = Samples(annotated_folder)
    assert evaluate(columns, samples, 5, workers=2) == evaluate(columns, samples, 5)


def test_a_curve_is_evaluated_on_both_sides_of_a_count(annotated_folder):
    asked = []

    def fewer_than_asked(image, target):
        asked.append(target)
        return columns(image, max(1, target * 2 // 3))

    curve = Curve(fewer_than_asked, Samples(annotated_folder))
    found = curve.at(20.4)
    assert found.superpixels == pytest.approx(20.4)
    counts = sorted(point.superpixels for point in curve.points.values())
    assert any(18 <= count <= 20.4 for count in counts)
    assert any(20.4 <= count <= 23 for count in counts)
    before = len(asked)
    curve.at(20.4)
    assert len(asked) == before, "what was evaluated is kept"


def test_interpolation_is_linear_in_the_logarithm_of_the_count():
    points = [replace(ONE, superpixels=100, asa=0.9), replace(ONE, superpixels=200, asa=0.96)]
    assert at_count(points, 100 * 2**0.5).asa == pytest.approx(0.93)
    assert at_count(points, 150).superpixels == 150
    assert at_count(points, 200).asa == 0.96


@pytest.mark.parametrize("count", [99.0, 201.0])
def test_nothing_is_extrapolated(count):
    points = [replace(ONE, superpixels=100), replace(ONE, superpixels=200)]
    with pytest.raises(InputError, match="100 to 200"):
        at_count(points, count)
    with pytest.raises(InputError, match="nothing"):
        at_count([], count)


def test_merging_can_follow_any_method(annotated_folder):
    def with_a_speck(image, target):
        labels = columns(image, target).copy()
        labels[3, 3] = 99
        return labels

    sample = Samples(annotated_folder)[0]
    assert np.array_equal(merged(with_a_speck)(sample.image, 4), columns(sample.image, 4))


def test_means_are_means_of_each_measure():
    mean = Scores.mean([ONE, replace(ONE, superpixels=3, ev=0.5)])
    assert asdict(mean) == asdict(replace(ONE, superpixels=2, ev=0.25))
