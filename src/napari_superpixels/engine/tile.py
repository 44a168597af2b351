"""One window, from pixels to what is written: the function that every way of running shares."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from napari_superpixels.axes import LEADING
from napari_superpixels.engine.plan import Plan
from napari_superpixels.io.source import Block
from napari_superpixels.models.outputs import Values
from napari_superpixels.models.protocol import Tile
from napari_superpixels.tiling import Box, Interval, Window

Pulse = Callable[[], None]


def no_pulse() -> None:
    """Never cancel."""


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
    """Return what is written of a window's core, shape (Y, X) or (C, Y, X)."""
    found = assign(plan, window, window.core, block, threads=threads, pulse=pulse)
    return plan.output.values(found, plan.lattice, window.core, plane)


def assign_with_ring(
    plan: Plan, window: Window, block: Block, *, threads: int, pulse: Pulse
) -> Values:
    """Return what the model finds in a window's core and in the ring around it."""
    return assign(plan, window, with_ring(plan, window), block, threads=threads, pulse=pulse)


def values_of(plan: Plan, window: Window, plane: int, found: Values) -> Values:
    """Return what is written of a window's core, from what was found there with the ring."""
    pixels = plan.lattice.to_pixels
    core = pixels(window.core).relative_to(pixels(with_ring(plan, window)))
    return plan.output.values(inside(found, core), plan.lattice, window.core, plane)


def tables_of(plan: Plan, window: Window, block: Block, found: Values) -> tuple[Values, ...]:
    """Return the tables of the cells that a window owns, from what was found with the ring."""
    step, ringed = plan.lattice.step, with_ring(plan, window)
    pixels = plan.lattice.to_pixels
    place = pixels(ringed).relative_to(pixels(window.read))
    own = window.core.relative_to(ringed).slices
    samples = block.pixels[:, *place.slices]
    return plan.output.table(found, samples, (step[0], step[1]), own)


def assign(
    plan: Plan, window: Window, wanted: Box, block: Block, *, threads: int, pulse: Pulse
) -> Values:
    """Return what the model finds in some cells of a window."""
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


def with_ring(plan: Plan, window: Window) -> Box:
    """Return the core grown by the ring that the output asks for, inside the image."""
    whole = Box.whole(plan.lattice.cells)
    return Box(tuple(side.grow(plan.output.ring) for side in window.core)).clip(whole)


def inside(values: Values, box: Box) -> Values:
    """Return a box of pixels of values, all of their channels."""
    rows, columns = box.slices
    part: Values = values[..., rows, columns]
    return part


def describe_place(plan: Plan, plane: int, box: Box) -> str:
    """Return where a box of pixels lies, in words."""
    sides: list[tuple[str, Interval]] = list(zip("yx", box, strict=True))
    axes = plan.source.axes
    leading = zip((a for a in LEADING if a in axes), axes.plane_index(plane), strict=True)
    parts = [f"{name}={place}" for name, place in leading]
    return ", ".join(parts + [f"{name} {side.start}:{side.stop} px" for name, side in sides])
