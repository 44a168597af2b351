"""The recipes: one function for each result of the papers that is repeated here.

A recipe's numbers are the paper's; where code and paper differ, the docstring says which was taken.
The ``-cpu`` recipes are our own: the same loss on smaller crops, with a higher and falling learning
rate, so that some hours on one thread come to something.

>>> from napari_superpixels.training.recipes import recipe
>>> recipe("ssn").steps
500000
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from torch import Tensor, nn

from napari_superpixels.errors import InputError
from napari_superpixels.networks import grid, ssn
from napari_superpixels.networks.association import Step, associate
from napari_superpixels.networks.scn import Scn
from napari_superpixels.networks.ssn import Ssn
from napari_superpixels.training.data import Batch, Crops
from napari_superpixels.training.losses import (
    compactness_loss,
    label_loss,
    segments,
    superpixel_loss,
)
from napari_superpixels.training.recipe import Cosine, Recipe, Steps

WHITE = 255.0
COMPACTNESS_WEIGHT = 1e-5
"""The paper's lambda of SSN, on squared pixels."""
POSITION_WEIGHT = 0.003
"""Of SCN, AINet and PCNet, over the size of a cell."""


@dataclass(frozen=True, slots=True)
class SsnLoss:
    """Cross-entropy of reconstructed labels and compactness (SSN, section 4.3)."""

    step: Step
    iterations: int = 5
    """The paper's v in training."""

    def __call__(
        self, network: nn.Module, batches: tuple[Batch, ...], step: int, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Return the terms; see `Loss`."""
        (batch,) = batches
        assert isinstance(network, Ssn), "the recipe makes the network"
        image = ssn.normalise(batch.image / WHITE)
        association = network.cluster(image, self.step, self.iterations).association
        truth = segments(batch.labels, association)
        return {
            "label": label_loss(association, truth, self.step),
            "compactness": COMPACTNESS_WEIGHT * compactness_loss(association, self.step),
        }


@dataclass(frozen=True, slots=True)
class ScnLoss:
    """Reconstructed labels and positions (SCN, Eq. 3 and 4)."""

    step: Step = (grid.CELL, grid.CELL)

    def __call__(
        self, network: nn.Module, batches: tuple[Batch, ...], step: int, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Return the terms; see `Loss`."""
        (batch,) = batches
        assert isinstance(network, grid.GridNetwork), "the recipe makes the network"
        association = associate(network.associate(grid.normalise(batch.image / WHITE)).float())
        truth = segments(batch.labels, association)
        return superpixel_loss(association, truth, self.step, POSITION_WEIGHT)


def ssn_logits(network: nn.Module, image: Tensor, *, step: Step, iterations: int = 10) -> Tensor:
    """Return SSN's association logits of an image of 0 to 255, with the paper's v of use."""
    assert isinstance(network, Ssn), "the recipe makes the network"
    return network.associate(ssn.normalise(image / WHITE), step, iterations)


def grid_logits(network: nn.Module, image: Tensor, *, step: Step) -> Tensor:
    """Return a grid network's association logits of an image of 0 to 255."""
    assert isinstance(network, grid.GridNetwork), "the recipe makes the network"
    return network.associate(grid.normalise(image / WHITE), step)


def _ssn(name: str, table: str, network: Callable[[], nn.Module]) -> Recipe:
    cell = (20, 20)
    return Recipe(
        name=name,
        method="ssn",
        table=table,
        network=network,
        logits=partial(ssn_logits, step=cell),
        loss=SsnLoss(cell),
        crops=(Crops(size=200, scales=(0.75, 3.0), flips="x"),),
        batch=8,
        steps=500_000,
        rate=Steps(1e-4),
        step=cell[0],
        align=4,
    )


def ssn_deep() -> Recipe:
    """SSN_deep (Jampani et al. 2018, Fig. 4 and 5): 500 000 steps of 8 crops, 100 superpixels each.

    The batch of 8 is the paper's, its code has 6; crops are 200 pixels, the paper's 201 less the
    one that 10 x 10 cells cannot share.
    """
    return _ssn("ssn", "SSN, Fig. 5: SSN_deep, k = 20", Ssn)


def ssn_linear() -> Recipe:
    """SSN_linear, the paper's baseline of one convolution (Fig. 4), 200 000 steps."""
    made = _ssn("ssn-linear", "SSN, Fig. 4: SSN_linear", partial(Ssn, "linear"))
    return replace(made, steps=200_000)


def scn() -> Recipe:
    """SCN (Yang et al. 2020, Fig. 5): 300 000 steps, the rate halved after 200 000.

    Batch and schedule are those of the published code.
    """
    return Recipe(
        name="scn",
        method="scn",
        table="SCN, Fig. 5",
        network=Scn,
        logits=partial(grid_logits, step=(grid.CELL, grid.CELL)),
        loss=ScnLoss(),
        crops=(Crops(size=208),),
        batch=4,
        steps=300_000,
        rate=Steps(5e-5, (200_000,)),
        weight_decay=4e-4,
    )


def for_cpu(made: Recipe, *, size: int, batch: int, steps: int, rate: float) -> Recipe:
    """Return a recipe that some hours on one thread come to something with.

    Parameters
    ----------
    made
        The paper's recipe; its loss, network and variations of crops stay.
    size
        Side of a crop, in pixels.
    batch
        Crops in a batch.
    steps
        Training steps.
    rate
        First learning rate; it falls along a cosine to a hundredth.
    """
    return replace(
        made,
        name=f"{made.name}-cpu",
        table=f"{made.table}; ours, short",
        crops=tuple(replace(crops, size=size) for crops in made.crops),
        batch=batch,
        steps=steps,
        rate=Cosine(rate, rate / 100),
    )


def ssn_cpu() -> Recipe:
    """SSN_deep for one thread: crops of 160 pixels, 4 a step, 12 000 steps."""
    return for_cpu(ssn_deep(), size=160, batch=4, steps=12_000, rate=5e-4)


def scn_cpu() -> Recipe:
    """SCN for one thread: crops of 208 pixels, 4 a step, 30 000 steps."""
    return for_cpu(scn(), size=208, batch=4, steps=30_000, rate=5e-4)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "ssn": ssn_deep,
    "ssn-linear": ssn_linear,
    "ssn-cpu": ssn_cpu,
    "scn": scn,
    "scn-cpu": scn_cpu,
}
"""Recipes by the name that the shell takes."""


def recipe(name: str) -> Recipe:
    """Return a recipe.

    Parameters
    ----------
    name
        One of `RECIPES`.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in RECIPES:
        raise InputError(f"There is no recipe {name!r}; choose one of {', '.join(RECIPES)}.")
    return RECIPES[name]()
