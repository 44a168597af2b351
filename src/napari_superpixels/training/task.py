"""A training as a value: handed to a process of its own, so nothing here needs torch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_superpixels.training.pairs import Pair


@dataclass(frozen=True, slots=True)
class Short:
    """What is known, without torch, of the short recipe of a method."""

    recipe: str
    """Its name."""
    crop: int
    """Side of a crop, in pixels."""
    multiple: int
    """Crops are a multiple of this: whole cells, and what the network halves."""

    def crop_for(self, shape: tuple[int, ...]) -> int:
        """Return the side of the crops that fit into an image, at most the recipe's; maybe 0."""
        return min(self.crop, min(shape) // self.multiple * self.multiple)


SHORT = {
    "ssn": Short("ssn-cpu", 160, 20),
    "hcssn": Short("hcssn-cpu", 160, 16),
    "scn": Short("scn-cpu", 208, 16),
    "ainet": Short("ainet-cpu", 208, 16),
}
"""By method; PCNet has none, its crops of 512 pixels are no matter of minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is learned from what, and where it goes."""

    method: str
    """One of `SHORT`."""
    learned: tuple[Pair, ...]
    """What is learned from."""
    held: tuple[Pair, ...] = ()
    """What is measured on instead."""
    steps: int
    """Training steps."""
    crop: int
    """Side of a crop, in pixels."""
    seed: int = 0
    """Of crops and new weights."""
    void: int | None = None
    """The label that stands for unknown."""
    start: str = ""
    """Weights to begin with; new ones where it is empty."""
    target: Path
    """The file of weights to write; checkpoints lie beside it meanwhile."""
    card: dict[str, Any] = field(default_factory=dict)
    """What the card says besides what the training knows."""


@dataclass(frozen=True, slots=True)
class Done:
    """A training that came to an end, also where it was stopped."""

    step: int
    """Steps that are done."""
    finished: bool
    """Whether these are all."""
    scores: dict[str, float]
    """Of the weights, over what was held out; empty where nothing was."""
    path: str
    """The file of weights; empty where no step was done."""
