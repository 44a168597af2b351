"""The levels of a live view of classes or numbers: those of a run, every so many of them, or none.

A network sees an image at the size that it was trained on, so no level of a pyramid stands in for a
finer one: where the view is zoomed out, the values of the finest level are computed all the same,
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
PERCENTILES = (1, 99)
"""Of a tile's numbers: those beyond say little about the others."""

Pair = tuple[int, int]
Span = tuple[float, float]


@dataclass(eq=False)
class Range:
    """Between which numbers those lie that were made so far; any thread may ask."""

    span: Span | None = None
    """The lowest and the highest but for a few; None before there are any."""

    def widen(self, values: NDArray[Any]) -> None:
        """Take numbers in; NaN and infinite ones do not count. For the worker alone."""
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = (float(value) for value in np.percentile(finite, PERCENTILES))
            before = self.span or (low, high)
            self.span = min(low, before[0]), max(high, before[1])


@dataclass(frozen=True)
class DenseLevel:
    """One level of a live view of classes or numbers."""

    plan: Plan
    kind: Kind
    shape: Pair
    """Size of a plane, in pixels of this level."""
    seen: Range | None = None
    """Told of numbers that are made; None of classes."""

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
        """Type of the values."""
        return self.plan.dtype

    @property
    def beyond(self) -> int:
        """Pixels below and to the right on which `edges` depend: tiles hold classes alone."""
        return 1

    @property
    def nothing(self) -> np.generic:
        """What is shown where nothing is known: no class, or NaN, as where there are no data."""
        value: np.generic = self.dtype.type(self.plan.output.fill)
        return value

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

    def blank(self, _box: Box) -> np.generic:
        """Return nothing: that is shown until a tile is there."""
        return self.nothing

    def make(self, plane: int, box: Box, pulse: Pulse) -> NDArray[Any]:
        """Return the values of a tile's box."""
        plan, lattice = self.plan, self.plan.lattice
        seen = Box(tuple(lookup.cover(s) for lookup, s in zip(self.pixels, box, strict=True)))
        window = self._window(lattice.to_cells(seen))
        block = plan.source.read(plane, read_box(plan, window))
        pulse()
        values = label_window(plan, window, plane, block, threads=default_workers(), pulse=pulse)
        start = lattice.to_pixels(window.core).start
        rows, columns = (
            lookup(side) - first
            for lookup, side, first in zip(self.pixels, box, start, strict=True)
        )
        picked = values.take(rows, axis=0).take(columns, axis=1)
        if self.seen is not None:
            self.seen.widen(picked)
        return picked

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

    def labels(self, values: NDArray[Any], _plane: int, _box: Box) -> NDArray[Any]:
        """Return ids of classes, or numbers, as they are."""
        return values

    def edges(self, ids: NDArray[Any], _plane: int, _box: Box) -> NDArray[np.uint8]:
        """Return 1 where the right or the lower neighbour in the box has another class."""
        found = np.zeros(ids.shape, np.uint8)
        found[:-1] |= ids[1:] != ids[:-1]
        found[:, :-1] |= ids[:, 1:] != ids[:, :-1]
        return found


def dense_levels(plan: Plan) -> tuple[DenseLevel, ...]:
    """Return the levels of a live view of classes or numbers, the finest first; nothing is read."""
    seen = None if plan.output.labels else Range()
    finest, *coarser = view_shapes(plan.source.level_shapes[plan.source.level :])
    levels = [DenseLevel(plan, "exact", finest, seen)]
    for shape in coarser[:-1]:
        skipped = max(n / m for n, m in zip(finest, shape, strict=True))
        kind: Kind = "approximate" if skipped <= MOST_SKIPPED else "blank"
        levels.append(DenseLevel(plan, kind, shape, seen))
    # Viewers take the coarsest once and for all, as a thumbnail.
    return (*levels, DenseLevel(plan, "blank", coarser[-1], seen))
