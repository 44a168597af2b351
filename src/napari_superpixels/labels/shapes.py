"""What superpixels are like, without a segmentation to compare them with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.labels.metrics import Labels, check_same_shape, consecutive


def _perimeters(ranks: NDArray[np.intp], count: int) -> NDArray[np.int64]:
    """Return how many pixel sides of each label face another label or the image's edge."""
    framed = np.pad(ranks, 1, constant_values=-1)
    own = framed[1:-1, 1:-1]
    sides = [framed[:-2, 1:-1], framed[2:, 1:-1], framed[1:-1, :-2], framed[1:-1, 2:]]
    open_sides = sum((side != own).astype(np.int64) for side in sides)
    weights = np.asarray(open_sides, np.float64).ravel()
    return np.bincount(ranks.ravel(), weights=weights, minlength=count).astype(np.int64)


def compactness(superpixels: Labels) -> float:
    r"""Return how round superpixels are (CO), weighted by their size.

    .. math:: CO = \frac{1}{N} \sum_j |S_j| \frac{4 \pi |S_j|}{P_j^2}

    P_j: number of pixel sides of S_j that face another label or the edge of the image.

    Parameters
    ----------
    superpixels
        Label array, shape (Y, X).

    Returns
    -------
    float
        pi / 4 for squares, less for anything else.

    References
    ----------
    Schick et al., "Measuring and evaluating the compactness of superpixels", ICPR 2012; perimeter
    as in the public code of Stutz et al., CVIU 2018.
    """
    ranks, count = consecutive(superpixels)
    sizes = np.bincount(ranks.ravel())
    perimeters = _perimeters(ranks, count)
    roundness = 4 * np.pi * sizes / perimeters.astype(np.float64) ** 2
    return float((sizes * roundness).sum()) / superpixels.size


def explained_variation(superpixels: Labels, image: NDArray[Any]) -> float:
    r"""Return the share of an image's variation that the superpixels' means keep (EV).

    .. math:: EV = \frac{\sum_p (\mu_{S(p)} - \mu)^2}{\sum_p (x_p - \mu)^2}

    summed over pixels p and channels; the 8-bit colours where papers report it.

    Parameters
    ----------
    superpixels
        Label array, shape (Y, X).
    image
        The image, shape (Y, X) or (Y, X, C).

    Returns
    -------
    float
        Between 0 and 1, higher is better; 1 for a constant image.

    Raises
    ------
    InputError
        If image and labels are not of one size.

    References
    ----------
    Moore et al., "Superpixel lattices", CVPR 2008.
    """
    check_same_shape(superpixels, image[..., 0] if image.ndim == 3 else image)
    ranks = consecutive(superpixels)[0].ravel()
    colors = np.asarray(image, np.float64).reshape(superpixels.size, -1)
    offsets = colors - colors.mean(axis=0)
    sizes = np.bincount(ranks)
    sums = [np.bincount(ranks, weights=channel) for channel in offsets.T]
    kept = float(sum((total**2 / sizes).sum() for total in sums))
    whole = float((offsets**2).sum())
    return kept / whole if whole else 1.0
