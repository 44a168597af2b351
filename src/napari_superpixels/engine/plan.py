"""The plan: intent and reality resolved into one frozen value that everything else obeys.

`make_plan` is pure: it reads no pixel and decides all geometry, types and sizes. The shell, the
plugin and notebooks make a plan and hand it to `lazy_labels` or `run`; nothing else travels.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from math import prod
from typing import Any

import numpy as np

from napari_superpixels.axes import AXIS_ORDER, Axes, Axis
from napari_superpixels.engine.cost import (
    Lanes,
    TileCost,
    project_run,
    project_tile,
    windows_at_once,
)
from napari_superpixels.engine.geometry import (
    largest_read,
    make_lattice,
    plane_numbers,
    pyramid_factors,
    resolve_region,
    resolve_window,
    windows_in_tile,
)
from napari_superpixels.io import GeoReference, Source
from napari_superpixels.models.compute import ANYWHERE, MISSING, Compute, hardware, placed
from napari_superpixels.models.outputs import Output
from napari_superpixels.models.protocol import ImageFacts, Method, Model
from napari_superpixels.models.settings import settings_of
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.tiling import Box, Interval, Lattice, Windows, WindowShape

HARDWARE = "the hardware"
"""Name of what computes, beside the libraries."""
FORMAT = 2
"""Raised when an output of the same plan would be laid out otherwise."""

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
    group: tuple[int, int] = (1, 1)
    """Windows of a super-tile along y and x: what is read, written and recorded at once."""
    compute: Compute = ANYWHERE
    """Where, and how exactly, it is computed; what decides labels of it is settled."""

    @property
    def facts(self) -> ImageFacts:
        """What the method knows of the image."""
        source = self.source
        return ImageFacts(channels=source.channels, dtype=source.dtype, rgb=source.rgb)

    @property
    def deferred(self) -> bool:
        """Whether statistics are still to be measured."""
        if self.projected:
            return self.statistics is None or self.statistics.projection is None
        return self.statistics is None and self.method.needs_statistics(self.facts)

    @property
    def projected(self) -> bool:
        """Whether the statistics tell how the image's channels become three."""
        return self.method.needs_projection(self.facts)

    @cached_property
    def model(self) -> Model:
        """The method made ready for this image."""
        assert not self.deferred, "statistics first"
        return placed(self.method.model(self.facts, self.statistics), self.compute)

    @property
    def halo(self) -> int:
        """Cells read around a core: what its values need, and those of the ring around it."""
        return self.method.halo_cells + self.output.ring

    @cached_property
    def windows(self) -> Windows:
        """The windows of one plane."""
        method = self.method
        shapes = tuple(
            WindowShape(core, self.halo, method.align_cells, method.fixed_windows)
            for core in self.core
        )
        return Windows.over(self.lattice.cells, self.cells, shapes)

    @cached_property
    def supertiles(self) -> Windows:
        """The super-tiles of one plane: what each writes, and all that its windows read."""
        shapes = (WindowShape(core * n) for core, n in zip(self.core, self.group, strict=True))
        return Windows.over(self.lattice.cells, self.cells, tuple(shapes))

    @property
    def tiles(self) -> int:
        """Number of super-tiles of all planes."""
        return len(self.supertiles) * len(self.planes)

    @property
    def pixels(self) -> Box:
        """The pixels of a plane that are written."""
        return self.lattice.to_pixels(self.cells)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the image, and of what the method does with it."""
        return (*self.source.notes, *self.method_notes)

    @property
    def method_notes(self) -> tuple[str, ...]:
        """What a person should know of the method; most have nothing to say."""
        notes: tuple[str, ...] = getattr(self.method, "notes", ())
        return notes

    @property
    def output(self) -> Output:
        """What is written."""
        return self.method.output

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of what is written."""
        return self.output.dtype(self.lattice)

    @property
    def axes(self) -> Axes:
        """Axes of what is written, with spacing and origin carried over."""
        spans = [*self.leading, *self.pixels]
        named = [axis for axis in self.source.axes.items if axis.name != "c"]
        cropped = [*map(_cropped, named, spans), *(Axis("c", n) for n in self.output.depth)]
        return Axes(tuple(sorted(cropped, key=lambda axis: AXIS_ORDER.index(axis.name))))

    @property
    def core_px(self) -> tuple[int, ...]:
        """Pixels that a window writes along y and x."""
        return tuple(n * s for n, s in zip(self.core, self.lattice.step, strict=True))

    @property
    def tile_px(self) -> tuple[int, ...]:
        """Pixels that a super-tile writes along y and x."""
        return tuple(n * g for n, g in zip(self.core_px, self.group, strict=True))

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
        """Projected memory of one super-tile."""
        window, model = self.read_px, self.unmeasured_model
        beyond = [n * c for n, c in zip((g - 1 for g in self.group), self.core_px, strict=True)]
        read = (window[0] + beyond[0], window[1] + beyond[1])
        tile_cells = (axis.shape.core for axis in self.supertiles.axes)
        return project_tile(
            read=tuple(map(min, read, self.lattice.shape)),
            core=tuple(map(min, self.tile_px, self.pixels.shape)),
            cells=prod(map(min, tile_cells, self.cells.shape)),
            pixel_bytes=self.source.read_bytes_per_pixel,
            channels=self.source.channels,
            source_chunk=self.source.chunk_shape,
            value_bytes=self.dtype.itemsize * prod(self.output.depth),
            model_bytes=model.bytes_for(window) * windows_at_once(self.group),
        )

    @property
    def read_px(self) -> tuple[int, int]:
        """Pixels that a window reads along y and x, at most."""
        height, width = self.lattice.to_pixels(largest_read(self.windows)).shape
        return height, width

    @property
    def unmeasured_model(self) -> Model:
        """The model, where only sizes matter: statistics need not be there."""
        model = self.method.model(self.facts, self.statistics or blank_statistics(self))
        return placed(model, self.compute)

    @property
    def georeference(self) -> GeoReference | None:
        """Where on Earth the written region lies."""
        where = self.source.georeference
        top, left = self.pixels.start
        return where.moved(top, left) if where else None

    @property
    def made_with(self) -> dict[str, str]:
        """On what labels depend beside the plan: those of networks, which are floats.

        Without a card of the plan's kind no network runs here, so none is compared.
        """
        if not hasattr(self.method, "weights"):
            return {}
        here = hardware(self.compute.where)
        return {"torch": version("torch")} | ({} if here == MISSING else {HARDWARE: here})

    def projected_bytes(self, workers: int) -> int:
        """Return the memory that a run on so many processors adds to its process."""
        lanes = Lanes.over(workers)
        return project_run(self.cost, Lanes.over(workers, min(lanes.compute, self.tiles)))

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
            "source": {"identity": self.source.identity, "name": self.source.name},
            "level": self.source.level,
            "statistics": self._statistics(),
            "georeference": where.as_json() if where else None,
            "lattice": {
                "shape_px": list(self.lattice.shape),
                "step_px": list(self.lattice.step),
                "cells": list(self.lattice.cells),
                "planes": self.lattice.planes,
                "leading": list(self.source.axes.leading_shape),
            },
            "region_cells": [[side.start, side.stop] for side in self.cells],
            "planes": [[side.start, side.stop] for side in self.leading],
            "window_cells": list(self.core),
            "chunk_cells": list(self.chunk),
            "tile_windows": list(self.group),
            **self.output.provenance(),
            # Integers are the same everywhere.
            **({} if self.method.integers else {"computed": self.compute.facts}),
        }

    @cached_property
    def hash(self) -> str:
        """Digest of the provenance but some names: equal plans, equal bytes.

        The image's is no part of it because an image inside a collection, opened again by its own
        path, is called otherwise; that of weights is none because they may lie elsewhere.
        """
        facts = self.provenance()
        method = facts["method"]
        settings = {k: v for k, v in method["settings"].items() if k not in self._undecided()}
        facts |= {
            "source": {"identity": self.source.identity},
            "method": method | {"settings": settings},
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def _undecided(self) -> set[str]:
        """Return the names of settings that tell no outputs apart."""
        return {one.name for one in settings_of(type(self.method)) if not one.about.decides}

    def _statistics(self) -> dict[str, Any] | None:
        """Return the statistics as JSON; without what the method does not ask for."""
        if self.statistics is None:
            return None
        facts = asdict(self.statistics)
        if not self.projected:
            del facts["projection"]
        return facts

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
    compute: Compute = ANYWHERE,
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
    compute
        Where, and how exactly, to compute.

    Raises
    ------
    InputError
        If the step does not fit the image, the region lies outside it, or the method has no such
        precision.
    """
    lattice = make_lattice(source, method)
    leading, cells = resolve_region(source.axes, lattice, {} if region is None else region)
    core, chunk = resolve_window(lattice, cells, method.window_px if window is None else window)
    grid = tuple(-(-n // c) for n, c in zip(cells.shape, core, strict=True))
    return Plan(
        source=source,
        method=method,
        statistics=statistics,
        lattice=lattice,
        planes=plane_numbers(source.axes.leading_shape, leading),
        leading=leading,
        cells=cells,
        core=core,
        chunk=chunk,
        group=windows_in_tile(method, grid),
        compute=compute.settled(integers=method.integers, name=method.name),
    )


def _cropped(axis: Axis, span: Interval) -> Axis:
    origin = axis.origin + span.start * axis.spacing
    return Axis(axis.name, len(span), axis.spacing, axis.unit, origin)


def blank_statistics(plan: Plan) -> Statistics:
    """Return statistics that stand in where only sizes matter."""
    zeros, ones = (0.0,) * plan.source.channels, (1.0,) * plan.source.channels
    return Statistics(zeros, ones, zeros, ones, 0.0, 1.0)
