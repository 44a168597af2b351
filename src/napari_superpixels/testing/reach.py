"""How far a network sees, measured: what a NaN in one pixel spoils."""

from typing import Any

import torch
from torch import Tensor


def reach_of(network: Any, step: int, around: int) -> int:
    """Return how many cells a NaN travels: the largest distance between its cell and a spoilt one.

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
    side = (2 * middle + align) * step
    farthest, rng = 0, torch.Generator().manual_seed(0)
    for cell in range(middle, middle + align):
        for phase in range(step):
            place = cell * step + phase
            image = torch.rand(1, network.channels, side, side, generator=rng)
            image[..., place, place] = torch.nan
            spoilt = _spoilt_cells(network, image, step)
            farthest = max(farthest, int((spoilt - cell).abs().max()))
    assert farthest < around, "the image is too small to tell"
    return farthest


def _spoilt_cells(network: Any, image: Tensor, step: int) -> Tensor:
    with torch.inference_mode():
        logits = network.associate(image, (step, step))
    spoilt: Tensor = logits.isnan().any(dim=1)[0].nonzero()
    return spoilt // step
