"""The levels of a live view of a plan: what is exact, what is approximate, what is arithmetic."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.engine.cost import default_workers
from napari_superpixels.engine.live_tiles import (
    BOUNDARY,
    CODE_BITS,
    NO_LABEL,
    Kind,
    TileGrid,
    boundaries_of,
)
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.tile import Pulse, assign, read_box, with_ring
from napari_superpixels.io import Source, at_resolution, open_level
from napari_superpixels.kernels.ids import OWN, Labels
from napari_superpixels.labels.boundaries import find_boundaries
from napari_superpixels.tiling import (
    Box,
    Interval,
    Lattice,
    Nearest,
    Window,
    Windows1D,
    WindowShape,
)

TILE_PX, LARGEST_TILE_PX = 1024, 2048
"""Edge that tiles come near to, and the most that large steps may make of it."""
TILE_CELLS = 16
"""Cells along a tile, at least: a halo of many cells around few is mostly halo."""
COARSEST_PX = 256
"""The coarsest level is no longer than this."""
SHORTEST_CELL_PX = 4
"""Shorter cells hold too few pixels to be clustered, and their boundaries would cover all."""
NETWORK_CELL_PX = 16
"""The same of networks that bring each cell to so many pixels, whatever its size: a tile of a
coarser level costs as much as one of the finest (14 to 16 s of a busy processor for 1024, 504 and
252 px with `scn`) and shows a quarter of it."""
MOST_SKIPPED = 4
"""Without a level of its own, a level is read from one so many times as long, at most; an array in
memory, of which any pixel costs the same, from any."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class LabelLevel:
    """One level of a live view of a plan."""

    plan: Plan
    """Of the finest level."""
    kind: Kind
    shape: Pair
    """Size of a plane, in pixels of this level."""
    base: int
    """The level of the source that is read."""
    step: Pair
    """Size of a cell along y and x, in pixels that are read."""
    has_tiles: bool
    """Whether tiles are made; else the cells are all there is."""

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """One byte a pixel."""
        return np.dtype(np.uint8)

    @property
    def beyond(self) -> int:
        """Pixels below and to the right on which `edges` depend: tiles tell of them themselves."""
        return 0

    @property
    def nothing(self) -> np.uint8:
        """No label."""
        return NO_LABEL

    @property
    def planes(self) -> tuple[int, ...]:
        """The planes that are shown."""
        return self.plan.planes

    @cached_property
    def cells(self) -> tuple[Nearest, Nearest]:
        """From pixels of this level to cells, along y and x."""
        return self._lookups(self.plan.lattice.cells, (1, 1))

    @cached_property
    def extent(self) -> Box:
        """The pixels of this level that are shown."""
        pairs = zip(self.cells, self.plan.cells, strict=True)
        return Box(tuple(lookup.looking_at(side) for lookup, side in pairs))

    @cached_property
    def grid(self) -> TileGrid:
        """How the level is cut into tiles: at the finest, whole cells."""
        cells = self.plan.core
        if not self.plan.method.fixed_windows:
            cells = tile_cells(self.step[0]), tile_cells(self.step[1])
        if self.kind == "exact":
            return TileGrid(self.extent, (cells[0] * self.step[0], cells[1] * self.step[1]))
        # Cells have no whole number of pixels: so many of them cover one of these tiles.
        y, x = (
            max(1, int((n - 1) / lookup.stride))
            for n, lookup in zip(cells, self.cells, strict=True)
        )
        return TileGrid(self.extent, (y, x))

    def blank(self, box: Box) -> NDArray[np.uint8] | np.uint8:
        """Return the bytes of a box inside the extent of which no tile is there."""
        if self.kind != "cells":
            return NO_LABEL
        rows, columns = (self._ends_of_cells(axis, side) for axis, side in enumerate(box))
        bytes_: NDArray[np.uint8] = (rows[:, None] | columns) * BOUNDARY + np.uint8(OWN)
        return bytes_

    def _ends_of_cells(self, axis: int, side: Interval) -> NDArray[np.bool_]:
        """Return which pixels end a cell; none where so many would that they cover all."""
        lookup, end = self.cells[axis], self.extent[axis].stop
        if lookup.stride * SHORTEST_CELL_PX > 1:
            return np.zeros(len(side), np.bool_)
        cells = lookup(Interval(side.start, side.stop + 1))
        ends: NDArray[np.bool_] = cells[1:] > cells[:-1]
        ends[end - side.start - 1 :] = False
        return ends

    def labels(self, bytes_: NDArray[np.uint8], plane: int, box: Box) -> Labels:
        """Return the labels that the bytes of a box stand for, shape (Y, X).

        Plain numpy: it runs in the thread that asks, where a kernel may still have to be compiled.
        """
        width, dtype = self.plan.lattice.cells[1], self.plan.dtype
        rows, columns = (lookup(side) for lookup, side in zip(self.cells, box, strict=True))
        first = plane * self.plan.lattice.cells_per_plane + 1
        codes = bytes_ & CODE_BITS
        offsets = np.array([(k // 3 - 1) * width + k % 3 - 1 for k in range(9)] + [0])
        ids: Labels = offsets.astype(dtype).take(codes, mode="clip")  # negative ones wrap, and back
        ids += (first + rows * width).astype(dtype)[:, None]
        ids += columns.astype(dtype)
        ids[codes == NO_LABEL] = 0
        return ids

    def edges(self, bytes_: NDArray[np.uint8], plane: int, box: Box) -> NDArray[np.uint8]:
        """Return 1 where the bytes tell of a boundary."""
        return boundaries_of(bytes_, plane, box)

    def make(self, plane: int, box: Box, pulse: Pulse) -> NDArray[np.uint8]:
        """Return the bytes of a tile's box."""
        if self.kind == "cells":
            return self._cells_with_data(plane, box)
        # A pixel more below and to the right, for the boundaries.
        ringed = Box(tuple(Interval(side.start, side.stop + 1) for side in box)).clip(self.extent)
        codes = self._codes(plane, box, ringed, pulse)
        edges = find_boundaries(self.labels(codes, plane, ringed))
        bytes_ = codes | edges * BOUNDARY
        return np.ascontiguousarray(bytes_[: len(box[0]), : len(box[1])])

    def _codes(self, plane: int, box: Box, ringed: Box, pulse: Pulse) -> NDArray[np.uint8]:
        """Let the method assign the cells that a box touches; return the codes of a larger box."""
        plan, window = self._read_plan, self._window(box)
        block = plan.source.read(plane, read_box(plan, window))
        pulse()
        wanted = with_ring(plan, window)
        codes = assign(plan, window, wanted, block, threads=default_workers(), pulse=pulse)
        pulse()
        start = plan.lattice.to_pixels(wanted).start
        rows, columns = (
            lookup(side) - first
            for lookup, side, first in zip(self._pixels, ringed, start, strict=True)
        )
        return np.minimum(codes, NO_LABEL).take(rows, axis=0).take(columns, axis=1)

    def _cells_with_data(self, plane: int, box: Box) -> NDArray[np.uint8]:
        """Return the bytes of cells, without those of pixels that hold no data."""
        valid = self._seen_source.read(plane, box).valid
        cells = np.asarray(self.blank(box))
        return cells if valid is None else np.where(valid, cells, NO_LABEL)

    def _window(self, box: Box) -> Window:
        """Return the cells that a tile covers, and those that are read for it."""
        method, halo = self.plan.method, self.plan.halo
        core = Box(tuple(lookup.cover(side) for lookup, side in zip(self.cells, box, strict=True)))
        longest = self.plan.core if method.fixed_windows else core.shape
        read = [
            Windows1D(
                domain, side, WindowShape(length, halo, method.align_cells, method.fixed_windows)
            ).read(0)
            for domain, side, length in zip(self.plan.lattice.cells, core, longest, strict=True)
        ]
        return Window((), core, Box(tuple(read)))

    @cached_property
    def _pixels(self) -> tuple[Nearest, Nearest]:
        """From pixels of this level to pixels that are read, along y and x."""
        return self._lookups(self._lattice.shape, self.step)

    @cached_property
    def _lattice(self) -> Lattice:
        """The plan's cells, in pixels that are read."""
        return self.plan.lattice.resampled(self.step)

    @cached_property
    def _read_plan(self) -> Plan:
        """The plan of what is read: the same method on the same cells, which hold fewer pixels."""
        if self.kind == "exact":
            return self.plan
        level = open_level(self.plan.source, self.base)
        fine, read = self.plan.lattice, self._lattice
        y, x = (
            Nearest(size, count, wide * size, step * whole)
            for size, count, wide, step, whole in zip(
                level.axes.plane_shape, read.shape, fine.step, self.step, fine.shape, strict=True
            )
        )
        return replace(self.plan, source=at_resolution(level, (y, x)), lattice=read)

    @cached_property
    def _seen_source(self) -> Source:
        """The source in pixels of this level."""
        level = open_level(self.plan.source, self.base)
        y, x = map(Nearest.between, level.axes.plane_shape, self.shape)
        return at_resolution(level, (y, x))

    def _lookups(self, sizes: tuple[int, ...], parts: Pair) -> tuple[Nearest, Nearest]:
        """Look from pixels of this level at a grid that has `parts` samples a cell."""
        fine = self.plan.lattice
        y, x = (
            Nearest(size, count, whole * part, count * wide)
            for size, count, whole, part, wide in zip(
                sizes, self.shape, fine.shape, parts, fine.step, strict=True
            )
        )
        return y, x


def label_levels(plan: Plan) -> tuple[LabelLevel, ...]:
    """Return the levels of a live view of a plan, the finest first; nothing is read."""
    finest, *coarser = view_shapes(plan.source.level_shapes[plan.source.level :])
    step = plan.lattice.step
    exact = LabelLevel(plan, "exact", finest, plan.source.level, (step[0], step[1]), has_tiles=True)
    levels = [exact, *(_coarse_level(plan, shape) for shape in coarser)]
    # The coarsest is a thumbnail that viewers take once and for all: its cells must be there at
    # once. What holds no data is left out as soon as it is known.
    coarsest = levels[-1]
    tiles = coarsest.has_tiles and plan.source.may_lack_data
    return (*levels[:-1], replace(coarsest, kind="cells", has_tiles=tiles))


def view_shapes(shapes: tuple[Pair, ...]) -> list[Pair]:
    """Return the shapes of some levels, then halves until one is short enough; at least two."""
    shown = list(shapes)
    while len(shown) < 2 or max(shown[-1]) > COARSEST_PX:
        y, x = shown[-1]
        shown.append((-(-y // 2), -(-x // 2)))
    return shown


def tile_cells(step: int) -> int:
    """Return the cells along a tile: about `TILE_PX`, more where cells are large."""
    longest = min(max(TILE_PX, TILE_CELLS * step), LARGEST_TILE_PX)
    return max(1, longest // step)


def _coarse_level(plan: Plan, shape: Pair) -> LabelLevel:
    fine, source = plan.lattice, plan.source
    factors = [n / m for n, m in zip(fine.shape, shape, strict=True)]
    y, x = (round(step / factor) for step, factor in zip(fine.step, factors, strict=True))
    base = _base_level(source.level_shapes, source.level, shape)
    skipped = max(n / m for n, m in zip(source.level_shapes[base], shape, strict=True))
    cheap = skipped <= MOST_SKIPPED or source.chunk_shape == (1, 1)
    shortest = NETWORK_CELL_PX if plan.method.fixed_windows else SHORTEST_CELL_PX
    kind: Kind = "approximate" if cheap and min(y, x) >= shortest else "cells"
    tiles = cheap and (kind == "approximate" or source.may_lack_data)
    return LabelLevel(plan, kind, shape, base, (max(1, y), max(1, x)), has_tiles=tiles)


def _base_level(shapes: tuple[Pair, ...], finest: int, shape: Pair) -> int:
    """Return the coarsest level of the source that has the pixels of a shape."""
    enough = [
        number
        for number, own in enumerate(shapes)
        if number >= finest and own[0] >= shape[0] and own[1] >= shape[1]
    ]
    return enough[-1]
