"""Geometry of a plan: what the user wrote and the image's size become cells and windows."""

import operator
from collections.abc import Mapping
from itertools import pairwise
from math import log2, prod
from typing import Any

import numpy as np

from napari_superpixels.axes import LEADING, Axes, Axis
from napari_superpixels.errors import InputError
from napari_superpixels.io.source import Source
from napari_superpixels.models.protocol import Method
from napari_superpixels.tiling import Box, Interval, Lattice, Windows

VIEW_WHOLE_PX = 2048
"""The same of a lazy array, whose parts are asked for one by one."""
VIEW_WINDOW_PX = 1536
"""Edge of a window of a larger lazy array."""
CHUNK_PX = 512
"""Edge that chunks on disk come near to."""
TILE_WINDOWS = 2
"""Windows along each side of a super-tile, where all must have one shape: more of them are read and
written together, fewer are lost where a run is interrupted."""
EXAMPLE_REGION = '{"y": (0, 512)}'


def make_lattice(source: Source, method: Method) -> Lattice:
    """Return the lattice of an image.

    Raises
    ------
    InputError
        If the image has no pixels, or the method's step is longer than the image.
    """
    shape = source.axes.plane_shape
    if 0 in source.axes.shape:
        text = " x ".join(map(str, shape))
        raise InputError(f"The image has no pixels (plane of {text}); give one of at least 1 x 1.")
    lattice = Lattice(shape, (method.step, method.step), source.axes.planes)
    method.output.check(lattice)
    return lattice


def resolve_region(axes: Axes, lattice: Lattice, region: Any) -> tuple[tuple[Interval, ...], Box]:
    """Return what is written along t and z, and the cells that are written.

    Raises
    ------
    InputError
        If the region is no mapping of axes of the image to (start, stop) inside it.
    """
    if not isinstance(region, Mapping):
        raise InputError(f"The region is {region!r}; give a mapping such as {EXAMPLE_REGION}.")
    allowed = axes.names.replace("c", "")
    for name in region:
        if name not in allowed:
            raise InputError(
                f"The region names the axis {name!r}, but the image has {allowed!r}; "
                f"give (start, stop) in pixels for some of these."
            )
    spans = {name: _span(axes[name], region.get(name)) for name in allowed}
    leading = tuple(spans[name] for name in LEADING if name in axes)
    return leading, lattice.to_cells(Box((spans["y"], spans["x"])))


def _span(axis: Axis, bounds: Any) -> Interval:
    if bounds is None:
        return Interval(0, axis.size)
    try:
        start, stop = map(operator.index, bounds)
    except (TypeError, ValueError):
        raise InputError(
            f"The region is {bounds!r} along {axis.name}; give two whole numbers, such as "
            f"{EXAMPLE_REGION}."
        ) from None
    if not 0 <= start < stop <= axis.size:
        raise InputError(
            f"The region is {start}:{stop} along {axis.name}, but the image has {axis.size} "
            f"samples there; give 0 <= start < stop <= {axis.size}."
        )
    return Interval(start, stop)


def resolve_window(
    lattice: Lattice, cells: Box, window: Any
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the cells of a core and of a chunk along y and x.

    Raises
    ------
    InputError
        If the window is neither a whole number of pixels nor one each for y and x.
    """
    edges = _two_numbers(window)
    if min(edges) < 1:
        raise InputError(f"The window is {min(edges)} px; give at least 1 px (it grows to a cell).")
    pairs = [_core_and_chunk(*args) for args in zip(edges, lattice.step, cells.shape, strict=True)]
    return (pairs[0][0], pairs[1][0]), (pairs[0][1], pairs[1][1])


def windows_in_tile(method: Method, grid: tuple[int, ...]) -> tuple[int, int]:
    """Return how many windows a super-tile has along y and x, of so many in a plane.

    Large windows are super-tiles by themselves; of small ones, which must have one shape, some
    share what is read and written.
    """
    most = TILE_WINDOWS if method.fixed_windows else 1
    y, x = (min(most, n) for n in grid)
    return y, x


def view_window(shape: tuple[int, int]) -> int:
    """Return the edge of the windows of a lazy array, in pixels: a view costs a few of them."""
    return VIEW_WHOLE_PX if max(shape) <= VIEW_WHOLE_PX else VIEW_WINDOW_PX


def _two_numbers(window: Any) -> tuple[int, int]:
    try:
        if hasattr(window, "__index__"):
            window = (window, window)
        y, x = map(operator.index, window)
    except (TypeError, ValueError):
        raise InputError(
            f"The window is {window!r}; give one whole number of pixels, or two for y and x."
        ) from None
    return y, x


def _core_and_chunk(edge_px: int, step: int, cells: int) -> tuple[int, int]:
    """Return cells of a core and of a chunk: 1, 2, 4, ... chunks of nearly `CHUNK_PX`.

    So a core of a coarser level is whole chunks again, as far down as possible.
    """
    core = min(-(-edge_px // step), cells)
    pieces = 2 ** max(0, round(log2(core * step / CHUNK_PX)))
    chunk = -(-core // pieces)
    return chunk * pieces, chunk


def plane_numbers(shape: tuple[int, ...], leading: tuple[Interval, ...]) -> tuple[int, ...]:
    """Return the numbers of the planes that lie in some intervals of t and z."""
    if not shape:
        return (0,)
    numbers = np.arange(prod(shape)).reshape(shape)
    return tuple(int(n) for n in numbers[tuple(side.slice for side in leading)].ravel())


def pyramid_factors(
    level_shapes: tuple[tuple[int, int], ...], shape: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """Return the scale factors of a pyramid, each to the level before.

    The source's own, rounded to integers, where it has further levels; else 2 until a level is no
    longer than `CHUNK_PX`.
    """
    if len(level_shapes) > 1:
        return tuple(
            (max(1, round(fine[0] / coarse[0])), max(1, round(fine[1] / coarse[1])))
            for fine, coarse in pairwise(level_shapes)
        )
    levels = 0
    while max(shape) / 2**levels > CHUNK_PX:
        levels += 1
    return ((2, 2),) * levels


def largest_read(windows: Windows) -> Box:
    """Return the longest read along each axis, among the windows of a plane."""
    sides = []
    for axis in windows.axes:
        sides.append(max((axis.read(i) for i in range(len(axis))), key=len))
    return Box(tuple(sides))
