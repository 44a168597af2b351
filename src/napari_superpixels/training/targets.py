"""What a network may regress from numbered objects: how far a pixel lies from their borders."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from napari_superpixels.errors import InputError
from napari_superpixels.labels.class_metrics import at_boundary
from napari_superpixels.tiling import Box
from napari_superpixels.training.pairs import Annotation, Pair

BACKGROUND = 0
"""The label of what is no object."""


@dataclass(frozen=True, slots=True)
class BorderDistance:
    """An annotation whose values are distances to the border of objects, from 0 to 1.

    Pixels of an object at its border have a distance of 1 pixel; 1 stands for `reach_px` and all
    that lies deeper. What is no object has 0. A distance never depends on more than `reach_px`
    around it, so parts of an image have the values of the whole.
    """

    labels: Annotation
    reach_px: int
    """What is 1."""
    void: int | None = None
    """The label of pixels of which nothing is known; a border with them is none."""

    @property
    def shape(self) -> tuple[int, int]:
        """Size along y and x, in pixels."""
        return self.labels.shape

    def read(self, box: Box) -> NDArray[np.float32]:
        """Return the values of a box, (Y, X); NaN where nothing is known."""
        grown = Box(tuple(side.grow(self.reach_px) for side in box))
        around = grown.clip(Box.whole(self.shape))
        values = self._values(self.labels.read(around))
        return values[box.relative_to(around).slices]

    def _values(self, labels: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        known = np.ones(labels.shape, np.bool_) if self.void is None else labels != self.void
        border = at_boundary(labels, known)
        depth = distance_transform_edt(~border) + 1 if border.any() else np.inf
        shares = np.minimum(depth, self.reach_px) / self.reach_px
        values = np.where(labels == BACKGROUND, 0, shares).astype(np.float32)
        return np.where(known, values, np.float32(np.nan))


def distances(pairs: Iterable[Pair], reach_px: int, void: int | None = None) -> list[Pair]:
    """Return images whose annotations are distances to borders.

    Parameters
    ----------
    pairs
        Images with numbered objects.
    reach_px
        What is 1, in pixels.
    void
        The label that stands for unknown, where there is one.

    Raises
    ------
    InputError
        If the reach is no distance.
    """
    if reach_px < 1:
        raise InputError(f"Distances are told up to {reach_px} pixels; give at least 1, e.g. 16.")
    return [
        replace(
            pair,
            annotations=tuple(BorderDistance(each, reach_px, void) for each in pair.annotations),
        )
        for pair in pairs
    ]
