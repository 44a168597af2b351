"""Patches of one size that overlap, for networks that average over all they see.

Their places depend on the image alone: every `stride` cells one begins, and the last one ends with
the image. So a pixel is seen by the same patches whatever the tiles are, and as what they say of it
is added in raster order, with fixed weights, the sum is the same bits.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.tiling import Interval


@dataclass(frozen=True, slots=True)
class Patches:
    """How patches lie along an axis, in cells."""

    edge: int
    """Of a patch."""
    overlap: int
    """What two neighbours share."""
    hidden: int = 0
    """What does not count at a patch's ends, but at the image's: there the network sees too little.
    Then nothing is blended, but the parts between laid side by side."""

    @property
    def stride(self) -> int:
        """Cells from one patch to the next."""
        return self.edge - self.overlap

    def along(self, cells: int, *, goes_on: bool) -> list[Interval]:
        """Return the patches inside a tile.

        Parameters
        ----------
        cells
            Of the tile; it begins where a patch may.
        goes_on
            Whether the image goes on behind it.
        """
        whole = max(0, cells - self.edge) // self.stride + 1
        starts = [n * self.stride for n in range(whole)]
        if not goes_on and starts[-1] + self.edge < cells:
            starts.append(cells - self.edge)
        return [Interval(start, min(start + self.edge, cells)) for start in starts]

    def weights(
        self, size: int, step: int, cut: tuple[bool, bool] = (True, True)
    ) -> NDArray[np.float32]:
        """Return how much each of `size` pixels of a patch counts: less towards its ends.

        A raised cosine over what neighbours share, nowhere 0: where nothing overlaps, as at the
        image's edge, only the ratio of weights matters. Where ends are `hidden`, 0 there and 1
        between; `cut` tells whether the patch's start and stop are ends, and not the image's.
        """
        if self.hidden:
            found = np.ones(size, np.float32)
            before, after = (self.hidden * step * one for one in cut)
            found[:before] = 0
            found[size - after :] = 0
            return found
        place = np.arange(size) + 0.5
        inwards = np.minimum(place, size - place) / max(1, self.overlap * step)
        rising: NDArray[np.float64] = 0.5 - 0.5 * np.cos(np.pi * np.minimum(inwards, 1))
        return rising.astype(np.float32)
