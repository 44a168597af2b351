"""What segmentation networks minimise: cross-entropy of classes, at two places of the network.

Zhao et al., Pyramid Scene Parsing Network, CVPR 2017: what conv4_x alone predicts is held to the
same classes, with a smaller weight, which makes the trunk learn sooner; Suzuki, Implicit
Integration of Superpixel Segmentation, 2021, does so with every network.

The shape suffixes: N batch, C classes, Y X pixels.
"""

# ruff: noqa: N803, N806 - names carry shape suffixes

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from napari_superpixels.networks.normalisation import Normalisation
from napari_superpixels.networks.ordinal import OrdinalNetwork
from napari_superpixels.networks.segmentation import Outputs, SegmentationNetwork
from napari_superpixels.training.classes import UNKNOWN
from napari_superpixels.training.data import Batch
from napari_superpixels.training.losses import VOID
from napari_superpixels.training.ordinal import ordinal_loss

WHITE = 255.0
AUXILIARY_WEIGHT = 0.4
"""Of the auxiliary output."""

Terms = dict[str, Tensor]


def seen(image: Tensor) -> Tensor:
    """Return an image of 0 to 255, (N, channels, Y, X), as networks see it."""
    return Normalisation.of(image.shape[1])(image / WHITE)


def dense_logits(network: nn.Module, image: Tensor) -> Tensor:
    """Return a network's logits, (N, C, Y, X), of an image of 0 to 255."""
    logits: Tensor = network(seen(image))
    return logits


def dense_outputs(network: nn.Module, batch: Batch) -> Outputs:
    """Return what training looks at, in single precision."""
    assert isinstance(network, SegmentationNetwork), "the recipe makes the network"
    logits, auxiliary = network.outputs(seen(batch.image))
    return Outputs(logits.float(), auxiliary.float())


def class_loss(
    logits_NCYX: Tensor, ids_NYX: Tensor, weights: tuple[float, ...] | None = None
) -> Tensor:
    """Return the cross-entropy as a weighted mean over pixels whose class is known.

    Parameters
    ----------
    logits_NCYX
        What a network says.
    ids_NYX
        int64 from 1; pixels of 0 and below count for nothing.
    weights
        One for each class; all alike by default.

    Returns
    -------
    Tensor
        A scalar; 0 where no class is known.
    """
    known_NYX = ids_NYX > UNKNOWN
    target_NYX = torch.where(known_NYX, ids_NYX - 1, VOID)
    each_C = logits_NCYX.new_tensor(weights or (1.0,) * logits_NCYX.shape[1])
    surprise_NYX = cross_entropy(
        logits_NCYX, target_NYX, weight=each_C, ignore_index=VOID, reduction="none"
    )
    counted = (each_C[target_NYX.clamp(min=0)] * known_NYX).sum()
    return surprise_NYX.sum() / counted.clamp(min=torch.finfo(each_C.dtype).tiny)


@dataclass(frozen=True, slots=True)
class ClassLoss:
    """Cross-entropy of the prediction, and that of the auxiliary one."""

    weights: tuple[float, ...] | None = None
    """One for each class; all alike where it is None."""

    def __call__(
        self, network: nn.Module, batches: tuple[Batch, ...], step: int, rng: np.random.Generator
    ) -> Terms:
        """Return the terms; see `recipe.Loss`."""
        (batch,) = batches
        logits, auxiliary = dense_outputs(network, batch)
        return {
            "class": class_loss(logits, batch.labels, self.weights),
            "auxiliary": AUXILIARY_WEIGHT * class_loss(auxiliary, batch.labels, self.weights),
        }


@dataclass(frozen=True, slots=True)
class OrdinalLoss:
    """DORN's loss of the prediction, and that of the auxiliary one."""

    def __call__(
        self, network: nn.Module, batches: tuple[Batch, ...], step: int, rng: np.random.Generator
    ) -> Terms:
        """Return the terms; see `recipe.Loss`."""
        (batch,) = batches
        assert isinstance(network, OrdinalNetwork), "the recipe makes the network"
        logits, auxiliary = dense_outputs(network, batch)
        cut = network.discretisation
        return {
            "ordinal": ordinal_loss(logits, batch.labels, cut),
            "auxiliary": AUXILIARY_WEIGHT * ordinal_loss(auxiliary, batch.labels, cut),
        }
