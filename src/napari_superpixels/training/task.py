"""A training as a value: handed to a process of its own, so nothing here needs torch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from napari_superpixels.training.classes import Classes
from napari_superpixels.training.pairs import Pair

Learns = Literal["segments", "classes", "distances"]
"""What is learned from labels: borders between segments, the class of every pixel, or how far it
lies from the border of its object."""


@dataclass(frozen=True, slots=True)
class Short:
    """What is known, without torch, of the short recipe of a method."""

    recipe: str
    """Its name."""
    crop: int
    """Side of a crop, in pixels."""
    multiple: int
    """Crops are a multiple of this: whole cells, and what the network halves."""
    learns: Learns = "segments"
    batch: int | None = None
    """Crops of a step; those of the recipe by default."""

    def crop_for(self, shape: tuple[int, ...]) -> int:
        """Return the side of the crops that fit into an image, at most the recipe's; maybe 0."""
        return min(self.crop, min(shape) // self.multiple * self.multiple)


def _of_two(name: str, learns: Learns) -> Short:
    """Return what is known of a network of segmentation.

    Few large crops in a step bring more than many small ones: what surrounds a pixel counts, and
    near the borders of a crop it is missing.
    """
    return Short(f"{name}-cpu", 256, 32, learns, batch=2)


_OF_CLASSES = (
    "hcfcn",
    "hcfpn",
    "hcpspnet",
    "hcdeeplabv3",
    "fcn",
    "fpn",
    "atrousfcn",
    "pspnet",
    "deeplabv3",
)

SHORT = {
    "ssn": Short("ssn-cpu", 160, 20),
    "hcssn": Short("hcssn-cpu", 160, 16),
    "scn": Short("scn-cpu", 208, 16),
    "ainet": Short("ainet-cpu", 208, 16),
    **{name: _of_two(name, "classes") for name in _OF_CLASSES},
    "hcdorn": _of_two("hcdorn", "distances"),
    "dorn": _of_two("dorn", "distances"),
}
"""By the name of a network. PCNet has none, its crops of 512 pixels are no matter of minutes;
networks of segmentation see fewer of them in a step than in the shell."""


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
    classes: Classes | None = None
    """What labels mean, where classes are learned; those of annotations are ids then."""
    evenly: bool = True
    """Whether rare classes count as much as frequent ones."""
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
