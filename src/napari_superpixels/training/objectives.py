"""What each recipe minimises: the losses of one paper, on one network's outputs."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from napari_superpixels.networks import grid, pcnet, ssn
from napari_superpixels.networks.association import Step, associate, candidates_only
from napari_superpixels.training.boundary import (
    boundary_perceiving_loss,
    guiding_mask,
    local_discrimination_loss,
    masked_image_loss,
    near_borders,
    sample_patches,
)
from napari_superpixels.training.data import Batch
from napari_superpixels.training.losses import (
    SUM_WEIGHT,
    compactness_loss,
    label_loss,
    segments,
    superpixel_loss,
)

WHITE = 255.0
CELL: Step = (grid.CELL, grid.CELL)

COMPACTNESS_WEIGHT = 1e-5
"""The paper's lambda of SSN, on squared pixels."""
POSITION_WEIGHT = 0.003
"""Of SCN, AINet and PCNet, over the size of a cell."""
BOUNDARY_WEIGHT = 0.5
"""AINet's alpha."""
LOCAL_WEIGHT = 0.1
"""PCNet's alpha, of the local branch; its code has 0.5."""
DISCRIMINATION_WEIGHT = 0.5
"""PCNet's beta."""

Terms = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class SsnLoss:
    """Cross-entropy of reconstructed labels and compactness (SSN, section 4.3)."""

    step: Step
    iterations: int = 5
    """The paper's v in training."""

    def __call__(
        self, network: nn.Module, batches: tuple[Batch, ...], step: int, rng: np.random.Generator
    ) -> Terms:
        """Return the terms; see `recipe.Loss`."""
        (batch,) = batches
        assert isinstance(network, ssn.Ssn), "the recipe makes the network"
        image = ssn.normalise(batch.image / WHITE)
        association = network.cluster(image, self.step, self.iterations).association
        truth = segments(batch.labels, association)
        return {
            "label": label_loss(association, truth, self.step),
            "compactness": COMPACTNESS_WEIGHT * compactness_loss(association, self.step),
        }


def _outputs(network: nn.Module, image: Tensor) -> tuple[Tensor, Tensor]:
    """Return association and embedding, in single precision, of a normalised image."""
    assert isinstance(network, grid.GridNetwork), "the recipe makes the network"
    logits, embedding = network.outputs(image)
    return associate(candidates_only(logits.float(), CELL)), embedding.float()


def _superpixels(association: Tensor, labels: Tensor) -> Terms:
    return superpixel_loss(association, segments(labels, association), CELL, POSITION_WEIGHT)


def beside_means(batch: Batch) -> float:
    """Return what a term weighs beside means that weighs 1 beside 0.005 of sums over a crop."""
    return 1 / (SUM_WEIGHT * batch.image.shape[-2] * batch.image.shape[-1])


@dataclass(frozen=True, slots=True)
class ScnLoss:
    """Reconstructed labels and positions (SCN, Eq. 3 and 4)."""

    def __call__(
        self, network: nn.Module, batches: tuple[Batch, ...], step: int, rng: np.random.Generator
    ) -> Terms:
        """Return the terms; see `recipe.Loss`."""
        (batch,) = batches
        association, _ = _outputs(network, grid.normalise(batch.image / WHITE))
        return _superpixels(association, batch.labels)


@dataclass(frozen=True, slots=True)
class AinetLoss:
    """SCN's terms, and from some step on the boundary-perceiving loss (AINet, Eq. 10).

    Eq. 10 adds a mean over patches to sums over pixels, of which the published code takes 0.005.
    Beside our means the mean over patches is divided by that and by the number of pixels.
    """

    begin: int
    """The step from which boundaries count; before, the term is 0."""

    def stretched(self, factor: float) -> "AinetLoss":
        """Return the same course over `factor` times as many steps."""
        return AinetLoss(round(self.begin * factor))

    def __call__(
        self, network: nn.Module, batches: tuple[Batch, ...], step: int, rng: np.random.Generator
    ) -> Terms:
        """Return the terms; see `recipe.Loss`."""
        (batch,) = batches
        association, embedding = _outputs(network, grid.normalise(batch.image / WHITE))
        terms = _superpixels(association, batch.labels)
        if step < self.begin:
            return terms | {"boundary": 0 * terms["label"]}
        patches = sample_patches(embedding, batch.labels, rng)
        return terms | {
            "boundary": BOUNDARY_WEIGHT * beside_means(batch) * boundary_perceiving_loss(patches)
        }


@dataclass(frozen=True, slots=True)
class PcnetLoss:
    """PCNet's sum over its global and its local branch (Eq. 8), weighed as for AINet."""

    def __call__(
        self, network: nn.Module, batches: tuple[Batch, ...], step: int, rng: np.random.Generator
    ) -> Terms:
        """Return the terms; see `recipe.Loss`. The batches are the whole image's and a patch's."""
        whole, patch = batches
        found, embedding = self._branch(network, whole, whole.labels)
        local, _ = self._branch(network, patch, guiding_mask(patch.labels))
        apart = local_discrimination_loss(sample_patches(embedding, whole.labels, rng))
        weighted = {f"local_{name}": LOCAL_WEIGHT * term for name, term in local.items()}
        apart = DISCRIMINATION_WEIGHT * beside_means(whole) * apart
        return found | weighted | {"discrimination": apart}

    def _branch(self, network: nn.Module, batch: Batch, labels: Tensor) -> tuple[Terms, Tensor]:
        """Return the terms of one branch, and its embedding."""
        assert isinstance(network, pcnet.Pcnet), "the recipe makes the network"
        image = grid.normalise(batch.image / WHITE)
        association, embedding = _outputs(network, image)
        restored = network.reconstruction(embedding).float()
        near = near_borders(batch.labels)
        picture = beside_means(batch) * masked_image_loss(restored, image, near)
        return _superpixels(association, labels) | {"image": picture}, embedding


def ssn_logits(network: nn.Module, image: Tensor, *, step: Step, iterations: int = 10) -> Tensor:
    """Return a sampling network's logits of an image of 0 to 255, with the paper's v of use."""
    assert isinstance(network, ssn.Ssn), "the recipe makes the network"
    return network.associate(ssn.normalise(image / WHITE), step, iterations)


def grid_logits(network: nn.Module, image: Tensor, *, step: Step = CELL) -> Tensor:
    """Return a grid network's association logits of an image of 0 to 255."""
    assert isinstance(network, grid.GridNetwork), "the recipe makes the network"
    return network.associate(grid.normalise(image / WHITE), step)
