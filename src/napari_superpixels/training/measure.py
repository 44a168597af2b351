"""How good a network of classes or values is on images that it does not learn from.

Networks see an image in one piece, as in `validate`: of a large one, the middle.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_superpixels.errors import InputError
from napari_superpixels.labels.class_metrics import (
    BoundaryCounts,
    confusion,
    iou_of,
    mean_iou_of,
    pixel_accuracy_of,
)
from napari_superpixels.labels.value_metrics import ValueSums
from napari_superpixels.networks.ordinal import OrdinalNetwork
from napari_superpixels.training.annotated import middle_of
from napari_superpixels.training.classes import UNKNOWN, Classes
from napari_superpixels.training.data import blanked, padded, to_8bit
from napari_superpixels.training.pairs import Pair
from napari_superpixels.training.recipe import Recipe
from napari_superpixels.training.validate import evaluating

TOLERANCE_PX = 2
"""How far apart boundaries may lie and count as found."""


@dataclass(frozen=True, slots=True)
class Looked:
    """An annotated part of an image, and what a network says of it."""

    truth: NDArray[np.generic]
    """(Y, X), ids or values."""
    valid: NDArray[np.bool_] | None
    """Where the image has data; everywhere if None."""
    logits: torch.Tensor
    """(C, Y, X), float32 on the processor."""


@torch.no_grad()
def looked_at(network: nn.Module, recipe: Recipe, pair: Pair) -> Iterator[Looked]:
    """Run a network on an image, and yield that with each of its annotations."""
    box = middle_of(pair.box)
    block = pair.image.read(pair.plane, box)
    image = to_8bit(pair, block, recipe.channels)
    image = blanked(image, block.valid, recipe.crops[0].blank)
    device = next(iter(network.parameters())).device
    tensor = torch.from_numpy(padded(image, recipe.align)).float()[None].to(device)
    height, width = image.shape[1:]
    logits = recipe.logits(network, tensor)[0, :, :height, :width].float().cpu()
    for annotation in pair.annotations:
        yield Looked(annotation.read(box), block.valid, logits)


@dataclass(frozen=True, slots=True)
class ClassValidation:
    """Images to measure classes on: mIoU, accuracy, F of boundaries, IoU of each class."""

    pairs: tuple[Pair, ...]
    """Their annotations are ids, as `classes.ClassLabels` gives them."""
    classes: Classes
    tolerance_px: int = TOLERANCE_PX
    """Of boundaries, see `BoundaryCounts`."""
    watched: str = "miou"
    """By which score the best checkpoint is chosen."""
    noise: float = 0.0
    """By how much less counts as equally good."""

    def __call__(self, network: nn.Module, recipe: Recipe) -> dict[str, float]:
        """Measure a network, which is switched to evaluation meanwhile.

        Raises
        ------
        InputError
            If no pixel of the images has a known class.
        """
        with evaluating(network):
            each = [
                self._counts(look)
                for pair in self.pairs
                for look in looked_at(network, recipe, pair)
            ]
        counts, boundaries = (reduce(add, column) for column in zip(*each, strict=True))
        if not counts.sum():
            raise InputError(
                "No pixel of the images that are held out has a known class; paint some there, or "
                "name other images by --val-images."
            )
        return class_scores(counts, boundaries, self.classes.names)

    def _counts(self, look: Looked) -> tuple[NDArray[np.int64], BoundaryCounts]:
        truth = look.truth.astype(np.int64)
        if look.valid is not None:
            truth = np.where(look.valid, truth, UNKNOWN)
        found = look.logits.argmax(dim=0).numpy() + 1
        count = len(self.classes)
        near = BoundaryCounts.of(truth, found, count, tolerance_px=self.tolerance_px)
        return confusion(truth, found, count), near


def class_scores(
    counts: NDArray[np.int64], boundaries: BoundaryCounts, names: tuple[str, ...]
) -> dict[str, float]:
    """Return the scores by name; a class without any pixel has none."""
    each = dict(zip((f"iou_{name}" for name in names), iou_of(counts).tolist(), strict=True))
    found = {
        "miou": mean_iou_of(counts),
        "accuracy": pixel_accuracy_of(counts),
        "boundary_f": boundaries.mean_f,
        **each,
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


@dataclass(frozen=True, slots=True)
class ValueValidation:
    """Images to measure values on: delta1 to delta3, rel, log10, rms."""

    pairs: tuple[Pair, ...]
    """Their annotations are values, NaN where nobody knows."""
    watched: str = "delta1"
    """By which score the best checkpoint is chosen."""
    noise: float = 0.0
    """By how much less counts as equally good."""

    def __call__(self, network: nn.Module, recipe: Recipe) -> dict[str, float]:
        """Measure a network, which is switched to evaluation meanwhile."""
        assert isinstance(network, OrdinalNetwork), "the recipe makes the network"
        with evaluating(network):
            sums = [
                _sums(network, look)
                for pair in self.pairs
                for look in looked_at(network, recipe, pair)
            ]
        found = reduce(add, sums).measures()
        if np.isnan(found["rms"]):
            raise InputError(
                "No pixel of the images that are held out has a known value; annotate some there, "
                "or name other images by --val-images."
            )
        return {name: value for name, value in found.items() if np.isfinite(value)}


def _sums(network: OrdinalNetwork, look: Looked) -> ValueSums:
    truth = look.truth.astype(np.float32)
    if look.valid is not None:
        truth = np.where(look.valid, truth, np.float32(np.nan))
    found: NDArray[np.float32] = network.values(look.logits[None])[0].numpy()
    return ValueSums.of(truth, found)
