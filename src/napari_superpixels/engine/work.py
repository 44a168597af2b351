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

from napari_superpixels.axes import LEADING
from napari_superpixels.engine.cost import LANE_THREADS
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import RunState
from napari_superpixels.engine.stage import Pulse, Work
from napari_superpixels.engine.supertile import SuperTile
from napari_superpixels.engine.tile import assign_with_ring, inside, tables_of, values_of
from napari_superpixels.io.chunk_files import chunk_files
from napari_superpixels.io.source import Block
from napari_superpixels.io.whole_files import write_whole
from napari_superpixels.models.outputs import Output, Values
from napari_superpixels.tiling import Box, Interval, Window

LEVEL_STRIP_ROWS = 512
"""Rows of a level that are read at once to make the next; bounds the memory."""

Place = tuple[Any, ...]
Part = tuple["zarr.Array[Any]", Place, NDArray[Any]]
"""An array, where in it, and what belongs there."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """The arrays that super-tiles write."""

    levels: tuple["zarr.Array[Any]", ...]
    """Of every pixel, the finest level first."""
    tables: tuple["zarr.Array[Any]", ...]
    """Of every cell."""


def open_arrays(path: Path, levels: int, tables: Iterable[str]) -> Arrays:
    """Open the arrays of an output of so many levels, with such tables, for writing."""

    def opened(names: Iterable[str]) -> tuple["zarr.Array[Any]", ...]:
        return tuple(zarr.open_array(path / name, mode="r+") for name in names)

    return Arrays(opened(map(str, range(levels))), opened(tables))


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
    found: list[tuple[Window, Values]]
    """What was found in its windows, each with a ring of cells around its core."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What is written of a super-tile."""

    levels: list[Values]
    """Of its pixels, the finest level first."""
    tables: tuple[Values, ...]
    """Of its cells."""


@dataclass(frozen=True, slots=True)
class TileWork(Work):
    """Read, compute, write, record one super-tile of the finest level, and what lies over it."""

    plan: Plan
    state: RunState
    arrays: Arrays
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
        """Return what the model finds in all its windows."""
        windows = self.tile.windows
        at_once = min(LANE_THREADS, self.threads, len(windows))
        threads = max(1, self.threads // at_once)

        def found(window: Window) -> Values:
            part = self.tile.cut(self.plan.lattice, before, window)
            return assign_with_ring(self.plan, window, part, threads=threads, pulse=pulse)

        if at_once == 1:
            return Computed(before, [(window, found(window)) for window in windows])
        with ThreadPoolExecutor(at_once, thread_name_prefix="superpixels-window") as pool:
            # Each in a copy of this context, so that what it notes of a card is told here.
            contexts = [copy_context() for _ in windows]
            each = pool.map(lambda context, window: context.run(found, window), contexts, windows)
            return Computed(before, list(zip(windows, each, strict=True)))

    def finish(self, before: Computed, pulse: Pulse) -> Finished:
        """Return all levels and, made beside them, the tables."""
        with ThreadPoolExecutor(1, thread_name_prefix="superpixels-table") as beside:
            tables = beside.submit(self._tables, before, pulse)
            return Finished(self._levels(before, pulse), tables.result())

    def _levels(self, computed: Computed, pulse: Pulse) -> list[Values]:
        """Return the values of all pixels, the finest level first."""
        plan, core = self.plan, self.tile.core
        shape = plan.lattice.to_pixels(core).shape
        values = np.empty((*plan.output.depth, *shape), plan.dtype)
        for window, found in computed.found:
            pulse()
            place = plan.lattice.to_pixels(window.core.relative_to(core))
            inside(values, place)[...] = values_of(plan, window, self.tile.plane, found)
        levels = [values]
        for factor in self.factors:
            pulse()
            levels.append(plan.output.coarser(levels[-1], factor))
        return levels

    def _tables(self, computed: Computed, pulse: Pulse) -> tuple[Values, ...]:
        """Return what is written of the cells."""
        plan, core = self.plan, self.tile.core
        channels = plan.source.channels
        tables = tuple(table.empty(core.shape, channels) for table in plan.output.tables)
        for window, found in computed.found:
            pulse()
            part = self.tile.cut(plan.lattice, computed.block, window)
            place = window.core.relative_to(core).slices
            for whole, own in zip(tables, tables_of(plan, window, part, found), strict=True):
                whole[place] = own
        return tables

    def write(self, before: Finished, pulse: Pulse) -> None:
        """Write whole files, and then the record."""
        plan, leading = self.plan, self.tile.leading
        cells: Place = (*leading, *self.tile.core.relative_to(plan.cells).slices)
        start = plan.lattice.to_pixels(self.tile.core).relative_to(plan.pixels).start
        parts: list[Part] = []
        for array, values, scale in zip(self.arrays.levels, before.levels, self._scales()):
            corner = (n // s for n, s in zip(start, scale, strict=True))
            sides = [slice(a, a + n) for a, n in zip(corner, values.shape[-2:], strict=True)]
            parts.append((array, self._place(sides), values))
        parts += [(array, cells, table) for array, table in zip(self.arrays.tables, before.tables)]
        counted = plan.output.counted(before.tables)
        save(self.state, self.name, parts, counted, pulse, self.threads)

    def _place(self, sides: Sequence[slice]) -> Place:
        """Return where some pixels lie in an array of a level."""
        plan = self.plan
        named: dict[str, int | slice] = dict(zip("yx", sides, strict=True))
        named |= zip((a for a in LEADING if a in plan.axes), self.tile.leading, strict=True)
        named |= {"c": slice(0, plan.axes["c"].size)}
        return tuple(named[name] for name in plan.axes.names)

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
    output: Output

    def read(self, before: None, pulse: Pulse) -> None:
        """Read nothing yet: strip by strip takes less memory."""

    def compute(self, before: None, pulse: Pulse) -> NDArray[Any]:
        """Return its pixels."""
        del before
        rows, columns = self.box.sides[-2:]
        shape = (*self.output.depth, len(rows), len(columns))
        coarse = np.empty(shape, self.coarse.dtype)
        strip = max(1, LEVEL_STRIP_ROWS // self.factor[0])
        edges = [*range(rows.start, rows.stop, strip), rows.stop]
        for part in (Interval(*pair) for pair in pairwise(edges)):
            pulse()
            fine = self._read(part, columns)
            rows_here = part.shift(-rows.start).slice
            coarse[..., rows_here, :] = self.output.coarser(fine, self.factor)
        return coarse

    def write(self, before: NDArray[Any], pulse: Pulse) -> None:
        """Write whole chunks, and then the record."""
        part = (self.coarse, self.box.slices, before.reshape(self.box.shape))
        save(self.state, self.name, [part], {}, pulse)

    def _read(self, rows: Interval, columns: Interval) -> NDArray[Any]:
        """Read what some coarse pixels cover of the finer level."""
        sides = zip((rows, columns), self.factor, self.fine.shape[-2:], strict=True)
        reads = [slice(s.start * f, min(s.stop * f, n)) for s, f, n in sides]
        values = np.asarray(self.fine[(*self.box.slices[:-2], *reads)])
        return values.reshape((*self.output.depth, *values.shape[-2:]))
