"""The super-tiles of an output: which there are, level by level, and the work of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import RunState
from napari_superpixels.engine.stage import Task
from napari_superpixels.engine.supertile import supertile
from napari_superpixels.engine.tile import describe_place
from napari_superpixels.engine.work import Arrays, LevelWork, TileWork, open_arrays
from napari_superpixels.io.ome_zarr_writer import CellArray, Layout
from napari_superpixels.tiling import Box

LEVEL_READ_PX = 2048
"""Edge of what a super-tile of a coarser level reads of the level before, where chunks allow."""


def layout_of(plan: Plan) -> Layout:
    """Return how what a plan writes lies on disk."""
    chunk, tile, cells = plan.chunk_px, plan.tile_px, plan.cells.shape
    tile_cells = [axis.shape.core for axis in plan.supertiles.axes]
    channels, output = plan.source.channels, plan.output
    return Layout(
        axes=plan.axes,
        dtype=plan.dtype,
        chunk=(chunk[0], chunk[1]),
        tile=(tile[0], tile[1]),
        factors=plan.level_factors,
        cells=(cells[0], cells[1]),
        cell_chunk=(tile_cells[0], tile_cells[1]),
        tables=tuple(
            CellArray(table.name, table.dtype, table.depth(channels), table.fill)
            for table in output.tables
        ),
        fill=output.fill,
        reduction=output.reduction,
        rule=output.rule,
        about=output.described(),
    )


@dataclass(frozen=True)
class Tasks:
    """The super-tiles of a plan's output."""

    plan: Plan
    state: RunState
    """Where the output lies."""
    threads: int
    """Threads of one super-tile."""

    @property
    def levels(self) -> tuple[int, ...]:
        """Numbers of the levels that have super-tiles of their own, the finest first.

        The finest makes the next levels as well, as far as whole files allow; after these, each
        is made of the one before.
        """
        return (0, *range(self.layout.levels_at_once, len(self.layout.factors) + 1))

    @cached_property
    def layout(self) -> Layout:
        """How the output lies on disk."""
        return layout_of(self.plan)

    def count(self) -> int:
        """Return how many there are in all."""
        return sum(map(self.size, self.levels))

    def size(self, level: int) -> int:
        """Return how many a level has."""
        return prod(level_grid(self.layout, level)) if level else self.plan.tiles

    def of(self, level: int) -> Iterator[Task]:
        """Yield the super-tiles of a level."""
        return (self.at(level, number) for number in range(self.size(level)))

    def named(self, name: str) -> Task:
        """Return the super-tile of a name."""
        level, number = map(int, name.split("/"))
        return self.at(level, number)

    def at(self, level: int, number: int) -> Task:
        """Return a super-tile by its place in its level; costs the same wherever that is."""
        return self._coarser(level, number) if level else self._finest(number)

    @cached_property
    def _arrays(self) -> Arrays:
        """What is written."""
        names = (table.name for table in self.layout.tables)
        return open_arrays(self.state.partial, len(self.layout.factors) + 1, names)

    def _finest(self, number: int) -> Task:
        """Return a super-tile of the finest level."""
        tile, name = supertile(self.plan, number), f"0/{number}"
        pixels = self.plan.lattice.to_pixels(tile.core)
        factors = self.layout.factors[: self.layout.levels_at_once - 1]
        work = TileWork(self.plan, self.state, self._arrays, factors, name, tile, self.threads)
        place = describe_place(self.plan, tile.plane, pixels)
        return Task(name, 0, place, prod(pixels.shape), work)

    def _coarser(self, level: int, number: int) -> Task:
        """Return a super-tile of a coarser level."""
        layout, arrays = self.layout, self._arrays.levels
        box, name = level_box(layout, level, number), f"{level}/{number}"
        factor = layout.factors[level - 1]
        work = LevelWork(self.state, name, arrays[level - 1], arrays[level], box, factor,
                         self.plan.output)  # fmt: skip
        return Task(name, level, f"level {level}, {box.slices}", prod(box.shape), work)


def level_tile(layout: Layout, level: int) -> tuple[int, ...]:
    """Return the shape of a super-tile of a coarser level, in its pixels: whole chunks."""
    pairs = zip(layout.chunk, layout.factors[level - 1], strict=True)
    edges = (chunk * max(1, LEVEL_READ_PX // (chunk * factor)) for chunk, factor in pairs)
    return (*layout.outer_tile, *edges)


def level_grid(layout: Layout, level: int) -> tuple[int, ...]:
    """Return how many super-tiles a coarser level has along each axis."""
    shape, edge = layout.level_shapes[level], level_tile(layout, level)
    return tuple(-(-n // e) for n, e in zip(shape, edge, strict=True))


def level_box(layout: Layout, level: int, number: int) -> Box:
    """Return what a super-tile of a coarser level covers, in its pixels."""
    index = map(int, np.unravel_index(number, level_grid(layout, level)))
    sides = zip(index, level_tile(layout, level), layout.level_shapes[level], strict=True)
    return Box.of(*((i * edge, min((i + 1) * edge, n)) for i, edge, n in sides))
