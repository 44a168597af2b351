"""The super-tiles of an output: which there are, level by level, and the work of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

import zarr

from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import RunState
from napari_superpixels.engine.stage import Task
from napari_superpixels.engine.tile import describe_place
from napari_superpixels.engine.work import LevelWork, WindowWork, open_arrays
from napari_superpixels.io.ome_zarr_writer import LabelLayout
from napari_superpixels.tiling import Box

LEVEL_READ_PX = 2048
"""Edge of what a super-tile of a coarser level reads of the level before, where chunks allow."""


def layout_of(plan: Plan) -> LabelLayout:
    """Return how the labels of a plan lie on disk."""
    chunk, cells = plan.chunk_px, plan.cells.shape
    return LabelLayout(
        axes=plan.axes,
        dtype=plan.dtype,
        chunk=(chunk[0], chunk[1]),
        factors=plan.level_factors,
        cells=(cells[0], cells[1]),
        cell_chunk=plan.core,
        channels=plan.source.channels,
    )


@dataclass(frozen=True, slots=True)
class Tasks:
    """The super-tiles of a plan's output."""

    plan: Plan
    state: RunState
    """Where the output lies."""
    threads: int
    """Threads of one window."""

    @property
    def levels(self) -> range:
        """Numbers of the levels, the finest first; each is made of the one before."""
        return range(len(self.plan.level_factors) + 1)

    def count(self) -> int:
        """Return how many there are in all."""
        return self.plan.tiles + sum(prod(self.level_grid(level)) for level in self.levels[1:])

    def of(self, level: int) -> Iterator[Task]:
        """Yield the super-tiles of a level."""
        return self._coarser(level) if level else self._windows()

    def level_grid(self, level: int) -> tuple[int, ...]:
        """Return how many super-tiles a coarser level has along each axis."""
        layout = layout_of(self.plan)
        shape, edge = layout.level_shapes[level], level_tile(layout, level)
        return tuple(-(-n // e) for n, e in zip(shape, edge, strict=True))

    def _windows(self) -> Iterator[Task]:
        """Yield the windows of every plane."""
        arrays = open_arrays(self.state.partial)
        windows = self.plan.windows
        for position, plane in enumerate(self.plan.planes):
            for number, window in enumerate(windows):
                name = f"0/{position * len(windows) + number}"
                core = self.plan.lattice.to_pixels(window.core)
                place = describe_place(self.plan, plane, core)
                work = WindowWork(self.plan, self.state, arrays, name, plane, window, self.threads)
                yield Task(name, 0, place, prod(core.shape), work)

    def _coarser(self, level: int) -> Iterator[Task]:
        """Yield the super-tiles of a coarser level."""
        layout = layout_of(self.plan)
        shape, edge = layout.level_shapes[level], level_tile(layout, level)
        fine = zarr.open_array(self.state.partial / str(level - 1), mode="r")
        coarse = zarr.open_array(self.state.partial / str(level), mode="r+")
        grid = self.level_grid(level)
        for number, index in enumerate(product(*map(range, grid))):
            bounds = [
                (i * e, min((i + 1) * e, n)) for i, e, n in zip(index, edge, shape, strict=True)
            ]
            box, name = Box.of(*bounds), f"{level}/{number}"
            work = LevelWork(self.state, name, fine, coarse, box, layout.factors[level - 1])
            place = f"level {level}, {box.slices}"
            yield Task(name, level, place, prod(box.shape), work)


def level_tile(layout: LabelLayout, level: int) -> tuple[int, ...]:
    """Return the shape of a super-tile of a coarser level, in its pixels: whole chunks."""
    pairs = zip(layout.chunk, layout.factors[level - 1], strict=True)
    edges = (chunk * max(1, LEVEL_READ_PX // (chunk * factor)) for chunk, factor in pairs)
    return (*((1,) * len(layout.leading)), *edges)
