"""A tiny network, a recipe for it, and annotated images made here."""

import numpy as np
import pytest
import torch
from skimage.io import imsave
from torch import nn

from napari_superpixels.networks.association import associate, association_logits, initial_centres
from napari_superpixels.training.data import Crops, TrainingSet
from napari_superpixels.training.losses import compactness_loss, label_loss, segments
from napari_superpixels.training.pairs import find_pairs
from napari_superpixels.training.recipe import Recipe, Steps

CELL = (8, 8)


class TinyNetwork(nn.Module):
    """Features by two convolutions, one association; stands for the networks of the papers."""

    def __init__(self):
        super().__init__()
        self.convolve = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.normalise = nn.BatchNorm2d(6)
        self.mix = nn.Conv2d(6, 4, 1)

    def associate(self, image, step):
        colours = (image - 128) / 64
        features = self.mix(torch.relu(self.normalise(self.convolve(colours))))
        return association_logits(features, initial_centres(features, step), step)


def tiny_loss(network, batches, step, rng):
    association = associate(network.associate(batches[0].image, CELL))
    truth = segments(batches[0].labels, association)
    return {
        "label": label_loss(association, truth, CELL),
        "compactness": 1e-4 * compactness_loss(association, CELL),
    }


def make_recipe(**changes):
    given = {
        "name": "tiny",
        "method": "tiny",
        "table": "none",
        "network": TinyNetwork,
        "logits": lambda network, image: network.associate(image, CELL),
        "loss": tiny_loss,
        "crops": (Crops(size=24),),
        "batch": 2,
        "steps": 6,
        "rate": Steps(1e-3),
        "step": 8,
        "align": 8,
    }
    return Recipe(**given | changes)


@pytest.fixture
def tiny():
    return make_recipe()


def scene(seed, shape=(40, 56)):
    """A noisy image of a disc on a slope, and two annotations that agree but in their names."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    disc = ((y - rng.integers(10, 30)) ** 2 + (x - rng.integers(12, 44)) ** 2) < 90
    grey = np.where(disc, 170, 60 + x)
    image = np.clip(grey[..., None] + rng.normal(0, 12, (*shape, 3)), 0, 255).astype(np.uint8)
    labels = disc.astype(np.uint16) + 1
    return image, np.stack([labels, labels * 7])


@pytest.fixture
def folder(tmp_path):
    """Three annotated images as BSDS500 has them."""
    place = tmp_path / "images"
    place.mkdir()
    for number in range(3):
        image, labels = scene(number)
        imsave(place / f"{number}.png", image, check_contrast=False)
        np.savez(place / f"{number}.npz", segmentations=labels)
    return place


@pytest.fixture
def data(folder):
    return TrainingSet(find_pairs(folder), seed=3)
