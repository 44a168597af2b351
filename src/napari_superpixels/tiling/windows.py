"""Windows: cores that partition a region, each read with a halo. All in cells.

A window in one dimension, with a halo of two cells::

    domain  |----------------------------------------|
    region        |===========================|
    core                  [=======]                     written
    read                [.|=======|.]                   computed, halo thrown away

Cores partition the region; reads stay inside the domain. Windows that must all have one shape
(networks) are shifted inwards at the ends of the domain, never padded; the others are cut there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from napari_superpixels.tiling.intervals import Box, Interval


def _align_down(value: int, align: int) -> int:
    return value // align * align


def _align_up(value: int, align: int) -> int:
    return -(-value // align) * align


@dataclass(frozen=True, slots=True)
class WindowShape:
    """How windows are cut along one axis, in cells."""

    core: int
    """Cells that a window writes."""
    halo: int = 0
    """Cells read around the core on each side."""
    align: int = 1
    """Reads start at a multiple of this."""
    fixed: bool = False
    """Whether every read has the same length (shifted at the ends) or is cut there."""

    def __post_init__(self) -> None:
        assert self.core >= 1, "a window writes at least one cell"
        assert self.halo >= 0, "a halo has no negative width"
        assert self.align >= 1, "an alignment is at least one cell"

    @property
    def longest_read(self) -> int:
        """The largest number of cells that a window reads, when the domain is large enough."""
        return _align_up(self.core + 2 * self.halo + self.align - 1, self.align)


@dataclass(frozen=True, slots=True)
class Windows1D:
    """The windows along one axis: core number `i` and the cells it reads."""

    domain: int
    """Number of cells of the whole image."""
    region: Interval
    """Cells that are written."""
    shape: WindowShape

    def __len__(self) -> int:
        """Return the number of windows."""
        return -(-len(self.region) // self.shape.core)

    def core(self, index: int) -> Interval:
        """Return the cells that window `index` writes."""
        start = self.region.start + index * self.shape.core
        return Interval(start, min(start + self.shape.core, self.region.stop))

    def read(self, index: int) -> Interval:
        """Return the cells that window `index` reads."""
        shape, whole = self.shape, Interval(0, self.domain)
        need = self.core(index).grow(shape.halo)
        start = max(0, _align_down(need.start, shape.align))
        if not shape.fixed:
            stop = _align_up(need.stop, shape.align)
            return Interval(start, stop).clip(whole)
        padded = _align_up(self.domain, shape.align)
        length = min(shape.longest_read, padded)
        start = min(start, padded - length)
        return Interval(start, start + length).clip(whole)


@dataclass(frozen=True, slots=True)
class Window:
    """One unit of work."""

    index: tuple[int, ...]
    """Its place among the windows of a plane."""
    core: Box
    """The cells that it writes."""
    read: Box
    """The cells that it reads."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of a plane: a product of one-dimensional ones, computed when asked for."""

    axes: tuple[Windows1D, ...]

    @classmethod
    def over(
        cls, domain: tuple[int, ...], region: Box, shapes: tuple[WindowShape, ...]
    ) -> "Windows":
        """Cut `region` of a domain of that many cells into windows."""
        triples = zip(domain, region, shapes, strict=True)
        return cls(tuple(Windows1D(*triple) for triple in triples))

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of windows along each axis."""
        return tuple(len(axis) for axis in self.axes)

    def __len__(self) -> int:
        """Return the number of windows."""
        return prod(self.grid)

    def at(self, index: tuple[int, ...]) -> Window:
        """Return the window at a place of the grid."""
        pairs = list(zip(self.axes, index, strict=True))
        core = Box(tuple(axis.core(i) for axis, i in pairs))
        return Window(index, core, Box(tuple(axis.read(i) for axis, i in pairs)))

    def __getitem__(self, number: int) -> Window:
        """Return window `number`, counted in raster order."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self.at(tuple(int(i) for i in np.unravel_index(number, self.grid)))

    def __iter__(self) -> Iterator[Window]:
        """Iterate in raster order."""
        return (self[number] for number in range(len(self)))
