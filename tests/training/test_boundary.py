"""Losses around borders: which patches are taken, and cases by hand."""

import numpy as np
import pytest
import torch

from napari_superpixels.training.boundary import (
    PATCH,
    Patches,
    boundary_perceiving_loss,
    guiding_mask,
    local_discrimination_loss,
    masked_image_loss,
    near_borders,
    sample_patches,
)
from napari_superpixels.training.losses import VOID


def halves(height=20, width=20):
    labels = torch.full((1, height, width), 3)
    labels[..., width // 2 :] = 8
    return labels


def rng():
    return np.random.default_rng(0)


def patches_of(first, values):
    embedding = torch.tensor(values, dtype=torch.float64)[None, :, None]
    return Patches(embedding, torch.tensor([first], dtype=torch.float64))


def test_patches_hold_two_segments_and_what_the_embedding_says():
    labels = halves()
    embedding = labels[:, None].double().repeat(1, 2, 1, 1)
    patches = sample_patches(embedding, labels, rng())
    assert len(patches.first_BP) == 40 // 5
    assert patches.embedding_BPC.shape[1:] == (PATCH**2, 2)
    assert torch.equal(patches.embedding_BPC[..., 0] == 3, patches.first_BP == 1)


@pytest.mark.parametrize("labels", [torch.zeros(1, 20, 20, dtype=torch.int64), "three", "void"])
def test_no_patch_without_exactly_two_segments(labels):
    if isinstance(labels, str):
        corner = halves()
        corner[:, ::2, 10] = VOID if labels == "void" else 5
        labels = corner
    patches = sample_patches(torch.zeros(1, 2, 20, 20), labels, rng())
    assert len(patches.first_BP) == 0
    assert float(boundary_perceiving_loss(patches)) == 0.0
    assert float(local_discrimination_loss(patches)) == 0.0


def test_segments_are_halved_in_raster_order():
    patches = patches_of([1, 0, 1, 1, 0, 0, 1, 0], [1.0, 10, 3, 5, 20, 30, 9, 40])
    f1, f2, g1, g2 = (float(part) for part in patches.halves())
    assert (f1, f2, g1, g2) == (2.0, 7.0, 15.0, 35.0)


def test_the_boundary_perceiving_loss_of_a_case_by_hand():
    patches = patches_of([1, 1, 0, 0], [0.0, 1.0, 3.0, 4.0])

    def similarity(distance):
        return 2 / (1 + np.exp(distance))

    expected = -0.5 * (2 * np.log(similarity(1)) + 2 * np.log(1 - similarity(3)))
    assert float(boundary_perceiving_loss(patches)) == pytest.approx(expected)


def test_equal_segments_cost_much_but_never_infinity():
    patches = patches_of([1, 1, 0, 0], [2.0, 2.0, 2.0, 2.0])
    assert 10 < float(boundary_perceiving_loss(patches)) < 100
    far = patches_of([1, 1, 0, 0], [0.0, 0.0, 1e4, 1e4])
    assert float(boundary_perceiving_loss(far)) == pytest.approx(0.0)


def test_the_local_discrimination_loss_of_a_case_by_hand():
    patches = patches_of([1, 1, 0, 0], [0.0, 2.0, 5.0, 9.0])
    assert float(local_discrimination_loss(patches)) == pytest.approx(-(6.0**2) / (1 + 4))


def test_the_guiding_mask_is_the_segment_with_the_longest_border():
    labels = torch.full((1, 9, 9), 4)
    labels[:, 2:7, 2:7] = 9
    labels[:, 8, 8] = 1
    labels[:, 0, 0] = VOID
    mask = guiding_mask(labels)[0]
    assert mask[0, 0] == VOID
    assert mask[3, 3] == 0
    assert mask[0, 5] == 1
    assert guiding_mask(torch.full((1, 3, 3), 6)).tolist() == [[[0] * 3] * 3]


def test_masks_reach_a_little_beyond_borders():
    mask = near_borders(halves(), reach=2)[0, 0]
    assert mask[5].tolist() == [0.0] * 7 + [1.0] * 6 + [0.0] * 7


def test_the_image_loss_counts_the_mask_alone():
    image, target = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 2.0)
    mask = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    assert float(masked_image_loss(image, target, mask)) == 2.0
    assert float(masked_image_loss(image, target, 0 * mask)) == 0.0
