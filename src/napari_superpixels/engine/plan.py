"""The plan: intent and reality resolved into one frozen value that everything else obeys.

`make_plan` is pure: it reads no pixel and decides all geometry, types and sizes. The shell, the
plugin and notebooks make a plan and hand it to `lazy_labels` or `run`; nothing else travels.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from napari_superpixels.axes import LEADING, Axes, Axis
from napari_superpixels.engine.cost import TileCost, project_run, project_tile
from napari_superpixels.errors import InputError, PlanError
from napari_superpixels.io import GeoReference, Source
from napari_superpixels.models.protocol import ImageFacts, Method, Model
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.tiling import Box, Interval, Lattice, Windows, WindowShape

FORMAT = 1
"""Raised when an output of the same plan would be laid out otherwise."""
OWNER_RING = 1
"""Cells around a core whose labels must be right too, for the features of the core's cells."""
RUN_WINDOW_PX = 1536
"""Edge of a window, when the user leaves it to us and the image is larger than `WHOLE_PX`."""
WHOLE_PX = 4096
"""A plane up to this edge is one window."""
CHUNK_PX = 512
"""Edge that chunks on disk come near to."""

Region = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Plan:
    """Everything that determines the labels, and how the work is cut."""

    source: Source
    """The image."""
    method: Method
    """The method with its settings."""
    statistics: Statistics | None
    """Whole-image statistics; None where the method needs none, or they are not measured yet."""
    lattice: Lattice
    """The cells of the whole image."""
    planes: tuple[int, ...]
    """Numbers of the (t, z) planes that are written."""
    leading: tuple[Interval, ...]
    """What is written along t and z."""
    cells: Box
    """The cells of each plane that are written."""
    core: tuple[int, int]
    """Cells that a window writes along y and x."""
    chunk: tuple[int, int]
    """Cells in a chunk on disk along y and x; divides `core`."""

    @property
    def facts(self) -> ImageFacts:
        """What the method knows of the image."""
        source = self.source
        return ImageFacts(channels=source.channels, dtype=source.dtype, rgb=source.rgb)

    @property
    def deferred(self) -> bool:
        """Whether statistics are still to be measured."""
        return self.statistics is None and self.method.needs_statistics(self.facts)

    @cached_property
    def model(self) -> Model:
        """The method made ready for this image."""
        assert not self.deferred, "statistics first"
        return self.method.model(self.facts, self.statistics)

    @property
    def halo(self) -> int:
        """Cells read around a core: what the labels need, and the owner's ring."""
        return self.method.halo_cells + OWNER_RING

    @cached_property
    def windows(self) -> Windows:
        """The windows of one plane."""
        method = self.method
        shapes = tuple(
            WindowShape(core, self.halo, method.align_cells, method.fixed_windows)
            for core in self.core
        )
        return Windows.over(self.lattice.cells, self.cells, shapes)

    @property
    def tiles(self) -> int:
        """Number of windows of all planes."""
        return len(self.windows) * len(self.planes)

    @property
    def pixels(self) -> Box:
        """The pixels of a plane that are written."""
        return self.lattice.to_pixels(self.cells)

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Type of the labels."""
        return self.lattice.label_dtype

    @property
    def axes(self) -> Axes:
        """Axes of the labels, with spacing and origin carried over."""
        spans = [*self.leading, *self.pixels]
        named = [axis for axis in self.source.axes.items if axis.name != "c"]
        return Axes(tuple(map(_cropped, named, spans)))

    @property
    def core_px(self) -> tuple[int, ...]:
        """Pixels that a window writes along y and x."""
        return tuple(n * s for n, s in zip(self.core, self.lattice.step, strict=True))

    @property
    def chunk_px(self) -> tuple[int, ...]:
        """Pixels of a chunk on disk along y and x."""
        return tuple(n * s for n, s in zip(self.chunk, self.lattice.step, strict=True))

    @property
    def level_factors(self) -> tuple[tuple[int, int], ...]:
        """Scale of each written pyramid level to the one before it: the source's, else 2."""
        return pyramid_factors(self.source.level_shapes[self.source.level :], self.pixels.shape)

    @property
    def cost(self) -> TileCost:
        """Projected memory of one window."""
        read = self.lattice.to_pixels(largest_read(self.windows)).shape
        model = self.method.model(self.facts, self.statistics or blank_statistics(self))
        return project_tile(
            read=read,
            core=tuple(map(min, self.core_px, self.pixels.shape)),
            pixel_bytes=self.source.channels * self.source.dtype.itemsize,
            source_chunk=self.source.chunk_shape,
            label_bytes=self.dtype.itemsize,
            model_bytes=model.bytes_for((read[0], read[1])),
        )

    @property
    def georeference(self) -> GeoReference | None:
        """Where on Earth the written region lies."""
        where = self.source.georeference
        top, left = self.pixels.start
        return where.moved(top, left) if where else None

    def projected_bytes(self, workers: int) -> int:
        """Return the memory that a run with so many windows in work adds to its process."""
        return project_run(self.cost.total, workers)

    def provenance(self) -> dict[str, Any]:
        """Return what made the labels, as values that JSON can hold."""
        where = self.georeference
        return {
            "format": FORMAT,
            "method": {
                "name": self.method.name,
                "revision": self.method.revision,
                "settings": asdict(self.method),  # type: ignore[call-overload]  # a dataclass
            },
            "source": {"name": self.source.name, "identity": self.source.identity},
            "level": self.source.level,
            "statistics": asdict(self.statistics) if self.statistics else None,
            "georeference": where.as_json() if where else None,
            "lattice": {
                "shape_px": list(self.lattice.shape),
                "step_px": list(self.lattice.step),
                "cells": list(self.lattice.cells),
                "planes": self.lattice.planes,
            },
            "region_cells": [[side.start, side.stop] for side in self.cells],
            "planes": [[side.start, side.stop] for side in self.leading],
            "window_cells": list(self.core),
            "chunk_cells": list(self.chunk),
        }

    @cached_property
    def hash(self) -> str:
        """Digest of the provenance: equal plans, equal bytes."""
        text = json.dumps(self.provenance(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def __str__(self) -> str:
        """Return a table that a person can read."""
        from napari_superpixels.engine.table import plan_table

        return plan_table(self)


def make_plan(
    source: Source,
    method: Method,
    *,
    statistics: Statistics | None = None,
    region: Region | None = None,
    window: int | tuple[int, int] | None = None,
) -> Plan:
    """Resolve what is wanted and what is there into a plan; no pixel is read.

    Parameters
    ----------
    source
        The image.
    method
        Settings of the method.
    statistics
        From `measure`; may be left out for methods that need none, or for lazy arrays, which
        measure when they are computed.
    region
        What is written, in pixels per axis, e.g. ``{"y": (0, 512), "x": (1024, 2048)}``; grown
        outwards to whole cells. Labels are those of the whole image.
    window
        Edge of a window in pixels, one number or one each for y and x; grown to whole cells.

    Raises
    ------
    InputError
        If the step does not fit the image, or the region lies outside it.
    """
    lattice = make_lattice(source, method.step)
    leading, cells = _resolve_region(source.axes, lattice, dict(region or {}))
    core, chunk = _resolve_window(lattice, cells, window)
    return Plan(
        source=source,
        method=method,
        statistics=statistics,
        lattice=lattice,
        planes=_plane_numbers(source.axes.leading_shape, leading),
        leading=leading,
        cells=cells,
        core=core,
        chunk=chunk,
    )


def make_lattice(source: Source, step: int) -> Lattice:
    """Return the lattice of an image.

    Raises
    ------
    InputError
        If the image has no pixels, or the step is longer than the image.
    """
    shape = source.axes.plane_shape
    text = " x ".join(map(str, shape))
    if 0 in source.axes.shape:
        raise InputError(f"The image has no pixels (plane of {text}); give one of at least 1 x 1.")
    if step > max(shape):
        raise InputError(
            f"The step is {step} px, longer than the image ({text} px); "
            f"choose a step of at most {max(shape)} px."
        )
    return Lattice(shape, (step, step), source.axes.planes)


def _resolve_region(
    axes: Axes, lattice: Lattice, region: dict[str, tuple[int, int]]
) -> tuple[tuple[Interval, ...], Box]:
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


def _span(axis: Axis, bounds: tuple[int, int] | None) -> Interval:
    if bounds is None:
        return Interval(0, axis.size)
    start, stop = bounds
    if not 0 <= start < stop <= axis.size:
        raise InputError(
            f"The region is {start}:{stop} along {axis.name}, but the image has {axis.size} "
            f"samples there; give 0 <= start < stop <= {axis.size}."
        )
    return Interval(start, stop)


def _resolve_window(
    lattice: Lattice, cells: Box, window: int | tuple[int, int] | None
) -> tuple[tuple[int, int], tuple[int, int]]:
    if window is None:
        whole = max(lattice.to_pixels(cells).shape) <= WHOLE_PX
        window = WHOLE_PX if whole else RUN_WINDOW_PX
    edges = (window, window) if isinstance(window, int) else window
    if min(edges) < 1:
        raise PlanError(f"The window is {min(edges)} px; give at least 1 px (it grows to a cell).")
    pairs = [_core_and_chunk(*args) for args in zip(edges, lattice.step, cells.shape, strict=True)]
    return (pairs[0][0], pairs[1][0]), (pairs[0][1], pairs[1][1])


def _core_and_chunk(edge_px: int, step: int, cells: int) -> tuple[int, int]:
    """Return cells of a core and of a chunk: a whole number of chunks of nearly `CHUNK_PX`."""
    core = min(-(-edge_px // step), cells)
    pieces = max(1, round(core * step / CHUNK_PX))
    chunk = -(-core // pieces)
    return chunk * pieces, chunk


def _plane_numbers(shape: tuple[int, ...], leading: tuple[Interval, ...]) -> tuple[int, ...]:
    if not shape:
        return (0,)
    numbers = np.arange(prod(shape)).reshape(shape)
    return tuple(int(n) for n in numbers[tuple(side.slice for side in leading)].ravel())


def _cropped(axis: Axis, span: Interval) -> Axis:
    origin = axis.origin + span.start * axis.spacing
    return Axis(axis.name, len(span), axis.spacing, axis.unit, origin)


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
        middle = len(axis) // 2
        sides.append(max((axis.read(i) for i in {0, middle, len(axis) - 1}), key=len))
    return Box(tuple(sides))


def blank_statistics(plan: Plan) -> Statistics:
    """Return statistics that stand in where only sizes matter."""
    zeros, ones = (0.0,) * plan.source.channels, (1.0,) * plan.source.channels
    return Statistics(zeros, ones, zeros, ones, 0.0, 1.0)
