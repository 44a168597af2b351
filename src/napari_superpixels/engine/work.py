"""The work of super-tiles, in four steps: read, compute, finish, write (with the record).

The steps are apart so that they can overlap: while one super-tile is computed, the next is read and
the one before is written. Each takes what the step before returned.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_superpixels.engine.cost import LANE_THREADS
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import RunState
from napari_superpixels.engine.stage import Pulse, Work
from napari_superpixels.engine.supertile import SuperTile
from napari_superpixels.engine.tile import CellTable, assign_with_ring, labels_of, table_of
from napari_superpixels.io.chunk_files import chunk_files
from napari_superpixels.io.source import Block
from napari_superpixels.io.whole_files import write_whole
from napari_superpixels.kernels.mode import mode_downsample
from napari_superpixels.models.protocol import Codes
from napari_superpixels.tiling import Box, Interval, Window

LEVEL_STRIP_ROWS = 512
"""Rows of a level that are read at once to make the next; bounds the memory."""

Place = tuple[Any, ...]
Part = tuple["zarr.Array[Any]", Place, NDArray[Any]]
"""An array, where in it, and what belongs there."""


@dataclass(frozen=True, slots=True)
class LabelArrays:
    """The arrays that super-tiles write."""

    levels: tuple["zarr.Array[Any]", ...]
    """The labels, the finest level first."""
    means: "zarr.Array[Any]"
    counts: "zarr.Array[Any]"


def open_arrays(path: Path, levels: int) -> LabelArrays:
    """Open the arrays of an output of so many levels for writing."""
    names = ("cells/means", "cells/counts", *map(str, range(levels)))
    means, counts, *labels = (zarr.open_array(path / name, mode="r+") for name in names)
    return LabelArrays(tuple(labels), means, counts)


def save(
    state: RunState,
    name: str,
    parts: Sequence[Part],
    facts: dict[str, Any],
    pulse: Pulse,
    threads: int = 1,
) -> None:
    """Write the pixels of a super-tile, whole files each, then its record.

    Raises
    ------
    OutputError
        If the output cannot be written, or was removed.
    """

    def still() -> None:
        pulse()
        # Somebody may have begun the output anew while this process slept.
        state.check_there()

    def write() -> None:
        with ThreadPoolExecutor(threads, thread_name_prefix="superpixels-encode") as pool:
            for array, place, values in parts:
                write_whole(array, place, values, pool, still)
        files = [file for array, place, _ in parts for file in chunk_files(array, place)]
        state.record(name, facts, files)

    state.write(write, pulse)


@dataclass(frozen=True, slots=True)
class Computed:
    """What is known of a super-tile before it is finished."""

    block: Block
    """What was read."""
    codes: list[tuple[Window, Codes]]
    """The codes of its windows, each with a ring of cells around its core."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What is written of a super-tile."""

    levels: list[NDArray[Any]]
    """Labels, shape (Y, X), the finest level first."""
    table: CellTable


