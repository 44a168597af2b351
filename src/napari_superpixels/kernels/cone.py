"""What SLIC shares with its reference: the cone of dependence, codes, positions in a cell."""

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.tiling import Box, Interval

Cut = tuple[tuple[bool, bool], tuple[bool, bool]]
"""For y and x: whether the array's start and stop cut the image (else they are its edge)."""

WHOLE: Cut = ((False, False), (False, False))
"""The array is the whole image."""

OWN = 4
"""Code of a pixel that belongs to the cell it lies in."""

NONE = 2**30
"""The distance to a cell that is outside the lattice or never had a pixel."""


def exact_cells(cells: tuple[int, int], cut: Cut, margin: int) -> Box:
    """Return the cells at least `margin` cells away from every cut side; empty if there are none.

    Association t (1, 2, ...) depends on the pixels up to 2 t - 1 cells away, the centres after it
    on those up to 2 t cells away.
    """
    sides = []
    for count, (at_start, at_stop) in zip(cells, cut, strict=True):
        start = min(margin if at_start else 0, count)
        sides.append(Interval(start, max(start, count - margin if at_stop else count)))
    return Box(tuple(sides))


def position_table(step: int, position: int) -> NDArray[np.int32]:
    """Return the positions of offsets 0 .. step - 1 in a cell of `position` quanta."""
    return ((np.arange(step) * position + step // 2) // step).astype(np.int32)
