"""From codes, one byte a pixel, to global labels and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.jit import kernel

OWN = 4
"""The code of a pixel that belongs to the cell it lies in."""

NODATA = 255
"""The code of a pixel without data."""

Labels = NDArray[np.unsignedinteger[Any]]


def expand_ids(
    codes: NDArray[np.uint8],
    first_cell: tuple[int, int],
    step: tuple[int, int],
    cells: tuple[int, int],
    plane: int,
    dtype: np.dtype[np.unsignedinteger[Any]],
) -> Labels:
    """Return the global labels of an assignment; 255 becomes 0.

    Parameters
    ----------
    codes : ndarray of uint8, shape (Y, X)
        Assignment, ``3 * (dr + 1) + (dc + 1)`` or 255; starts at a corner of a cell.
    first_cell : (int, int)
        The array's first cell in the lattice of the image.
    step : (int, int)
        Size of a cell, in pixels.
    cells : (int, int)
        Number of cells of a plane, (GH, GW).
    plane : int
        Number of the plane.
    dtype : dtype
        uint32 or uint64.

    Returns
    -------
    ndarray of `dtype`, shape (Y, X)
        ``plane * GH * GW + r * GW + c + 1`` of the cell (r, c) that a pixel belongs to.
    """
    labels = np.empty(codes.shape, dtype)
    origin = plane * cells[0] * cells[1] + first_cell[0] * cells[1] + first_cell[1] + 1
    _expand(codes, origin, step, cells[1], labels)
    return labels


def codes_of(
    labels: Labels,
    first_cell: tuple[int, int],
    step: tuple[int, int],
    cells: tuple[int, int],
    plane: int,
) -> NDArray[np.uint8]:
    """Return the assignment that `expand_ids` turns into these labels.

    Parameters are those of `expand_ids`; labels are within the 3 x 3 cells of their pixel or 0.
    Plain numpy, for checks rather than for speed.
    """
    rows = first_cell[0] + np.arange(labels.shape[0])[:, None] // step[0]
    columns = first_cell[1] + np.arange(labels.shape[1])[None, :] // step[1]
    cell = labels.astype(np.int64) - 1 - plane * cells[0] * cells[1]
    down, right = cell // cells[1] - rows, cell % cells[1] - columns
    inside = (abs(down) <= 1) & (abs(right) <= 1)
    assert bool((inside | (labels == 0)).all()), "a label lies outside its 3 x 3 cells"
    return np.where(labels == 0, NODATA, 3 * (down + 1) + right + 1).astype(np.uint8)


@kernel()
def _expand(
    codes: NDArray[np.uint8], origin: int, step: tuple[int, int], width: int, labels: Labels
) -> None:
    """Fill `labels`, a cell's row of pixels at a time; `origin` is the label of the first cell."""
    table = np.zeros(256, labels.dtype)
    rows, columns = codes.shape
    for y in range(rows):
        label = origin + (y // step[0]) * width
        for left in range(0, columns, step[1]):
            for k in range(9):
                table[k] = label + (k // 3 - 1) * width + k % 3 - 1
            for x in range(left, min(left + step[1], columns)):
                labels[y, x] = table[codes[y, x]]
            label += 1
