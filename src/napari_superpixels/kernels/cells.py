"""Pixels stored cell by cell: the layout in which SLIC runs.

The pixels of a cell lie side by side, one plane a feature, so that the inner loop is one straight
run over contiguous numbers for any step. Cells at the image's end that are cut short are filled up
with pixels of code `ABSENT`, which is also the code of pixels without data: one byte a pixel says
both where a pixel belongs and whether it counts at all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_superpixels.kernels.bands import Bands
from napari_superpixels.kernels.cone import OWN

ABSENT = 255
"""Code of a pixel that is not there or holds no data."""
LANES = 16
"""Cells are filled up to a multiple of this many pixels, a vector of the widest machines."""

FeatureRows = Callable[[slice], tuple[NDArray[np.int16], NDArray[np.bool_] | None]]
"""Gives features (C, rows, X) and validity (rows, X) or None of a range of pixel rows."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Features and codes of an image, cell by cell."""

    shape: tuple[int, int]
    """Size of the image, in pixels."""
    step: tuple[int, int]
    """Size of a cell, in pixels."""
    features: NDArray[np.int16]
    """Shape (GH, GW, C, P), P pixels a cell; 0 where a pixel is absent."""
    codes: NDArray[np.uint8]
    """Shape (GH, GW, P): the 9 candidates, or `ABSENT`."""

    @classmethod
    def gather(
        cls,
        shape: tuple[int, int],
        step: tuple[int, int],
        channels: int,
        rows: FeatureRows,
        bands: Bands,
    ) -> "Cells":
        """Make features row of cells by row of cells, and store them cell by cell."""
        grid = (-(-shape[0] // step[0]), -(-shape[1] // step[1]))
        pixels = -(-step[0] * step[1] // LANES) * LANES
        cells = cls(
            shape,
            step,
            np.empty((*grid, channels, pixels), np.int16),
            np.empty((*grid, pixels), np.uint8),
        )

        def fill(start: int, stop: int) -> None:
            for r in range(start, stop):
                top = r * step[0]
                features, valid = rows(slice(top, min(top + step[0], shape[0])))
                everywhere = np.ones((1, 1), np.bool_) if valid is None else valid
                _pack(features, everywhere, step, cells.features[r], cells.codes[r])

        bands.run(fill, 0, grid[0])
        return cells

    @property
    def grid(self) -> tuple[int, int]:
        """Number of cells along y and x."""
        return self.codes.shape[0], self.codes.shape[1]

    def image_codes(self, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """Return the codes of a range of cells as an image, `ABSENT` where there is no data."""
        (sy, sx), (height, width) = self.step, self.shape
        y0, y1 = rows.start * sy, min(rows.stop * sy, height)
        x0, x1 = columns.start * sx, min(columns.stop * sx, width)
        out = np.empty((y1 - y0, x1 - x0), np.uint8)
        _unpack(self.codes[rows, columns], self.step, out)
        return out


@njit(nogil=True, cache=True)
def _pack(image, valid, step, features, codes) -> None:  # type: ignore[no-untyped-def]  # pragma: no cover
    sy, sx = step
    channels, height, width = image.shape
    masked = valid.shape[0] == height and valid.shape[1] == width
    for c in range(codes.shape[0]):
        x0 = c * sx
        w = min(sx, width - x0)
        codes[c] = ABSENT
        for u in range(height):
            for v in range(w):
                codes[c, u * sx + v] = OWN
        for channel in range(channels):
            target = features[c, channel]
            target[:] = 0
            for u in range(height):
                for v in range(w):
                    target[u * sx + v] = image[channel, u, x0 + v]
        if masked:
            for u in range(height):
                for v in range(w):
                    if not valid[u, x0 + v]:
                        codes[c, u * sx + v] = ABSENT
                        features[c, :, u * sx + v] = 0


@njit(nogil=True, cache=True)
def _unpack(codes, step, out) -> None:  # type: ignore[no-untyped-def]  # pragma: no cover
    sy, sx = step
    for y in range(out.shape[0]):
        r, u = y // sy, y % sy
        for c in range(codes.shape[1]):
            x0 = c * sx
            for v in range(min(sx, out.shape[1] - x0)):
                out[y, x0 + v] = codes[r, c, u * sx + v]
