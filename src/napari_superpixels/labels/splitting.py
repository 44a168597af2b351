"""Objects that touch, told apart by their shape: a watershed of the distance to the border.

An object is split whole and by itself, so what becomes of it depends on its own pixels alone: not
on its neighbours, nor on where an image is cut.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]


def structure_of(connectivity: int) -> NDArray[np.bool_]:
    """Return the pixels that touch the middle one, shape (3, 3); connectivity is 4 or 8."""
    return ndimage.generate_binary_structure(2, connectivity // 4)  # type: ignore[no-any-return]


def split_object(mask: Mask, distance_px: int, connectivity: int) -> NDArray[np.int32]:
    """Split one object where it is narrow.

    Its pieces grow from the places that lie deepest in it, by the distance to what is not the
    object; beyond the ends of the array nothing is.

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X)
        Where the object is, cut out with its bounding box.
    distance_px
        The least distance of two such places, along y or x.
    connectivity
        4 or 8, with which the object is one.

    Returns
    -------
    ndarray of int32, shape (Y, X)
        Number of each piece from 1, 0 outside; all 1 where it stays whole.
    """
    if max(mask.shape) <= distance_px:  # there is no room for two
        return mask.astype(np.int32)
    depth = _depth(mask)
    markers = _markers(depth, distance_px)
    if markers.max() < 2:
        return mask.astype(np.int32)
    from skimage.segmentation import watershed

    reach = structure_of(connectivity)
    pieces: NDArray[np.int32] = watershed(  # type: ignore[no-untyped-call]
        -depth, markers, connectivity=reach, mask=mask
    )
    return pieces


def _depth(mask: Mask) -> NDArray[np.float64]:
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(np.pad(mask, 1))
    return depth[1:-1, 1:-1]


def _markers(depth: NDArray[np.float64], distance_px: int) -> NDArray[np.int32]:
    """Return the deepest places, numbered in raster order."""
    from skimage.feature import peak_local_max

    places: NDArray[Any] = peak_local_max(  # type: ignore[no-untyped-call]
        depth, min_distance=distance_px, threshold_abs=0, exclude_border=False
    )
    markers = np.zeros(depth.shape, np.int32)
    flat = np.sort(np.ravel_multi_index(tuple(places.T), depth.shape))
    markers.flat[flat] = np.arange(1, len(flat) + 1)
    return markers
