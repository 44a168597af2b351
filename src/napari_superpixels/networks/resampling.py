"""Images at another size, by a factor of whole numbers: the same bits wherever a tile begins.

A pixel of the result is a mean of those around its place, weighted by a triangle that is as wide as
a pixel, or where pixels are skipped, as those. Places are fractions, and weights are computed from
whole numbers: with coordinates in floating point those of a long tile drift.
"""

from fractions import Fraction
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Taps = tuple[NDArray[np.int64], NDArray[np.float32]]


def resampled(image: Tensor, scale: Fraction) -> Tensor:
    """Return an image of another size.

    Parameters
    ----------
    image
        (..., Y, X); both sides are whole numbers of pixels at the other size too.
    scale
        Pixels of the result for one of the image, along each axis.
    """
    if scale == 1:
        return image
    return _along(_along(image, -2, scale), -1, scale)


def _along(image: Tensor, axis: int, scale: Fraction) -> Tensor:
    places, weights = taps(image.shape[axis], scale)
    shape = (-1, 1) if axis == -2 else (-1,)
    total: Tensor | None = None
    for place, weight in zip(places, weights, strict=True):
        index = torch.from_numpy(place).to(image.device)
        share = torch.from_numpy(weight).to(image)
        part = image.index_select(axis, index) * share.reshape(shape)
        total = part if total is None else total + part
    assert total is not None, "each pixel has some around its place"
    return total


@lru_cache(maxsize=64)
def taps(size: int, scale: Fraction) -> Taps:
    """Return which pixels each of the result is made of, and their weights, (taps, pixels) each.

    Parameters
    ----------
    size
        Pixels of the image.
    scale
        As for `resampled`.
    """
    p, q = scale.numerator, scale.denominator
    assert size * p % q == 0, "a whole number of pixels"
    # All in parts of a pixel: the middle of pixel i lies at (2 i + 1) p, that of the result's j at
    # (2 j + 1) q, and the triangle ends 2 max(p, q) from there.
    middles = (2 * np.arange(size * p // q, dtype=np.int64) + 1) * q
    reach = 2 * max(p, q)
    first = -(-(middles - reach - p) // (2 * p))
    places = first + np.arange(reach // p + 1)[:, None]
    heights = np.maximum(0, reach - np.abs((2 * places + 1) * p - middles))
    heights[(places < 0) | (places >= size)] = 0
    weights = (heights / heights.sum(axis=0)).astype(np.float32)
    return places.clip(0, size - 1), weights
