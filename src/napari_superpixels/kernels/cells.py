"""Pixels stored cell by cell: the layout in which SLIC runs.

The pixels of a cell lie side by side, so that the inner loop is one straight run over contiguous
numbers for any step, and features lie in pairs, as `nearest` wants them. Cells that the image's
end cuts short are filled up with pixels of code `ABSENT`, which is also the code of pixels without
data: one byte a pixel says both where a pixel belongs and whether it counts at all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_superpixels.kernels.bands import Bands
from napari_superpixels.kernels.cone import OWN, position_table
from napari_superpixels.kernels.nearest import ABSENT, FEATURE_SCALE, LANES
from napari_superpixels.tiling import Box
from napari_superpixels.tiling.lattice import Lattice

Int16 = NDArray[np.int16]
Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]

FeatureRows = Callable[[slice], tuple[Int16, Bools | None]]
"""Gives features (C, rows, X) and validity (rows, X) or None of a range of pixel rows."""


@dataclass(frozen=True, slots=True)
class Frame:
    """How an image is cut into cells."""

    lattice: Lattice
    """Size of the image and of a cell."""
    channels: int
    """Number of features a pixel, without position."""
    position: int
    """Quanta that a cell of distance weighs."""

    @property
    def pairs(self) -> int:
        """Pairs of numbers a pixel; an odd one out is paired with the position along y."""
        return -(-self.channels // 2)

    @property
    def pixels(self) -> int:
        """Pixels stored a cell."""
        sy, sx = self.lattice.step
        return -(-sy * sx // LANES) * LANES

    def offsets(self) -> Int16:
        """Return the position along y and x of every pixel of a cell, shape (2, P)."""
        sy, sx = self.lattice.step
        out = np.zeros((2, self.pixels), np.int16)
        out[0, : sy * sx] = np.repeat(position_table(sy, self.position), sx)
        out[1, : sy * sx] = np.tile(position_table(sx, self.position), sy)
        return out

    def shared_pair(self) -> Int16:
        """Return the pair of features that all cells share, scaled, shape (P, 2)."""
        y, x = FEATURE_SCALE * self.offsets()
        pair = (x, np.zeros_like(x)) if self.channels % 2 else (y, x)
        return np.ascontiguousarray(np.stack(pair, axis=-1))

    @property
    def bytes(self) -> int:
        """Memory of the cells, in bytes."""
        pixel = 4 * self.pairs + 1
        return self.lattice.cells_per_plane * (self.pixels * pixel + 8 * (self.channels + 3))


@dataclass(frozen=True, slots=True)
class Cells:
    """Features, codes and sums of an image, cell by cell."""

    frame: Frame
    features: Int16
    """Shape (GH, GW, pairs, P, 2), `FEATURE_SCALE`-fold; 0 where a pixel is absent."""
    codes: Bytes
    """Shape (GH, GW, P): one of the 9 candidates, or `ABSENT`."""
    sums: NDArray[np.int64]
    """Sums over the pixels that have a cell's label, shape (GH, GW, C + 3): features, y, x
    relative to the cell, and how many they are."""

    @classmethod
    def gather(cls, frame: Frame, rows: FeatureRows, bands: Bands) -> Self:
        """Make features row of cells by row of cells, and store them; all pixels are `OWN`."""
        grid = frame.lattice.cells
        cells = cls(
            frame,
            np.empty((*grid, frame.pairs, frame.pixels, 2), np.int16),
            np.empty((*grid, frame.pixels), np.uint8),
            np.empty((*grid, frame.channels + 3), np.int64),
        )
        offsets = frame.offsets()

        def fill(start: int, stop: int) -> None:
            for row in range(start, stop):
                part = frame.lattice.to_pixels(Box.of((row, row + 1), (0, grid[1])))[0]
                cells._put(row, *rows(part.slice), offsets)

        bands.run(fill, 0, grid[0])
        return cells

    def _put(self, row: int, image: Int16, valid: Bools | None, offsets: Int16) -> None:
        mask = np.ones(image.shape[1:], np.bool_) if valid is None else valid
        full = valid is None and image.shape[1] == self.frame.lattice.step[0]
        target = (self.features[row], self.codes[row], self.sums[row])
        step = self.frame.lattice.step
        whole = image.shape[2] // step[1] if full else 0
        _store_whole(image, step, offsets, whole, *target)
        _store_parts(image, mask, step, offsets, whole, *target)

    @property
    def grid(self) -> tuple[int, int]:
        """Number of cells along y and x."""
        return self.codes.shape[0], self.codes.shape[1]

    @property
    def complete(self) -> bool:
        """Whether every pixel of the image holds data."""
        height, width = self.frame.lattice.shape
        return int(self.sums[..., -1].sum()) == height * width

    def image_codes(self, box: Box, bands: Bands) -> Bytes:
        """Return the codes of a box of cells as an image, `ABSENT` where there is no data."""
        lattice = self.frame.lattice
        out = np.empty(lattice.to_pixels(box).shape, np.uint8)
        codes, step = self.codes[box.slices], (lattice.step[0], lattice.step[1])

        def write(start: int, stop: int) -> None:
            _unpack(codes[start:stop], step, out[start * step[0] : stop * step[0]])

        bands.run(write, 0, len(codes))
        return out


@njit(nogil=True, cache=True)
def _store_whole(
    image: Int16,
    step: tuple[int, int],
    offsets: Int16,
    cells: int,
    features: Int16,
    codes: Bytes,
    sums: NDArray[np.int64],
) -> None:
    """Store the first cells of a row of cells, all of them without a gap."""
    sy, sx = step
    channels, count = len(image), sy * sx
    for c in range(cells):
        codes[c, :count] = OWN
        codes[c, count:] = ABSENT
        for pair in range(features.shape[1]):
            target = features[c, pair]
            single = 2 * pair + 1 == channels
            for u in range(sy):
                first = image[2 * pair, u, c * sx : c * sx + sx]
                run = target[u * sx : u * sx + sx]
                if single:
                    y = offsets[0, u * sx] * FEATURE_SCALE
                    for v in range(sx):
                        run[v, 0] = first[v] * FEATURE_SCALE
                        run[v, 1] = y
                else:
                    second = image[2 * pair + 1, u, c * sx : c * sx + sx]
                    for v in range(sx):
                        run[v, 0] = first[v] * FEATURE_SCALE
                        run[v, 1] = second[v] * FEATURE_SCALE
            target[count:] = 0
        _sum_features(features[c], channels, sums[c])
        sums[c, channels] = offsets[0].sum()
        sums[c, channels + 1] = offsets[1].sum()
        sums[c, channels + 2] = count


@njit(nogil=True, cache=True)
def _sum_features(features: Int16, channels: int, sums: NDArray[np.int64]) -> None:
    for pair in range(features.shape[0]):
        first, second = np.int64(0), np.int64(0)
        for p in range(features.shape[1]):
            first += features[pair, p, 0]
            second += features[pair, p, 1]
        sums[2 * pair] = first // FEATURE_SCALE
        if 2 * pair + 1 < channels:
            sums[2 * pair + 1] = second // FEATURE_SCALE


@njit(nogil=True, cache=True)
def _store_parts(
    image: Int16,
    valid: Bools,
    step: tuple[int, int],
    offsets: Int16,
    first: int,
    features: Int16,
    codes: Bytes,
    sums: NDArray[np.int64],
) -> None:
    """Store the other cells of a row of cells, pixel by pixel."""
    sx = step[1]
    channels, height, width = image.shape
    for c in range(first, codes.shape[0]):
        codes[c] = ABSENT
        features[c] = 0
        sums[c] = 0
        for u in range(height):
            for x in range(c * sx, min(c * sx + sx, width)):
                if valid[u, x]:
                    p = u * sx + x - c * sx
                    codes[c, p] = OWN
                    for i in range(channels):
                        features[c, i // 2, p, i % 2] = image[i, u, x] * FEATURE_SCALE
                    if channels % 2:
                        features[c, channels // 2, p, 1] = offsets[0, p] * FEATURE_SCALE
                    sums[c, channels] += offsets[0, p]
                    sums[c, channels + 1] += offsets[1, p]
                    sums[c, channels + 2] += 1
        _sum_features(features[c], channels, sums[c])


@njit(nogil=True, cache=True)
def _unpack(codes: Bytes, step: tuple[int, int], out: Bytes) -> None:
    sy, sx = step
    for y in range(out.shape[0]):
        r, u = y // sy, y % sy
        for c in range(codes.shape[1]):
            x0 = c * sx
            for v in range(min(sx, out.shape[1] - x0)):
                out[y, x0 + v] = codes[r, c, u * sx + v]
