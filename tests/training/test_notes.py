"""What is said about annotations before a training."""

import numpy as np
import pytest
from skimage.io import imsave

from napari_superpixels.training.data import TrainingSet
from napari_superpixels.training.notes import notes_on
from napari_superpixels.training.pairs import find_pairs


def made(tmp_path, labels, void=None):
    imsave(tmp_path / "a.png", np.zeros((20, 20, 3), np.uint8), check_contrast=False)
    np.savez(tmp_path / "a.npz", segmentations=np.array(labels)[None])
    return TrainingSet(find_pairs(tmp_path), void=void)


def halves(low, high):
    labels = np.full((20, 20), low)
    labels[10:] = high
    return labels


@pytest.mark.parametrize(("values", "told"), [((0, 255), 1), ((0, 1), 1), ((1, 2), 0), ((0, 7), 0)])
def test_a_mask_is_told(tmp_path, values, told):
    notes = notes_on(made(tmp_path, halves(*values)), 1)
    assert len(notes) == told
    assert all("skimage.measure.label" in note for note in notes)


@pytest.mark.parametrize(("void", "told"), [(2, 0), (99, 1), (None, 0)])
def test_a_label_that_nothing_has_is_told(tmp_path, void, told):
    assert len(notes_on(made(tmp_path, halves(1, 2), void), 1)) == told


def test_that_nothing_is_held_out_is_told(tmp_path):
    (note,) = notes_on(made(tmp_path, halves(1, 2)), 0)
    assert note.startswith("Of 1 images none is held out")
