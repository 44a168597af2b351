"""A tiny network and a recipe for it, which trains in milliseconds."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_superpixels.networks.association import (
    associate,
    association_logits,
    initial_centres,
)
from napari_superpixels.training.data import Batch, Crops
from napari_superpixels.training.losses import compactness_loss, label_loss, segments
from napari_superpixels.training.recipe import Recipe, Steps

CELL = (8, 8)


class TinyNetwork(nn.Module):
    """Features by two convolutions, one association; stands for the networks of the papers."""

    def __init__(self) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.scale = nn.BatchNorm2d(6)
        self.mix = nn.Conv2d(6, 4, 1)
        self.config: dict[str, Any] = {}

    def associate(self, image: Tensor) -> Tensor:
        """Return association logits of an image of 0 to 255."""
        features = self.mix(torch.relu(self.scale(self.convolve((image - 128) / 64))))
        return association_logits(features, initial_centres(features, CELL), CELL)


def tiny_logits(network: nn.Module, image: Tensor) -> Tensor:
    """Return what the network says."""
    assert isinstance(network, TinyNetwork), "the recipe makes the network"
    return network.associate(image)


def tiny_loss(
    network: nn.Module, batches: tuple[Batch, ...], step: int, rng: np.random.Generator
) -> dict[str, Tensor]:
    """Return SSN's two terms."""
    association = associate(tiny_logits(network, batches[0].image))
    truth = segments(batches[0].labels, association)
    return {
        "label": label_loss(association, truth, CELL),
        "compactness": 1e-4 * compactness_loss(association, CELL),
    }


def tiny_recipe(**changes: Any) -> Recipe:
    """Return a recipe of six steps, with some of its fields otherwise."""
    made = Recipe(
        name="tiny",
        method="tiny",
        table="none",
        network=TinyNetwork,
        logits=tiny_logits,
        loss=tiny_loss,
        crops=(Crops(size=24),),
        batch=2,
        steps=6,
        rate=Steps(1e-3),
        step=CELL[0],
        align=CELL[0],
    )
    return replace(made, **changes)
