"""The papers' clean-up of superpixels: small pieces join a neighbour, under new labels.

SSN, SCN, AINet, PCNet and others all run scikit-image's own (private) step with the same two limits
before they measure anything. It is offered to compare under their protocol only: its labels
depend on the whole image and are numbered anew.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.labels.metrics import consecutive

MIN_FACTOR = 0.06
"""Smallest piece that stays, as a part of the nominal size of a superpixel."""

MAX_FACTOR = 3.0
"""Largest piece that the search follows, as a part of the nominal size of a superpixel."""


def size_limits(pixels: int, target: int) -> tuple[int, int]:
    """Return the smallest and largest size of a piece, as the papers set them.

    Parameters
    ----------
    pixels
        Number of pixels of the image, H * W.
    target
        Number of superpixels that were asked for, K.

    Returns
    -------
    tuple of int
        ``int(0.06 * H * W / K)`` and ``int(3 * H * W / K)``.
    """
    return int(MIN_FACTOR * pixels / target), int(MAX_FACTOR * pixels / target)


def _skimage_step() -> Callable[..., NDArray[np.intp]]:
    try:
        module = import_module("skimage.segmentation._slic")
        step: Callable[..., NDArray[np.intp]] = module._enforce_label_connectivity_cython
    except (ImportError, AttributeError) as cause:
        raise InputError(
            "The papers' merging is scikit-image's private '_enforce_label_connectivity_cython', "
            "which the installed scikit-image does not have; install scikit-image 0.25 or 0.26."
        ) from cause
    return step


def merge_small(labels: NDArray[np.integer[Any]], *, target: int) -> NDArray[np.intp]:
    """Split labels into 4-connected pieces and merge the small ones, as the papers do.

    Parameters
    ----------
    labels
        Superpixels before any clean-up, integers, shape (Y, X). Every value is a label.
    target
        Number of superpixels that were asked for, from which the size limits follow.

    Returns
    -------
    ndarray of intp, shape (Y, X)
        New labels from 0 in raster order, every one 4-connected. A large piece of more than the
        upper limit is cut where the search stops, as in the papers.

    Raises
    ------
    InputError
        If `labels` is not (Y, X), `target` is not positive, or scikit-image lacks the step.

    References
    ----------
    SSN (Jampani et al., ECCV 2018), SCN (Yang et al., CVPR 2020), AINet (Wang et al., ICCV 2021).
    """
    if labels.ndim != 2 or not labels.size or target < 1:
        raise InputError(
            f"Merging got labels of shape {labels.shape} and a target of {target}, but needs an "
            f"array (Y, X) with pixels in it and at least one superpixel; give one plane at a time."
        )
    smallest, largest = size_limits(labels.size, target)
    # The step skips values below `start_label`, so labels are numbered from 0.
    volume = consecutive(labels)[0][np.newaxis]
    merged = _skimage_step()(volume, smallest, max(largest, 1), start_label=0)
    return np.asarray(merged[0])