@dataclass(frozen=True, slots=True)
class TileWork(Work):
    """Read, label, write, record one super-tile of the finest level, and what lies over it."""

    plan: Plan
    state: RunState
    arrays: LabelArrays
    factors: tuple[tuple[int, int], ...]
    """Scale of each coarser level that is made here to the one before."""
    name: str
    tile: SuperTile
    threads: int

    def read(self, before: None, pulse: Pulse) -> Block:
        """Return the pixels of all its windows."""
        del before, pulse
        return self.plan.source.read(self.tile.plane, self.plan.lattice.to_pixels(self.tile.read))

    def compute(self, before: Block, pulse: Pulse) -> Computed:
        """Return the codes of all its windows."""
        windows = self.tile.windows
        at_once = min(LANE_THREADS, self.threads, len(windows))
        threads = max(1, self.threads // at_once)

        def codes(window: Window) -> Codes:
            part = self.tile.cut(self.plan.lattice, before, window)
            return assign_with_ring(self.plan, window, part, threads=threads, pulse=pulse)

        if at_once == 1:
            return Computed(before, [(window, codes(window)) for window in windows])
        with ThreadPoolExecutor(at_once, thread_name_prefix="superpixels-window") as pool:
            # Each in a copy of this context, so that what it notes of a card is told here.
            contexts = [copy_context() for _ in windows]
            found = pool.map(lambda context, window: context.run(codes, window), contexts, windows)
            return Computed(before, list(zip(windows, found, strict=True)))

    def finish(self, before: Computed, pulse: Pulse) -> Finished:
        """Return labels of all levels and, made beside them, the table."""
        with ThreadPoolExecutor(1, thread_name_prefix="superpixels-table") as beside:
            table = beside.submit(self._table, before, pulse)
            return Finished(self._levels(before, pulse), table.result())

    def _levels(self, found: Computed, pulse: Pulse) -> list[NDArray[Any]]:
        """Return the labels, the finest level first."""
        plan, core = self.plan, self.tile.core
        labels = np.empty(plan.lattice.to_pixels(core).shape, plan.dtype)
        for window, codes in found.codes:
            pulse()
            place = plan.lattice.to_pixels(window.core.relative_to(core))
            labels[place.slices] = labels_of(plan, window, self.tile.plane, codes)
        levels = [labels]
        for factor in self.factors:
            pulse()
            levels.append(mode_downsample(levels[-1], factor))
        return levels

    def _table(self, found: Computed, pulse: Pulse) -> CellTable:
        """Return the features of the superpixels."""
        plan, core = self.plan, self.tile.core
        table = CellTable.empty(core.shape, plan.source.channels)
        for window, codes in found.codes:
            pulse()
            part = self.tile.cut(plan.lattice, found.block, window)
            own, place = table_of(plan, window, part, codes), window.core.relative_to(core)
            table.means[place.slices] = own.means
            table.counts[place.slices] = own.counts
        return table

    def write(self, before: Finished, pulse: Pulse) -> None:
        """Write whole files, and then the record."""
        plan, leading = self.plan, self.tile.leading
        cells: Place = (*leading, *self.tile.core.relative_to(plan.cells).slices)
        start = plan.lattice.to_pixels(self.tile.core).relative_to(plan.pixels).start
        parts: list[Part] = []
        for array, labels, scale in zip(self.arrays.levels, before.levels, self._scales()):
            corner = (n // s for n, s in zip(start, scale, strict=True))
            sides = (slice(a, a + n) for a, n in zip(corner, labels.shape, strict=True))
            parts.append((array, (*leading, *sides), labels))
        parts.append((self.arrays.means, cells, before.table.means))
        parts.append((self.arrays.counts, cells, before.table.counts))
        superpixels = int((before.table.counts > 0).sum())
        save(self.state, self.name, parts, {"superpixels": superpixels}, pulse, self.threads)

    def _scales(self) -> Iterable[tuple[int, int]]:
        """Yield the pixels of the finest level in one of each level."""
        scale = (1, 1)
        yield scale
        for factor in self.factors:
            scale = (scale[0] * factor[0], scale[1] * factor[1])
            yield scale


@dataclass(frozen=True, slots=True)
class LevelWork(Work):
    """Make one super-tile of a coarser level from the level before."""

    state: RunState
    name: str
    fine: "zarr.Array[Any]"
    coarse: "zarr.Array[Any]"
    box: Box
    factor: tuple[int, int]

    def read(self, before: None, pulse: Pulse) -> None:
        """Read nothing yet: strip by strip takes less memory."""

    def compute(self, before: None, pulse: Pulse) -> NDArray[Any]:
        """Return its pixels."""
        del before
        rows, columns = self.box.sides[-2:]
        coarse = np.empty((len(rows), len(columns)), self.coarse.dtype)
        strip = max(1, LEVEL_STRIP_ROWS // self.factor[0])
        edges = [*range(rows.start, rows.stop, strip), rows.stop]
        for part in (Interval(*pair) for pair in pairwise(edges)):
            pulse()
            fine = self._read(part, columns)
            coarse[part.shift(-rows.start).slice] = mode_downsample(fine, self.factor)
        return coarse

    def write(self, before: NDArray[Any], pulse: Pulse) -> None:
        """Write whole chunks, and then the record."""
        part = (self.coarse, self.box.slices, before.reshape(self.box.shape))
        save(self.state, self.name, [part], {}, pulse)

    def _read(self, rows: Interval, columns: Interval) -> NDArray[Any]:
        """Read what some coarse pixels cover of the finer level, shape (Y, X)."""
        sides = zip((rows, columns), self.factor, self.fine.shape[-2:], strict=True)
        reads = [slice(s.start * f, min(s.stop * f, n)) for s, f, n in sides]
        labels = np.asarray(self.fine[(*self.box.slices[:-2], *reads)])
        return labels.reshape(labels.shape[-2:])
