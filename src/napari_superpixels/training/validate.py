"""How good a network is on whole annotated images: ASA and boundary recall while it trains.

The assignment is merged as the papers do it. Figures for a report come from `evaluation`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_superpixels.kernels.ids import expand_ids
from napari_superpixels.labels.merge import merge_small
from napari_superpixels.labels.metrics import (
    Labels,
    achievable_segmentation_accuracy,
    boundary_map,
    boundary_recall,
    count_superpixels,
    tolerance_radius,
    widen,
)
from napari_superpixels.networks.association import Step
from napari_superpixels.tiling import Lattice
from napari_superpixels.training.annotated import middle_of
from napari_superpixels.training.data import blanked, channels_of, padded, to_8bit
from napari_superpixels.training.pairs import Pair
from napari_superpixels.training.recipe import Recipe

Logits = Callable[[nn.Module, Tensor], Tensor]
"""Network and image (N, C, Y, X), 0 to 255 -> association logits (N, 9, Y, X)."""


NOISE = 0.002
"""By how much, in ASA, a validation may fall below the best one and count as equally good: of equal
ones the latest is kept, whose rate was lower. On a few dozen superpixels the highest of many
measurements is a lucky one (fine-tuned `ssn`, 150 steps, 12 other images: -.0010 to the start with
the highest, +.0006 with the latest)."""


class Validating(Protocol):
    """What measures a network while it trains."""

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The images."""
        ...

    @property
    def watched(self) -> str:
        """The score by which the best checkpoint is chosen; higher is better."""
        ...

    @property
    def noise(self) -> float:
        """By how much less than the best counts as equally good."""
        ...

    def __call__(self, network: nn.Module, recipe: Recipe) -> dict[str, float]:
        """Return the scores by name, always with the one that is watched."""
        ...


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Switch a network to evaluation for a while."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def hard_labels(logits: NDArray[np.float32], step: Step) -> Labels:
    """Return the label that each pixel is most likely of.

    Parameters
    ----------
    logits
        (9, Y, X), -inf for what is no candidate.
    step
        Size of a cell along y and x, in pixels.

    Returns
    -------
    ndarray of uint32, shape (Y, X)
        Numbers of cells, from 1; superpixels may have several pieces.
    """
    lattice = Lattice(logits.shape[1:], step)
    codes = logits.argmax(axis=0).astype(np.uint8)
    cells = (lattice.cells[0], lattice.cells[1])
    return expand_ids(codes, (0, 0), step, cells, 0, lattice.label_dtype)


@torch.no_grad()
def label_image(
    network: nn.Module, image: NDArray[np.uint8], recipe: Recipe, *, merge: bool = True
) -> Labels:
    """Run a network on a whole image.

    Parameters
    ----------
    network
        Left in the mode that it is in; its parameters' device is used.
    image
        uint8 (C, Y, X).
    recipe
        How it is called, and the size of a cell.
    merge
        Whether small pieces join their neighbours as in the papers.

    Returns
    -------
    ndarray of integers, shape (Y, X)
        Superpixels.
    """
    device = next(iter(network.parameters())).device
    tensor = torch.from_numpy(padded(image, recipe.align)).float()[None].to(device)
    logits = recipe.logits(network, tensor)[0].float().cpu().numpy()
    height, width = image.shape[1:]
    labels = hard_labels(logits, recipe.cell)[:height, :width]
    cells = Lattice((height, width), recipe.cell).cells_per_plane
    return merge_small(labels, target=cells) if merge else labels


@dataclass(frozen=True, slots=True)
class Validation:
    """Images to validate on."""

    pairs: tuple[Pair, ...]
    void: int | None = None
    """The label that stands for unknown; such pixels count for nothing."""
    watched: str = "asa"
    """By which score the best checkpoint is chosen."""
    noise: float = NOISE
    """By how much less counts as equally good."""

    @classmethod
    def of(
        cls, pairs: Sequence[Pair], limit: int | None = None, void: int | None = None
    ) -> "Validation":
        """Keep some of the images, spread evenly.

        Parameters
        ----------
        pairs
            Annotated images.
        limit
            How many; all where not given.
        void
            The label that stands for unknown, where there is one.
        """
        channels_of(pairs)
        keep = len(pairs) if limit is None else min(limit, len(pairs))
        return cls(tuple(pairs[i * len(pairs) // keep] for i in range(keep)), void)

    def __call__(self, network: nn.Module, recipe: Recipe) -> dict[str, float]:
        """Measure a network.

        Parameters
        ----------
        network
            Switched to evaluation while it is measured.
        recipe
            How it is called.

        Returns
        -------
        dict of float
            ``asa``, ``br`` and ``superpixels``, means over annotations.
        """
        with evaluating(network):
            rows = [row for pair in self.pairs for row in self._rows(network, pair, recipe)]
        return dict(zip(("asa", "br", "superpixels"), map(float, np.mean(rows, axis=0))))

    def _rows(
        self, network: nn.Module, pair: Pair, recipe: Recipe
    ) -> list[tuple[float, float, float]]:
        box = middle_of(pair.box)
        block = pair.image.read(pair.plane, box)
        image = to_8bit(pair, block, recipe.channels)
        image = blanked(image, block.valid, recipe.crops[0].blank)
        labels = label_image(network, image, recipe)
        count = count_superpixels(labels)
        truths = [annotation.read(box) for annotation in pair.annotations]
        return [
            (*scores_of(labels, truth, known_of(truth, block.valid, self.void)), count)
            for truth in truths
        ]


def known_of(
    truth: Labels, valid: NDArray[np.bool_] | None, void: int | None
) -> NDArray[np.bool_] | None:
    """Return which pixels count: those with a label, and with data; None where all do."""
    known = np.ones(truth.shape, np.bool_) if void is None else truth != void
    known = known if valid is None else known & valid
    return None if known.all() else known


def scores_of(
    labels: Labels, truth: Labels, known: NDArray[np.bool_] | None = None
) -> tuple[float, float]:
    """Return ASA and boundary recall over what is known.

    Parameters
    ----------
    labels, truth
        Superpixels and an annotation, one shape (Y, X).
    known
        Which pixels count; all by default. A border with the others is no boundary.
    """
    if known is None:
        return achievable_segmentation_accuracy(labels, truth), boundary_recall(labels, truth)
    if not known.any():
        return 1.0, 1.0
    asa = achievable_segmentation_accuracy(labels[known][None], truth[known][None])
    wanted = boundary_map(truth) & known & ~boundary_map(known.view(np.uint8))
    found = wanted & widen(boundary_map(labels), tolerance_radius(*truth.shape))
    total = np.count_nonzero(wanted)
    return asa, np.count_nonzero(found) / total if total else 1.0
