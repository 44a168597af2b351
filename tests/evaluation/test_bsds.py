"""Folders of annotated images as samples; `training.pairs` has the tests of what cannot be read."""

import numpy as np
import pytest
from skimage.io import imread, imsave

from napari_superpixels.errors import InputError, SourceError
from napari_superpixels.evaluation.bsds import Samples


def test_samples_are_read_in_order_and_one_by_one(annotated_folder):
    samples = Samples(annotated_folder)
    assert [sample.name for sample in samples] == ["0", "1", "2"]
    assert np.array_equal(samples[2].image, imread(annotated_folder / "2.png"))
    assert samples[2].segmentations.shape == (3, 60, 80)
    assert [sample.name for sample in samples[1:]] == ["1", "2"]


def test_a_limit_spreads_over_the_folder(annotated_folder):
    assert [sample.name for sample in Samples(annotated_folder, limit=2)] == ["0", "1"]
    assert len(Samples(annotated_folder, limit=9)) == 3


def test_grey_images_become_colour(tmp_path):
    grey = np.linspace(50, 200, 600).reshape(20, 30).astype(np.uint8)
    imsave(tmp_path / "a.png", grey, check_contrast=False)
    imsave(tmp_path / "a.labels.png", grey // 100, check_contrast=False)
    (sample,) = Samples(tmp_path)
    assert sample.image.shape == (20, 30, 3)
    assert np.array_equal(sample.image[..., 0], sample.image[..., 2])
    assert (sample.image.min(), sample.image.max()) == (0, 255), "stretched, as for a network"
    assert np.array_equal(sample.segmentations, grey[None] // 100)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(SourceError, match="is empty"):
        Samples(tmp_path)


def test_annotations_without_image_are_refused(annotated_folder):
    (annotated_folder / "1.png").unlink()
    with pytest.raises(SourceError, match=r"1\.npz' have no image in"):
        Samples(annotated_folder)


def test_annotations_of_another_size_are_refused(annotated_folder):
    np.savez(annotated_folder / "0.npz", segmentations=np.zeros((1, 80, 60), int))
    with pytest.raises(InputError, match="80 x 60 for"):
        Samples(annotated_folder)
