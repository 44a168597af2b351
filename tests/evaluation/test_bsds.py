"""Folders of annotated images: what is read, and sentences for what cannot be."""

import numpy as np
import pytest

from napari_superpixels.errors import SourceError
from napari_superpixels.evaluation.bsds import Samples, read_sample


def test_samples_are_read_in_order_and_one_by_one(annotated_folder):
    samples = Samples(annotated_folder)
    assert [sample.name for sample in samples] == ["0", "1", "2"]
    assert samples[2].image.shape == (60, 80, 3)
    assert samples[2].segmentations.shape == (3, 60, 80)
    assert [sample.name for sample in samples[1:]] == ["1", "2"]


def test_a_limit_spreads_over_the_folder(annotated_folder):
    assert [path.stem for path in Samples(annotated_folder, limit=2).paths] == ["0", "1"]
    assert len(Samples(annotated_folder, limit=9)) == 3


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"no NAME\.npz"):
        Samples(tmp_path)


def test_annotations_without_image_are_refused(annotated_folder):
    (annotated_folder / "1.png").unlink()
    with pytest.raises(SourceError, match="no image beside it"):
        Samples(annotated_folder)[1]


def test_other_arrays_are_refused(annotated_folder):
    np.savez(annotated_folder / "0.npz", labels=np.zeros((60, 80)))
    with pytest.raises(SourceError, match="'labels'"):
        read_sample(annotated_folder / "0.npz")


def test_annotations_of_another_size_are_refused(annotated_folder):
    np.savez(annotated_folder / "0.npz", segmentations=np.zeros((1, 80, 60)))
    with pytest.raises(SourceError, match=r"\(1, 80, 60\)"):
        read_sample(annotated_folder / "0.npz")
