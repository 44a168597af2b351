"""How well superpixels represent a flow: the end-point error of SSN's experiments."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.labels.metrics import Labels, consecutive


def segmented(
    values: NDArray[Any], superpixels: Labels, known: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Give every pixel the mean of its superpixel.

    Parameters
    ----------
    values
        Any map, shape (Y, X) or (Y, X, C).
    superpixels
        Label array, shape (Y, X).
    known
        Which pixels have a value, shape (Y, X); all by default.

    Returns
    -------
    ndarray of float64, shape of `values`
        NaN in superpixels without any known pixel.

    Raises
    ------
    InputError
        If the arrays are not of one size.
    """
    if values.shape[:2] != superpixels.shape or values.ndim not in (2, 3) or not values.size:
        raise InputError(
            f"The values have the shape {values.shape} and the labels {superpixels.shape}, but "
            f"(Y, X) or (Y, X, C) must fit (Y, X); crop or resize one of them."
        )
    if known is not None and known.shape != superpixels.shape:
        raise InputError(
            f"Which pixels are known has the shape {known.shape} and the labels "
            f"{superpixels.shape}; give both for the same pixels."
        )
    ranks, count = consecutive(superpixels)
    flat = np.asarray(values, np.float64).reshape(superpixels.size, -1)
    used = np.ones(superpixels.size, np.bool_) if known is None else known.ravel()
    places = ranks.ravel()
    sizes = np.bincount(places[used], minlength=count)
    sums = [np.bincount(places[used], channel[used], count) for channel in flat.T]
    with np.errstate(invalid="ignore"):
        means = np.stack(sums, axis=-1) / sizes[:, None]
    result: NDArray[np.float64] = means[places].reshape(values.shape)
    return result


def end_point_error(
    superpixels: Labels, flow: NDArray[Any], *, known: NDArray[np.bool_] | None = None
) -> float:
    r"""Return how far a flow is from its segmented version, on average (EPE).

    .. math:: EPE = \frac{1}{N} \sum_p \lVert F_p - \mu_{S(p)} \rVert_2

    Parameters
    ----------
    superpixels
        Label array, shape (Y, X).
    flow
        The flow, shape (Y, X, 2), in pixels; any number of channels serves.
    known
        Which pixels have a flow, shape (Y, X); all by default.

    Returns
    -------
    float
        In the unit of the flow, 0 for a flow that is constant in each superpixel, lower is better;
        NaN where no pixel is known.

    Raises
    ------
    InputError
        If the arrays are not of one size.

    References
    ----------
    Jampani et al., "Superpixel sampling networks", ECCV 2018, section 5.3.
    """
    off = np.asarray(flow, np.float64) - segmented(flow, superpixels, known)
    length = np.sqrt((off.reshape(superpixels.size, -1) ** 2).sum(axis=1))
    counted = length if known is None else length[known.ravel()]
    return float(counted.mean()) if counted.size else float("nan")
