"""How far a network sees, measured: what a NaN in one pixel spoils."""

from typing import Any

import torch
from torch import Tensor


def reach_of(network: Any, step: int, around: int) -> int:
    """Return how many cells a NaN travels along y or x, from the middle of a strip, at all phases.

    Parameters
    ----------
    network
        With `associate` and ``align_cells``; any weights but zeros, batch statistics frozen.
    step
        Size of a cell, in pixels.
    around
        Cells between the NaN and the image's border; the result is less, or the image was too
        small.
    """
    align = network.align_cells
    middle = -(-around // align) * align
    long, short = (2 * middle + align) * step, align * step
    farthest, rng = 0, torch.Generator().manual_seed(0)
    for place in range(middle * step, middle * step + short):
        image = torch.rand(1, network.channels, long, short, generator=rng)
        image[..., place, place % short] = torch.nan
        for turned in (image, image.mT):
            spoilt = _spoilt_cells(network, turned, step)
            farthest = max(
                farthest, int((spoilt - place // step).abs().max()) if len(spoilt) else 0
            )
    assert farthest < around, "the image is too small to tell"
    return farthest


def _spoilt_cells(network: Any, image: Tensor, step: int) -> Tensor:
    """Return the cells along the longer side in which any logit is no number."""
    axis = 0 if image.shape[-2] > image.shape[-1] else 1
    with torch.inference_mode():
        logits = network.associate(image.contiguous(), (step, step))
    spoilt: Tensor = logits.isnan().any(dim=1)[0].nonzero()[:, axis]
    return spoilt // step
