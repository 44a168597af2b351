"""Coarser levels of an image of numbers: the mean of each block."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def mean_downsample(values: NDArray[Any], factor: tuple[int, int]) -> NDArray[Any]:
    """Return the mean of each block, of the values that are numbers.

    Values of a block are added in raster order, so means do not depend on what lies around.

    Parameters
    ----------
    values : ndarray of floats, shape (..., Y, X)
        NaN where there is no data.
    factor : (int, int)
        Size of a block along y and x. Blocks at the end may be cut; what is there counts.

    Returns
    -------
    ndarray of the same dtype, shape (..., ceil(Y / fy), ceil(X / fx))
        The means; NaN where a block has no number.
    """
    assert min(factor) >= 1, "a block holds at least one pixel"
    sides = zip(values.shape[-2:], factor, strict=True)
    shape = (*values.shape[:-2], *(-(-size // edge) for size, edge in sides))
    total, count = np.zeros(shape), np.zeros(shape, np.int64)
    for dy in range(factor[0]):
        for dx in range(factor[1]):
            part = values[..., dy :: factor[0], dx :: factor[1]]
            place = (..., slice(part.shape[-2]), slice(part.shape[-1]))
            known = ~np.isnan(part)
            np.add(total[place], part, out=total[place], where=known)
            count[place] += known
    with np.errstate(invalid="ignore"):
        return (total / count).astype(values.dtype)
