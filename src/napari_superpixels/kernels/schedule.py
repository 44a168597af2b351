"""The row schedule: which rows of a cell an association of SLIC visits.

An association but the last visits one row in `CLASSES`, the next one the rows below those, and so
on; the last one visits all. Rows count from the top of their cell, never from that of a window, so
tiles cannot show. Pixels of the other rows keep the cell that they have, and count in its centre
as before.
"""

import numpy as np
from numpy.typing import NDArray

CLASSES = 1
"""Rows u of a cell with the same ``u % CLASSES`` are visited together."""

Int32 = NDArray[np.int32]


def visited(association: int, iterations: int) -> range:
    """Return the classes of rows that association 1, 2, ... of so many visits."""
    if association == iterations:
        return range(CLASSES)
    first = (association - 1) % CLASSES
    return range(first, first + 1)


def last_visits(association: int) -> Int32:
    """Return the association that visited each class before this one, 0 for none."""
    before = association - 1
    visits = [before - (before - 1 - kind) % CLASSES for kind in range(CLASSES)]
    return np.maximum(visits, 0).astype(np.int32)


def arrange_rows(step: tuple[int, int], block: int) -> tuple[Int32, Int32]:
    """Place the rows of a cell one after the other, class by class.

    Parameters
    ----------
    step
        Size of a cell along y and x, in pixels.
    block
        Each class starts at a multiple of so many places.

    Returns
    -------
    starts : ndarray of int32, shape (sy,)
        Place of the first pixel of each row.
    bounds : ndarray of int32, shape (CLASSES + 1,)
        Where each class starts, and where the last one ends.
    """
    height, width = step
    starts, bounds = np.zeros(height, np.int32), np.zeros(CLASSES + 1, np.int32)
    for kind in range(CLASSES):
        rows = np.arange(kind, height, CLASSES)
        starts[rows] = bounds[kind] + width * np.arange(len(rows))
        bounds[kind + 1] = bounds[kind] + -(-width * len(rows) // block) * block
    return starts, bounds
