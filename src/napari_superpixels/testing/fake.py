"""A cheap method whose labels depend on everything within its reach, and on nothing beyond."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.models.outputs import SUPERPIXELS, Output
from napari_superpixels.models.protocol import NODATA_CODE, Codes, ImageFacts, Tile
from napari_superpixels.models.statistics import Statistics


@dataclass(frozen=True, kw_only=True)
class Fake:
    """Gives every pixel of a cell one code: a checksum of all pixels within `reach` cells.

    One changed pixel changes the labels of all cells that reach it, so an engine that reads too
    little, or from the wrong place, is found out at once.
    """

    name: ClassVar[str] = "fake"
    revision: ClassVar[int] = 1
    align_cells: ClassVar[int] = 1
    fixed_windows: ClassVar[bool] = False
    integers: ClassVar[bool] = True
    output: ClassVar[Output] = SUPERPIXELS
    window_px: ClassVar[int] = 1536

    step: int = 8
    """Size of a cell, in pixels."""
    reach: int = 2
    """Cells around its own on which a label depends."""
    declared: int | None = None
    """The halo that it declares; by default the true one."""
    measured: bool = False
    """Whether it asks for statistics (and lets them shift every code)."""

    @property
    def halo_cells(self) -> int:
        """Cells around a core on which its labels depend."""
        return self.reach if self.declared is None else self.declared

    def needs_statistics(self, _facts: ImageFacts) -> bool:
        """Whether whole-image statistics must be measured first."""
        return self.measured

    def needs_projection(self, _facts: ImageFacts) -> bool:
        """Whether channels must be projected to fewer."""
        return False

    def model(self, _facts: ImageFacts, statistics: Statistics | None) -> "FakeModel":
        """Make the callable that the engine runs."""
        offset = int(sum(statistics.maximum)) if statistics and self.measured else 0
        return FakeModel(self.reach, offset)


@dataclass(frozen=True)
class FakeModel:
    """The checksum of `Fake`, for one image."""

    reach: int
    offset: int

    def __call__(self, tile: Tile, *, threads: int = 1, pulse: Callable[[], None]) -> Codes:
        """Return the codes of the wanted cells."""
        pulse()
        sums = _cell_sums(tile)
        place = tile.wanted.slices
        around = self.offset + _box_sums(sums, self.reach)[place]
        rows, columns = np.mgrid[: sums.shape[0], : sums.shape[1]]
        codes = (around % 9).astype(np.int64)
        dr = _inside(codes // 3 - 1, rows[place], sums.shape[0], tile.cut[0])
        dc = _inside(codes % 3 - 1, columns[place], sums.shape[1], tile.cut[1])
        return _to_pixels((3 * (dr + 1) + dc + 1).astype(np.uint8), tile)

    def prepare(self) -> None:
        """Load nothing."""

    def bytes_for(self, shape: tuple[int, int]) -> int:
        """Return an upper bound of the memory used, in bytes."""
        return 64 * shape[0] * shape[1]


def _cell_sums(tile: Tile) -> NDArray[np.int64]:
    values = tile.pixels.sum(axis=0).astype(np.int64)
    if tile.valid is not None:
        values = np.where(tile.valid, values, 0)
    starts = [np.arange(0, n, s) for n, s in zip(values.shape, tile.step, strict=True)]
    rows = np.add.reduceat(values, starts[0], axis=0)
    return np.asarray(np.add.reduceat(rows, starts[1], axis=1))


def _box_sums(sums: NDArray[np.int64], reach: int) -> NDArray[np.int64]:
    padded = np.pad(sums, reach)
    size = 2 * reach + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    return np.asarray(windows.sum(axis=(2, 3)))


def _inside(
    delta: NDArray[np.int64], index: NDArray[np.int64], size: int, cut: tuple[bool, bool]
) -> NDArray[np.int64]:
    """Turn a step out of the image into none; at a cut side the image goes on."""
    out = (~np.bool_(cut[0]) & (index + delta < 0)) | (~np.bool_(cut[1]) & (index + delta >= size))
    return np.where(out, 0, delta)


def _to_pixels(codes: NDArray[np.uint8], tile: Tile) -> Codes:
    spread = codes.repeat(tile.step[0], axis=0).repeat(tile.step[1], axis=1)
    sides = zip(tile.wanted, tile.step, tile.pixels.shape[1:], strict=True)
    spans = [(s.start * step, min(s.stop * step, size)) for s, step, size in sides]
    result = spread[: spans[0][1] - spans[0][0], : spans[1][1] - spans[1][0]].copy()
    if tile.valid is not None:
        part = tuple(slice(*span) for span in spans)
        result[~tile.valid[part]] = NODATA_CODE
    return result
