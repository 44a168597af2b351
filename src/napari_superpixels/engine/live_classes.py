"""The levels of a live view of classes: those of a run, every so many of them, or nothing.

A network sees an image at the size that it was trained on, so no level of a pyramid stands in for a
finer one: where the view is zoomed out, the classes of the finest level are computed all the same,
and every second or fourth pixel of them is shown; beyond that nothing is.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.engine.cost import default_workers
from napari_superpixels.engine.live_levels import view_shapes
from napari_superpixels.engine.live_tiles import Kind, TileGrid
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.tile import Pulse, label_window, read_box
from napari_superpixels.tiling import Box, Nearest, Window, Windows1D, WindowShape

MOST_SKIPPED = 4
"""A tile of a level that shows every n-th pixel costs as much as one of the finest, and shows an
n * n-th part of it: no more than this many are skipped."""
NOTHING = np.uint8(0)

Pair = tuple[int, int]


@dataclass(frozen=True)
class ClassLevel:
    """One level of a live view of classes."""

    plan: Plan
    kind: Kind
    shape: Pair
    """Size of a plane, in pixels of this level."""

    @property
    def planes(self) -> tuple[int, ...]:
        """The planes that are shown."""
        return self.plan.planes

    @property
    def has_tiles(self) -> bool:
        """Whether anything is computed."""
        return self.kind != "blank"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the ids."""
        return self.plan.dtype

    @property
    def nothing(self) -> np.uint8:
        """What is shown where nothing is known."""
        return NOTHING

    @cached_property
    def pixels(self) -> tuple[Nearest, Nearest]:
        """From pixels of this level to those of the finest, along y and x."""
        y, x = map(Nearest.between, self.plan.lattice.shape, self.shape)
        return y, x

    @cached_property
    def grid(self) -> TileGrid:
        """How the level is cut: what a run computes at once, as far as pixels are skipped."""
        pairs = zip(self.pixels, self.plan.pixels, strict=True)
        extent = Box(tuple(lookup.looking_at(side) for lookup, side in pairs))
        if self.kind == "exact":
            return TileGrid(extent, (self.plan.core_px[0], self.plan.core_px[1]))
        # Wherever such a tile begins, it touches no more cells than a window has.
        step = self.plan.lattice.step
        y, x = (
            max(1, int((edge - s) / lookup.stride))
            for edge, s, lookup in zip(self.plan.core_px, step, self.pixels, strict=True)
        )
        return TileGrid(extent, (y, x))

    def blank(self, _box: Box) -> np.uint8:
        """Return no class: that is shown until a tile is there."""
        return NOTHING

    def make(self, plane: int, box: Box, pulse: Pulse) -> NDArray[Any]:
        """Return the classes of a tile's box."""
        plan, lattice = self.plan, self.plan.lattice
        seen = Box(tuple(lookup.cover(s) for lookup, s in zip(self.pixels, box, strict=True)))
        window = self._window(lattice.to_cells(seen))
        block = plan.source.read(plane, read_box(plan, window))
        pulse()
        ids = label_window(plan, window, plane, block, threads=default_workers(), pulse=pulse)
        start = lattice.to_pixels(window.core).start
        rows, columns = (
            lookup(side) - first
            for lookup, side, first in zip(self.pixels, box, start, strict=True)
        )
        return ids.take(rows, axis=0).take(columns, axis=1)

    def _window(self, core: Box) -> Window:
        """Return the window of some cells, of a run's own size where those must have one."""
        method, halo = self.plan.method, self.plan.halo
        longest = self.plan.core if method.fixed_windows else core.shape
        read = [
            Windows1D(
                domain, side, WindowShape(length, halo, method.align_cells, method.fixed_windows)
            ).read(0)
            for domain, side, length in zip(self.plan.lattice.cells, core, longest, strict=True)
        ]
        return Window((), core, Box(tuple(read)))

    def labels(self, ids: NDArray[Any], _plane: int, _box: Box) -> NDArray[Any]:
        """Return ids as they are."""
        return ids

    def edges(self, ids: NDArray[Any], _plane: int, _box: Box) -> NDArray[np.uint8]:
        """Return 1 where the right or the lower neighbour has another class."""
        found = np.zeros(ids.shape, np.uint8)
        found[:-1] |= ids[1:] != ids[:-1]
        found[:, :-1] |= ids[:, 1:] != ids[:, :-1]
        return found


def class_levels(plan: Plan) -> tuple[ClassLevel, ...]:
    """Return the levels of a live view of classes, the finest first; nothing is read."""
    finest, *coarser = view_shapes(plan.source.level_shapes[plan.source.level :])
    levels = [ClassLevel(plan, "exact", finest)]
    for shape in coarser[:-1]:
        skipped = max(n / m for n, m in zip(finest, shape, strict=True))
        kind: Kind = "approximate" if skipped <= MOST_SKIPPED else "blank"
        levels.append(ClassLevel(plan, kind, shape))
    # Viewers take the coarsest once and for all, as a thumbnail.
    return (*levels, ClassLevel(plan, "blank", coarser[-1]))
