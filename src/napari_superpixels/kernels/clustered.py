"""A clustering that was made elsewhere: codes as an image, centres, and features where asked for.

A graphics card keeps its pixels cell by cell nowhere, and gives back one byte a pixel. The distance
of a few pixels to a few candidates, which connectivity asks for, is measured here once more.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.bands import Bands
from napari_superpixels.kernels.cells import Frame
from napari_superpixels.kernels.cone import NONE, position_table
from napari_superpixels.kernels.jit import kernel
from napari_superpixels.kernels.nearest import ABSENT
from napari_superpixels.tiling import Box

FeaturesAt = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int16]]
"""Gives the features, (C, n), of pixels by y and x; those without data have any."""


@dataclass(frozen=True, slots=True)
class Clustered:
    """An assignment, and the centres it was made with; as `slic.SlicResult`."""

    frame: Frame
    """How the image is cut into cells."""
    exact: Box
    """The cells whose codes do not depend on what lies beyond a cut."""
    complete: bool
    """Whether every pixel of the image holds data."""
    image: NDArray[np.uint8]
    """Codes of the whole image, (Y, X), 255 where there is no data; those of the exact cells
    hold."""
    values: NDArray[np.int32]
    """The centres that the last association used, with a rim of one cell, (GH + 2, GW + 2, C + 2):
    features, and y, x relative to the cell."""
    candidate: NDArray[np.bool_]
    """Which cells had a valid pixel at the start, with a rim, (GH + 2, GW + 2)."""
    features_at: FeaturesAt

    def codes(self, box: Box, _bands: Bands) -> NDArray[np.uint8]:
        """Return the codes of a box of cells as an image, 255 where there is no data."""
        return self.image[self.frame.lattice.to_pixels(box).slices]

    def cost(self, box: Box) -> Callable[[NDArray[np.int64], NDArray[np.uint8]], NDArray[np.int32]]:
        """Return the distance of pixels to candidates, as `slic.SlicResult.cost` does."""
        place = self.frame.lattice.to_pixels(box)
        top, left = place.start
        width = place.shape[1]
        (sy, sx), position = self.frame.step, self.frame.position
        tables = position_table(sy, position), position_table(sx, position)

        def distances(index: NDArray[np.int64], code: NDArray[np.uint8]) -> NDArray[np.int32]:
            y, x = np.divmod(index, width)
            y, x = y + top, x + left
            out = np.empty(len(index), np.int32)
            found = self.features_at(y, x), self.image[y, x] != ABSENT
            centres = self.values, self.candidate
            _measure(found, (y, x), tables, (sy, sx, position), centres, code, out)
            return out

        return distances


@kernel()
def _measure(
    found: tuple[NDArray[np.int16], NDArray[np.bool_]],
    place: tuple[NDArray[np.int64], NDArray[np.int64]],
    tables: tuple[NDArray[np.int32], NDArray[np.int32]],
    geometry: tuple[int, int, int],
    centres: tuple[NDArray[np.int32], NDArray[np.bool_]],
    code: NDArray[np.uint8],
    out: NDArray[np.int32],
) -> None:
    """Squared distances of pixels to one candidate each; without data, of positions alone."""
    features, holds = found
    values, candidate = centres
    sy, sx, position = geometry
    channels = features.shape[0]
    for n in range(out.shape[0]):
        y, x, dr, dc = place[0][n], place[1][n], np.int64(code[n] // 3), np.int64(code[n] % 3)
        r, c = y // sy, x // sx
        out[n] = NONE
        if candidate[r + dr, c + dc]:
            centre = values[r + dr, c + dc]
            v = np.int64(tables[0][y - r * sy]) + (1 - dr) * position - centre[channels]
            u = np.int64(tables[1][x - c * sx]) + (1 - dc) * position - centre[channels + 1]
            total = v * v + u * u
            if holds[n]:
                for i in range(channels):
                    total += (np.int64(features[i, n]) - centre[i]) ** 2
            out[n] = total
