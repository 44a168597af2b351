"""The super-tiles of a run: each reads, computes, writes and records itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import RunState
from napari_superpixels.engine.stage import Pulse
from napari_superpixels.engine.tile import (
    cells_in_output,
    core_in_output,
    label_window_with_table,
    plane_in_output,
    read_box,
)
from napari_superpixels.io.chunk_files import chunk_files
from napari_superpixels.kernels.mode import mode_downsample
from napari_superpixels.tiling import Box, Interval, Window

Place = tuple[Any, ...]

LEVEL_STRIP_ROWS = 512
"""Rows of a level that are read at once to make the next; bounds the memory."""


@dataclass(frozen=True, slots=True)
class LabelArrays:
    """The arrays that windows write."""

    labels: zarr.Array[Any]
    means: zarr.Array[Any]
    counts: zarr.Array[Any]

    def __iter__(self) -> Iterator[zarr.Array[Any]]:
        """Yield them in this order."""
        return iter((self.labels, self.means, self.counts))


def open_arrays(path: Path) -> LabelArrays:
    """Open the arrays of an output for writing."""
    names = ("0", "cells/means", "cells/counts")
    return LabelArrays(*(zarr.open_array(path / name, mode="r+") for name in names))


Part = tuple[zarr.Array[Any], Place, NDArray[Any]]
"""An array, where in it, and what belongs there."""


def save(
    state: RunState, name: str, parts: Sequence[Part], facts: dict[str, Any], pulse: Pulse
) -> None:
    """Write the pixels of a super-tile, then its record.

    Raises
    ------
    OutputError
        If the output cannot be written, or was removed.
    """

    def write() -> None:
        for array, place, values in parts:
            array[place] = values
        files = [file for array, place, _ in parts for file in chunk_files(array, place)]
        state.record(name, facts, files)

    state.write(write, pulse)


@dataclass(frozen=True, slots=True)
class WindowWork:
    """Read, label, write, record one window."""

    plan: Plan
    state: RunState
    arrays: LabelArrays
    name: str
    plane: int
    window: Window
    threads: int

    def __call__(self, pulse: Pulse) -> None:
        plan, window = self.plan, self.window
        block = plan.source.read(self.plane, read_box(plan, window))
        pulse()
        result = label_window_with_table(
            plan, window, self.plane, block, threads=self.threads, pulse=pulse
        )
        pulse()
        leading = plane_in_output(plan, self.plane)
        place = (*leading, *core_in_output(plan, window).slices)
        cells = (*leading, *cells_in_output(plan, window).slices)
        values = (result.labels, result.table.means, result.table.counts)
        parts: list[Part] = list(zip(self.arrays, (place, cells, cells), values, strict=True))
        superpixels = int((result.table.counts > 0).sum())
        save(self.state, self.name, parts, {"superpixels": superpixels}, pulse)


@dataclass(frozen=True, slots=True)
class LevelWork:
    """Make one super-tile of a coarser level from the level before."""

    state: RunState
    name: str
    fine: zarr.Array[Any]
    coarse: zarr.Array[Any]
    box: Box
    factor: tuple[int, int]

    def __call__(self, pulse: Pulse) -> None:
        rows, columns = self.box.sides[-2:]
        coarse = np.empty((len(rows), len(columns)), self.coarse.dtype)
        strip = max(1, LEVEL_STRIP_ROWS // self.factor[0])
        for start in range(rows.start, rows.stop, strip):
            part = Interval(start, min(start + strip, rows.stop))
            pulse()
            fine = self._read(part, columns)
            coarse[part.shift(-rows.start).slice] = mode_downsample(fine, self.factor)
        written = (self.coarse, self.box.slices, coarse.reshape(self.box.shape))
        save(self.state, self.name, [written], {}, pulse)

    def _read(self, rows: Interval, columns: Interval) -> NDArray[Any]:
        """Read what some coarse pixels cover of the finer level, shape (Y, X)."""
        sides = zip((rows, columns), self.factor, self.fine.shape[-2:], strict=True)
        reads = [slice(s.start * f, min(s.stop * f, n)) for s, f, n in sides]
        labels = np.asarray(self.fine[(*self.box.slices[:-2], *reads)])
        return labels.reshape(labels.shape[-2:])
