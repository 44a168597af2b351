"""What training of ordinal regression minimises (DORN).

Fu et al., Deep Ordinal Regression Network for Monocular Depth Estimation, CVPR 2018, Eq. 2 and 3:
for each threshold the cross-entropy of whether the value lies above it, so being wrong costs more,
the more thresholds lie between.

The shape suffixes: N batch, Y X pixels, K thresholds.
"""

# ruff: noqa: N803, N806 - names carry shape suffixes

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from napari_superpixels.networks.ordinal import Discretisation


def ordinal_loss(logits_NKYX: Tensor, values_NYX: Tensor, discretisation: Discretisation) -> Tensor:
    """Return the sum over thresholds of the cross-entropy, as a mean over pixels.

    Parameters
    ----------
    logits_NKYX
        One for each threshold, (N, bins - 1, Y, X).
    values_NYX
        What is regressed; NaN where it is not known.
    discretisation
        How values are cut into intervals.

    Returns
    -------
    Tensor
        A scalar; 0 where no value is known.
    """
    known_NYX = values_NYX.isfinite()
    labels_NYX = discretisation.labels(values_NYX.nan_to_num())
    threshold_K = torch.arange(logits_NKYX.shape[1], device=logits_NKYX.device)
    above_NKYX = labels_NYX[:, None] > threshold_K[:, None, None]
    surprise_NKYX = binary_cross_entropy_with_logits(
        logits_NKYX, above_NKYX.to(logits_NKYX.dtype), reduction="none"
    )
    total = (surprise_NKYX.sum(dim=1) * known_NYX).sum()
    return total / known_NYX.sum().clamp(min=1)
