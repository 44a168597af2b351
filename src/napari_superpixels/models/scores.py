"""From the scores of classes to one of them.

The shape suffixes: K scores of a pixel, Y X pixels.
"""

# ruff: noqa: N803 - names carry shape suffixes

import torch
from torch import Tensor

FEW = 64
"""Up to so many classes, one after the other is compared: `argmax` makes 64-bit numbers first."""


def best(scores_KYX: Tensor) -> Tensor:
    """Return the number of the highest score of each pixel, (Y, X); of equal ones the lowest."""
    count = len(scores_KYX)
    kind = torch.uint8 if count <= 2**8 else torch.int32
    if count > FEW:
        return scores_KYX.argmax(dim=0).to(kind)
    highest, number = scores_KYX[0], torch.zeros_like(scores_KYX[0], dtype=kind)
    for k, one in enumerate(scores_KYX[1:], start=1):
        higher = one > highest
        highest = torch.where(higher, one, highest)
        number.masked_fill_(higher, k)
    return number
