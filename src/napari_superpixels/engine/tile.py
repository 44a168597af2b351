"""One window, from pixels to labels: the function that every way of running shares."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.engine.plan import OWNER_RING, Plan
from napari_superpixels.io.source import Block
from napari_superpixels.kernels.ids import expand_ids
from napari_superpixels.kernels.means import cell_means, cell_sums
from napari_superpixels.models.protocol import Codes, Tile
from napari_superpixels.tiling import Box, Interval, Lattice, Window

Pulse = Callable[[], None]


def no_pulse() -> None:
    """Never cancel."""


@dataclass(frozen=True, slots=True)
class CellTable:
    """Means of the image's channels over the superpixels of some cells."""

    means: NDArray[np.float32]
    """Shape (cells y, cells x, C); NaN where a cell has no superpixel."""
    counts: NDArray[np.uint32]
    """Pixels of each superpixel, shape (cells y, cells x)."""

    @classmethod
    def empty(cls, shape: tuple[int, ...], channels: int) -> "CellTable":
        """Return room for so many cells; nothing is filled in."""
        return cls(np.empty((*shape, channels), np.float32), np.empty(shape, np.uint32))


@dataclass(frozen=True, slots=True)
class Labelled:
    """What one window gives."""

    labels: NDArray[Any]
    """Labels of the core, shape (Y, X)."""
    table: CellTable
    """Features of the superpixels that the core owns."""


def read_box(plan: Plan, window: Window) -> Box:
    """Return the pixels that a window reads."""
    return plan.lattice.to_pixels(window.read)


def label_window(
    plan: Plan,
    window: Window,
    plane: int,
    block: Block,
    *,
    threads: int = 1,
    pulse: Pulse = no_pulse,
) -> NDArray[Any]:
    """Return the labels of a window's core, shape (Y, X)."""
    codes = assign(plan, window, window.core, block, threads=threads, pulse=pulse)
    return _expand(plan, window.core, plane, codes)


def label_window_with_table(
    plan: Plan,
    window: Window,
    plane: int,
    block: Block,
    *,
    threads: int = 1,
    pulse: Pulse = no_pulse,
) -> Labelled:
    """Return the labels of a window's core and the features of the superpixels that it owns."""
    codes = assign_with_ring(plan, window, block, threads=threads, pulse=pulse)
    pulse()
    table = table_of(plan, window, block, codes)
    return Labelled(labels_of(plan, window, plane, codes), table)


def assign_with_ring(
    plan: Plan, window: Window, block: Block, *, threads: int, pulse: Pulse
) -> Codes:
    """Return the codes of a window's core and of the owner's ring around it, shape (Y, X)."""
    ringed = with_ring(window, plan.lattice)
    return assign(plan, window, ringed, block, threads=threads, pulse=pulse)


def labels_of(plan: Plan, window: Window, plane: int, codes: Codes) -> NDArray[Any]:
    """Return the labels of a window's core, shape (Y, X), from its codes with the ring."""
    ringed, pixels = with_ring(window, plan.lattice), plan.lattice.to_pixels
    core = pixels(window.core).relative_to(pixels(ringed))
    return _expand(plan, window.core, plane, codes[core.slices])


def table_of(plan: Plan, window: Window, block: Block, codes: Codes) -> CellTable:
    """Return the features of the superpixels that a window owns, from its codes with the ring."""
    ringed, pixels = with_ring(window, plan.lattice), plan.lattice.to_pixels
    place = pixels(ringed).relative_to(pixels(window.read))
    return cell_table(plan, window, ringed, codes, block.pixels[:, *place.slices])


def assign(
    plan: Plan, window: Window, wanted: Box, block: Block, *, threads: int, pulse: Pulse
) -> Codes:
    """Return the codes of some cells of a window, shape (Y, X)."""
    step = plan.lattice.step
    cut = [
        (side.start > 0, side.stop < size)
        for side, size in zip(window.read, plan.lattice.cells, strict=True)
    ]
    tile = Tile(
        pixels=block.pixels,
        valid=block.valid,
        step=(step[0], step[1]),
        cut=(cut[0], cut[1]),
        wanted=wanted.relative_to(window.read),
    )
    return plan.model(tile, threads=threads, pulse=pulse)


def with_ring(window: Window, lattice: Lattice) -> Box:
    """Return the core grown by the owner's ring, inside the image."""
    whole = Box.whole(lattice.cells)
    return Box(tuple(side.grow(OWNER_RING) for side in window.core)).clip(whole)


def cell_table(
    plan: Plan, window: Window, ringed: Box, codes: Codes, pixels: NDArray[Any]
) -> CellTable:
    """Return the features of the superpixels that a core owns, from the ringed codes."""
    step = plan.lattice.step
    counts, sums = cell_sums(codes, pixels, (step[0], step[1]))
    own = window.core.relative_to(ringed).slices
    counts, sums = counts[own], sums[:, *own]
    return CellTable(cell_means(counts, sums), counts.astype(np.uint32))


def _expand(plan: Plan, core: Box, plane: int, codes: Codes) -> NDArray[Any]:
    lattice = plan.lattice
    return expand_ids(
        np.ascontiguousarray(codes),
        (core[0].start, core[1].start),
        (lattice.step[0], lattice.step[1]),
        (lattice.cells[0], lattice.cells[1]),
        plane,
        lattice.label_dtype,
    )


def describe_place(plan: Plan, plane: int, box: Box) -> str:
    """Return where a box of pixels lies, in words."""
    sides: list[tuple[str, Interval]] = list(zip("yx", box, strict=True))
    names = plan.axes.names.replace("y", "").replace("x", "")
    leading = zip(names, plan.source.axes.plane_index(plane), strict=True)
    parts = [f"{name}={place}" for name, place in leading]
    return ", ".join(parts + [f"{name} {side.start}:{side.stop} px" for name, side in sides])
