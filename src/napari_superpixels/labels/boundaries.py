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
    if labels.size:
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
    # At the image's edge a pixel is its own neighbour; inside, the loop over columns is vectorised.
    rows, columns = labels.shape
    for y in range(rows):
        up, down = (max(y - 1, 0) if thick else y), min(y + 1, rows - 1)
        for x in range(1, columns - 1):
            label = labels[y, x]
            differs = (labels[y, x + 1] != label) | (labels[down, x] != label)
            behind = (labels[y, x - 1] != label) | (labels[up, x] != label)
            mask[y, x] = differs | (behind & thick)
        for x in (0, columns - 1):
            label, right = labels[y, x], min(x + 1, columns - 1)
            left = max(x - 1, 0) if thick else x
            differs = (labels[y, right] != label) | (labels[down, x] != label)
            mask[y, x] = differs | (labels[y, left] != label) | (labels[up, x] != label)
