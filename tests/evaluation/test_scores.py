"""Scores: the public measures, computed together."""

import numpy as np
import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.evaluation.bsds import Sample, Samples
from napari_superpixels.evaluation.scores import Scorer
from napari_superpixels.labels import metrics, shapes


def stripes(image, count):
    width = image.shape[1]
    return np.broadcast_to(np.arange(width) * count // width, image.shape[:2])


def test_every_annotation_is_a_row(annotated_folder):
    sample = Samples(annotated_folder)[2]
    rows = Scorer(sample)(stripes(sample.image, 2))
    assert len(rows) == 3
    assert rows[0].asa == rows[0].br == rows[0].bp == rows[0].br_thin == rows[0].br_wide == 1.0
    assert rows[0].superpixels == 2


def test_together_they_are_what_each_measure_is_alone():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (300, 420, 3), np.uint8)
    truths = np.kron(rng.integers(-3, 5, (2, 30, 42)), np.ones((10, 10), np.int64))
    labels = np.kron(rng.integers(0, 90, (60, 60)), np.ones((5, 7), np.int64)) * 1000
    rows = Scorer(Sample("noise", image, truths))(labels)
    for row, truth in zip(rows, truths, strict=True):
        assert row.superpixels == metrics.count_superpixels(labels)
        assert row.asa == metrics.achievable_segmentation_accuracy(labels, truth)
        assert row.ue_np == metrics.undersegmentation_error_np(labels, truth)
        assert row.br == metrics.boundary_recall(labels, truth)
        assert row.bp == metrics.boundary_precision(labels, truth)
        assert row.br_thin == metrics.boundary_recall(labels, truth, radius=1, thin=True)
        assert row.br_wide == metrics.boundary_recall(labels, truth, radius=2)
        assert row.co == shapes.compactness(labels)
        assert row.ev == shapes.explained_variation(labels, image)
    assert rows[0] != rows[1]


def test_labels_of_another_size_are_refused(annotated_folder):
    scorer = Scorer(Samples(annotated_folder)[0])
    with pytest.raises(InputError, match="shapes"):
        scorer(np.ones((5, 5), int))
