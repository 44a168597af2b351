"""Borders between labels, as masks and drawn into pictures."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.jit import kernel

Labels = NDArray[np.integer[Any]]


def find_boundaries(
    labels: Labels, *, mode: Literal["thin", "thick"] = "thin"
) -> NDArray[np.bool_]:
    """Return which pixels lie at a border between two labels.

    Parameters
    ----------
    labels : ndarray of integers, shape (Y, X)
        Labels; 0 counts like any other.
    mode : "thin" or "thick"
        "thin": the pixel differs from its right or its lower neighbour, so borders are one pixel
        wide. "thick": it differs from any of its four neighbours, so they are two pixels wide.

    Returns
    -------
    ndarray of bool, shape (Y, X)
        The mask.
    """
    assert mode in ("thin", "thick"), f"mode is {mode!r}"
    mask = np.zeros(labels.shape, np.bool_)
    _mark(labels, mode == "thick", mask)
    return mask


def draw_boundaries(
    rgb: NDArray[np.uint8], labels: Labels, colour: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Return a copy of a picture with thin borders drawn in one colour.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (Y, X, 3)
        The picture.
    labels : ndarray of integers, shape (Y, X)
        Labels of its pixels.
    colour : (int, int, int)
        Red, green and blue, 0 to 255.
    """
    drawn = rgb.copy()
    drawn[find_boundaries(labels)] = colour
    return drawn


@kernel()
def _mark(labels: Labels, thick: bool, mask: NDArray[np.bool_]) -> None:  # noqa: FBT001
    rows, columns = labels.shape
    for y in range(rows):
        for x in range(columns):
            label = labels[y, x]
            if x + 1 < columns and labels[y, x + 1] != label:
                mask[y, x] = True
                if thick:
                    mask[y, x + 1] = True
            if y + 1 < rows and labels[y + 1, x] != label:
                mask[y, x] = True
                if thick:
                    mask[y + 1, x] = True
