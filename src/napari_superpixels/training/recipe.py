"""What a recipe is: a network, a loss, crops, and the few numbers of its optimiser."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import cos, pi
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from napari_superpixels.networks.association import Step
from napari_superpixels.training.data import Batch, Crops


class Loss(Protocol):
    """The terms that training adds up and minimises."""

    def __call__(
        self, network: nn.Module, batches: tuple[Batch, ...], step: int, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Return the terms by name, weighted, always the same names.

        Parameters
        ----------
        network
            In training mode.
        batches
            One for each kind of crops of the recipe.
        step
            Number of the training step, from 0.
        rng
            For what a loss samples; a function of seed and step.
        """
        ...


@runtime_checkable
class StagedLoss(Loss, Protocol):
    """A loss that changes on the way."""

    def stretched(self, factor: float) -> Self:
        """Return the same course over `factor` times as many steps."""
        ...


@dataclass(frozen=True, slots=True)
class Steps:
    """A learning rate that is multiplied by a factor at some steps."""

    rate: float
    at: tuple[int, ...] = ()
    factor: float = 0.5

    def __call__(self, step: int, last: int) -> float:
        """Return the rate of a step; the number of the last does not matter."""
        return self.rate * self.factor ** sum(step >= edge for edge in self.at)

    def beginning_at(self, rate: float) -> Self:
        """Return the same course from another first rate."""
        return replace(self, rate=rate)

    def stretched(self, factor: float) -> Self:
        """Return the same course over `factor` times as many steps."""
        return replace(self, at=tuple(round(step * factor) for step in self.at))


@dataclass(frozen=True, slots=True)
class Cosine:
    """A learning rate that falls along half a cosine."""

    rate: float
    final: float

    def __call__(self, step: int, last: int) -> float:
        """Return the rate of a step of `last`."""
        share = (1 + cos(pi * min(step / last, 1.0))) / 2
        return self.final + (self.rate - self.final) * share

    def beginning_at(self, rate: float) -> Self:
        """Return the same course from another first rate."""
        return replace(self, rate=rate, final=self.final * rate / self.rate)

    def stretched(self, factor: float) -> Self:
        """Return itself: it ends with the last step, whatever that is."""
        del factor
        return self


@dataclass(frozen=True, slots=True)
class Poly:
    """A learning rate that falls to 0 as a power of what is left to do (DeepLab, PSPNet)."""

    rate: float
    power: float = 0.9

    def __call__(self, step: int, last: int) -> float:
        """Return the rate of a step of `last`."""
        left: float = max(0.0, 1 - step / last) ** self.power
        return self.rate * left

    def beginning_at(self, rate: float) -> Self:
        """Return the same course from another first rate."""
        return replace(self, rate=rate)

    def stretched(self, factor: float) -> Self:
        """Return itself: it ends with the last step, whatever that is."""
        del factor
        return self


Groups = Iterable[dict[str, Any]]
"""Parameters, and what holds for each part of them, as torch's optimisers take them."""


@dataclass(frozen=True, slots=True)
class Adam:
    """The optimiser of the superpixel papers."""

    def __call__(self, groups: Groups) -> torch.optim.Optimizer:
        """Return it for some parameters."""
        return torch.optim.Adam(groups)


@dataclass(frozen=True, slots=True)
class Sgd:
    """Gradient descent with momentum, of the segmentation papers."""

    momentum: float = 0.9

    def __call__(self, groups: Groups) -> torch.optim.Optimizer:
        """Return it for some parameters; the loop sets the rate of every step."""
        return torch.optim.SGD(groups, lr=0.0, momentum=self.momentum)


@dataclass(frozen=True, kw_only=True)  # no slots: recipes of one kind add fields
class Recipe:
    """How one network of one paper is trained."""

    name: str
    """What the user calls it."""
    method: str
    """The method whose weights it makes."""
    table: str
    """Which result of which paper it repeats."""
    network: Callable[[], nn.Module]
    """Makes the network, with weights from torch's generator."""
    logits: Callable[[nn.Module, Tensor], Tensor]
    """Network and image (N, C, Y, X), 0 to 255 -> association logits, as they are validated."""
    loss: Loss
    """What is minimised."""
    crops: tuple[Crops, ...]
    """What the loss gets: one batch of each."""
    batch: int
    """Crops in a batch."""
    steps: int
    """Training steps."""
    rate: Steps | Cosine | Poly
    """Step and last step -> learning rate."""
    optimiser: Adam | Sgd = Adam()
    """Makes the optimiser."""
    weight_decay: float = 0.0
    """Of weights, not of biases; added to the gradient, as the papers' code does."""
    step: int = 16
    """Size of a cell in validation, in pixels."""
    align: int = 16
    """Validation pads images to a multiple of this, in pixels."""
    channels: int = 3
    """Of the images that the network takes; one channel is repeated."""
    any_channels: bool = False
    """Whether the network can be made for other numbers of them (see `channels.for_channels`)."""
    start: str = ""
    """SHA-256 of the weights that the network begins with; empty for new ones."""

    @property
    def cell(self) -> Step:
        """Size of a cell along y and x."""
        return (self.step, self.step)

    @property
    def file_network(self) -> str:
        """The network's name in the card of its weights."""
        return self.method

    def described(self, network: nn.Module) -> dict[str, Any]:
        """Return what the card says that a network is made with."""
        return dict(getattr(network, "config", {}))

    def check(self, network: nn.Module) -> None:
        """Refuse a network that cannot be trained so.

        Raises
        ------
        InputError
            With what to change.
        """

    def meaning(self) -> dict[str, Any]:
        """Return what else decides the course of a training: what the labels mean."""
        return {}

    def lasting(self, steps: int) -> Self:
        """Return the same course over another number of steps: what changes on the way moves along.

        Parameters
        ----------
        steps
            Training steps.
        """
        factor = steps / self.steps
        loss = self.loss
        if isinstance(loss, StagedLoss):
            loss = loss.stretched(factor)
        return replace(self, steps=steps, rate=self.rate.stretched(factor), loss=loss)
