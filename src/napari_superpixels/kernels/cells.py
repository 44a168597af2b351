"""Pixels stored cell by cell: the layout in which SLIC runs.

The pixels of a cell lie side by side, so that the inner loop is one straight run over contiguous
numbers for any step, and features lie in pairs, as `nearest` wants them. Cells that the image's
end cuts short are filled up with pixels of code `ABSENT`, which is also the code of pixels without
data: one byte a pixel says both where a pixel belongs and whether it counts at all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.bands import Bands
from napari_superpixels.kernels.cone import OWN, position_table
from napari_superpixels.kernels.jit import kernel
from napari_superpixels.kernels.nearest import ABSENT, FEATURE_SCALE, LANES
from napari_superpixels.tiling import Box
from napari_superpixels.tiling.lattice import Lattice

Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]

LARGEST_CELL = 14_000
"""The most pixels a cell may have: sums over 9 cells, `FEATURE_SCALE`-fold, fit 32 bits."""

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

    def __post_init__(self) -> None:
        assert prod(self.lattice.step) <= LARGEST_CELL, "callers check the step"

    @property
    def step(self) -> tuple[int, int]:
        """Size of a cell along y and x, in pixels."""
        return self.lattice.step[0], self.lattice.step[1]

    @property
    def pairs(self) -> int:
        """Pairs of numbers a pixel; an odd one out is paired with the position along y."""
        return -(-self.channels // 2)

    @property
    def pixels(self) -> int:
        """Pixels stored a cell."""
        sy, sx = self.step
        return -(-sy * sx // LANES) * LANES

    def offsets(self) -> Int32:
        """Return the position along y and x of every pixel of a cell, shape (2, P)."""
        sy, sx = self.step
        out = np.zeros((2, self.pixels), np.int32)
        out[0, : sy * sx] = np.repeat(position_table(sy, self.position), sx)
        out[1, : sy * sx] = np.tile(position_table(sx, self.position), sy)
        return out

    def shared_pair(self) -> Int32:
        """Return the pair of features that all cells share, as words, shape (P,)."""
        y, x = FEATURE_SCALE * self.offsets()
        pair: Int32 = x if self.channels % 2 else y | x << 16
        return pair

    @property
    def bytes(self) -> int:
        """Memory of the cells, in bytes."""
        pixel = 4 * self.pairs + 1
        return self.lattice.cells_per_plane * (self.pixels * pixel + 8 * (self.channels + 3))


@dataclass(frozen=True, slots=True)
class Cells:
    """Features, codes and sums of an image, cell by cell."""

    frame: Frame
    features: Int32
    """Shape (GH, GW, pairs, P): two features of 16 bits a word, the first one low, each
    `FEATURE_SCALE`-fold; 0 where a pixel is absent."""
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
            np.empty((*grid, frame.pairs, frame.pixels), np.int32),
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

    def _put(self, row: int, image: Int16, valid: Bools | None, offsets: Int32) -> None:
        mask = np.ones((0, 0), np.bool_) if valid is None else valid
        target = (self.features[row], self.codes[row], self.sums[row])
        _store(image, mask, self.frame.step, offsets, *target)

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
        codes, step = self.codes[box.slices], self.frame.step

        def write(start: int, stop: int) -> None:
            _unpack(codes[start:stop], step, out[start * step[0] : stop * step[0]])

        bands.run(write, 0, len(codes))
        return out


@kernel()
def feature(word: np.int32, index: int) -> np.int64:
    """Read feature `index` from its word: the first half, or the second where it is odd."""
    half = word >> 16 if index % 2 else np.int16(word)
    return np.int64(half) // FEATURE_SCALE


@kernel()
def _store(
    image: Int16,
    valid: Bools,
    step: tuple[int, int],
    offsets: Int32,
    features: Int32,
    codes: Bytes,
    sums: Int64,
) -> None:
    """Store a row of cells; `valid` is empty where all pixels hold data."""
    sy, sx = step
    channels, height, width = image.shape
    whole_y, whole_x = offsets[0].sum(), offsets[1].sum()
    for c in range(codes.shape[0]):
        mask = valid[:, c * sx : c * sx + sx]
        if height < sy or width < (c + 1) * sx or not mask.all():
            part = image[:, :, c * sx : c * sx + sx]
            _store_part(part, mask, sx, offsets, features[c], codes[c], sums[c])
        else:
            codes[c, : sy * sx] = OWN
            codes[c, sy * sx :] = ABSENT
            _store_whole(image, (c * sx, sx), offsets, features[c], sums[c])
            sums[c, channels] = whole_y
            sums[c, channels + 1] = whole_x
            sums[c, channels + 2] = sy * sx


@kernel(forceinline=True)
def _store_whole(
    image: Int16, columns: tuple[int, int], offsets: Int32, features: Int32, sums: Int64
) -> None:
    """Store a cell without a gap; `columns` are its first one and how many it has.

    Sums have 32 bits, which the vectoriser likes and `LARGEST_CELL` allows.
    """
    channels, height = image.shape[:2]
    left, width = columns
    scale, high = np.int32(FEATURE_SCALE), np.int32(FEATURE_SCALE << 16)
    low_half = np.int32(0xFFFF)
    for pair in range(features.shape[0]):
        first_sum, second_sum = np.int32(0), np.int32(0)
        for u in range(height):
            first = image[2 * pair, u, left : left + width]
            run = features[pair, u * width : (u + 1) * width]
            if 2 * pair + 1 < channels:
                second = image[2 * pair + 1, u, left : left + width]
                for v in range(width):
                    low, upper = np.int32(first[v]), np.int32(second[v])
                    first_sum += low
                    second_sum += upper
                    run[v] = ((low * scale) & low_half) | (upper * high)
            else:
                upper = offsets[0, u * width] * high
                for v in range(width):
                    low = np.int32(first[v])
                    first_sum += low
                    run[v] = ((low * scale) & low_half) | upper
        features[pair, height * width :] = 0
        sums[2 * pair] = first_sum
        if 2 * pair + 1 < channels:
            sums[2 * pair + 1] = second_sum


@kernel()
def _store_part(
    image: Int16,
    valid: Bools,
    width: int,
    offsets: Int32,
    features: Int32,
    codes: Bytes,
    sums: Int64,
) -> None:
    """Store a cell that is cut short or has gaps, pixel by pixel."""
    channels = len(image)
    codes[:] = ABSENT
    features[:] = 0
    sums[:] = 0
    for u in range(image.shape[1]):
        for v in range(image.shape[2]):
            if valid.size == 0 or valid[u, v]:
                p = u * width + v
                codes[p] = OWN
                for i in range(channels):
                    shift = 16 * (i % 2)
                    features[i // 2, p] |= ((image[i, u, v] * FEATURE_SCALE) & 0xFFFF) << shift
                    sums[i] += image[i, u, v]
                if channels % 2:
                    features[channels // 2, p] |= (offsets[0, p] * FEATURE_SCALE) << 16
                sums[channels] += offsets[0, p]
                sums[channels + 1] += offsets[1, p]
                sums[channels + 2] += 1


@kernel()
def _unpack(codes: Bytes, step: tuple[int, int], out: Bytes) -> None:
    sy, sx = step
    for y in range(out.shape[0]):
        r, u = y // sy, y % sy
        for c in range(codes.shape[1]):
            start, stop = c * sx, min(c * sx + sx, out.shape[1])
            out[y, start:stop] = codes[r, c, u * sx : u * sx + stop - start]
