"""The plan of instances: class image, settings and tiles resolved into one frozen value."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from math import prod
from typing import Any

import numpy as np

from napari_superpixels.axes import Axes
from napari_superpixels.engine.cost import TileCost
from napari_superpixels.engine.geometry import pyramid_factors, resolve_window
from napari_superpixels.errors import InputError
from napari_superpixels.io import GeoReference, Source
from napari_superpixels.labels.instances import InstanceSettings
from napari_superpixels.tiling import Box, Lattice

NAME = "instances"
"""What the provenance calls it."""
REVISION = 1
"""Raised when ids change for equal settings."""
FORMAT = 1
"""Raised when an output of the same plan would be laid out otherwise."""
TILE_PX = 2048
"""Edge of a tile: what is read and written at once."""
RUN_BYTES = 24
"""Of a pixel, at most: where every pixel is a run and an object of its own, what is held of it."""
SPLIT_LIBRARIES = ("scikit-image", "scipy")
"""Whose versions may tell in the pieces of objects that are split."""

Names = tuple[tuple[int, str], ...]
"""Classes and what they are called."""


@dataclass(frozen=True)
class InstancePlan:
    """Everything that determines the instances, and how the work is cut."""

    source: Source
    """The class image."""
    settings: InstanceSettings
    """What counts as an instance."""
    names: Names
    """Of the classes that have one."""
    tile: tuple[int, int]
    """Pixels that are read and written at once, along y and x; whole chunks."""
    chunk: tuple[int, int]
    """Pixels of a chunk on disk."""

    @property
    def shape(self) -> tuple[int, int]:
        """Size of the image."""
        return self.source.axes.plane_shape

    @property
    def grid(self) -> tuple[int, int]:
        """How many tiles there are along y and x."""
        y, x = (-(-n // edge) for n, edge in zip(self.shape, self.tile, strict=True))
        return y, x

    @property
    def tiles(self) -> int:
        """How many there are."""
        return prod(self.grid)

    def box(self, number: int) -> Box:
        """Return the pixels of a tile; they are counted in raster order."""
        places = zip(divmod(number, self.grid[1]), self.tile, self.shape, strict=True)
        return Box.of(*((i * edge, min((i + 1) * edge, n)) for i, edge, n in places))

    @property
    def axes(self) -> Axes:
        """Axes of the labels."""
        return Axes(tuple(self.source.axes[name] for name in "yx"))

    @property
    def level_factors(self) -> tuple[tuple[int, int], ...]:
        """Scale of each further level to the one before: the source's, else 2."""
        return pyramid_factors(self.source.level_shapes[self.source.level :], self.shape)

    @property
    def cost(self) -> TileCost:
        """Projected memory of one tile."""
        pixel_bytes = self.source.dtype.itemsize
        edges = tuple(map(min, self.tile, self.shape))
        around = 2 * self.settings.largest_px if self.settings.split else 0
        read = prod(min(n + around, size) for n, size in zip(edges, self.shape, strict=True))
        return TileCost(
            read_bytes=read * (2 * pixel_bytes + 2),
            model_bytes=prod(edges) * RUN_BYTES,
            label_bytes=prod(edges) * (2 + 4 * 8),
        )

    @property
    def georeference(self) -> GeoReference | None:
        """Where on Earth the image lies."""
        return self.source.georeference

    @property
    def made_with(self) -> dict[str, str]:
        """Distributions whose versions may tell in the output, and these."""
        return {name: version(name) for name in SPLIT_LIBRARIES} if self.settings.split else {}

    def provenance(self) -> dict[str, Any]:
        """Return what made the instances, as values that JSON can hold."""
        where = self.georeference
        return {
            "format": FORMAT,
            "method": {"name": NAME, "revision": REVISION, "settings": asdict(self.settings)},
            "source": {"identity": self.source.identity, "name": self.source.name},
            "level": self.source.level,
            "georeference": where.as_json() if where else None,
            "classes": [{"id": kind, "name": name} for kind, name in self.names],
            "tile_px": list(self.tile),
            "chunk_px": list(self.chunk),
        }

    @cached_property
    def hash(self) -> str:
        """Digest of the provenance but the image's name: equal plans, equal bytes."""
        facts = self.provenance() | {"source": {"identity": self.source.identity}}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def make_instance_plan(
    source: Source,
    settings: InstanceSettings,
    *,
    names: Names = (),
    window: int | tuple[int, int] | None = None,
) -> InstancePlan:
    """Resolve what is wanted and what is there into a plan; no pixel is read.

    Parameters
    ----------
    source
        The class image.
    settings
        What counts as an instance.
    names
        Of the classes that have one.
    window
        Edge of a tile in pixels; never changes ids.

    Raises
    ------
    InputError
        If the image is no class image of one plane, or has no such classes.
    """
    check_classes(source)
    _check_range(source, settings.classes or ())
    shape = source.axes.plane_shape
    cells = Box.whole(shape)
    tile, chunk = resolve_window(Lattice(shape, (1, 1)), cells, window or TILE_PX)
    return InstancePlan(source, settings, names, tile, chunk)


def check_classes(source: Source) -> None:
    """Refuse what is no image of classes, or not one plane of them.

    Raises
    ------
    InputError
        With what it is instead.
    """
    if 0 in source.axes.shape:
        raise InputError(f"{source.name} has no pixels; give one of at least 1 x 1.")
    if source.dtype.kind == "f":
        raise InputError(
            f"{source.name} holds {source.dtype} samples, but classes are whole numbers; give the "
            f"class map, or a threshold of it such as (image > 0.5)."
        )
    if source.channels != 1:
        raise InputError(
            f"{source.name} has {source.channels} channels, but a class map has one; choose it "
            f"with channels."
        )
    if source.axes.planes != 1:
        raise InputError(
            f"{source.name} has {source.axes.planes} planes ({source.axes.names}), but instances "
            f"are found in one plane; give one plane at a time, such as array[0]."
        )


def _check_range(source: Source, classes: tuple[int, ...]) -> None:
    limits = np.iinfo(source.dtype)
    for kind in classes:
        if not limits.min <= kind <= limits.max:
            raise InputError(
                f"There is no class {kind} in {source.name}, which holds {source.dtype} samples; "
                f"give classes of {limits.min} to {limits.max}."
            )
