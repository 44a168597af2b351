"""The lattice: one regular grid of cells, anchored at pixel zero of the full image.

Cell (r, c) of a lattice GW cells wide has the label ``r * GW + c + 1``; 0 is nodata. Where there
are several planes the plane number is the slowest digit. Ids are arithmetic: they depend on the
image's size and the step alone, so no window ever needs to know another one.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from napari_superpixels.tiling.intervals import Box, Interval


def count_cells(size: int, step: int) -> int:
    """Return how many cells of `step` pixels cover `size` pixels; the last may be cut."""
    return -(-size // step)


def cells_to_pixels(cells: Interval, step: int, size: int) -> Interval:
    """Return the pixels of an interval of cells, cut at the end of the image."""
    return cells.scale(step).clip(Interval(0, size))


def pixels_to_cells(pixels: Interval, step: int) -> Interval:
    """Return the cells that an interval of pixels touches."""
    return Interval(pixels.start // step, count_cells(pixels.stop, step))


def resample_length(size: int, step: int, new_step: int) -> int:
    """Return how many pixels an axis has when its cells of `step` pixels have `new_step` of them.

    Of the last cell, which may be cut short, there are those whose centre lies inside: at least
    one, for the number of cells stays.
    """
    whole = count_cells(size, step) - 1
    rest = size - whole * step
    inside = -(-(2 * new_step * rest - step) // (2 * step))
    return whole * new_step + min(max(1, inside), new_step)


@dataclass(frozen=True, slots=True)
class Lattice:
    """A regular grid of cells over the planes of an image, of any size from one pixel up."""

    shape: tuple[int, ...]
    """Size of one plane, in pixels."""
    step: tuple[int, ...]
    """Size of a cell, in pixels."""
    planes: int = 1
    """Number of planes; each has its own cells."""

    def __post_init__(self) -> None:
        assert len(self.shape) == len(self.step), "one step an axis"
        assert min(*self.shape, *self.step, self.planes) >= 1, "nothing here has no extent"

    @property
    def cells(self) -> tuple[int, ...]:
        """Number of cells along each axis."""
        return tuple(count_cells(n, s) for n, s in zip(self.shape, self.step, strict=True))

    @property
    def cells_per_plane(self) -> int:
        """Number of cells in a plane."""
        return prod(self.cells)

    @property
    def last_label(self) -> int:
        """The largest label that can occur."""
        return self.cells_per_plane * self.planes

    @property
    def label_dtype(self) -> np.dtype[np.unsignedinteger]:
        """uint32, or uint64 where the labels need it."""
        return np.dtype(np.uint32 if self.last_label < 2**32 else np.uint64)

    def label(self, cell: tuple[int, ...], plane: int = 0) -> int:
        """Return the label of a cell."""
        return plane * self.cells_per_plane + int(np.ravel_multi_index(cell, self.cells)) + 1

    def to_pixels(self, cells: Box) -> Box:
        """Return the pixels of a box of cells, cut at the end of the image."""
        triples = zip(cells, self.step, self.shape, strict=True)
        return Box(tuple(cells_to_pixels(side, step, size) for side, step, size in triples))

    def to_cells(self, pixels: Box) -> Box:
        """Return the cells that a box of pixels touches."""
        pairs = zip(pixels, self.step, strict=True)
        return Box(tuple(pixels_to_cells(side, step) for side, step in pairs))

    def resampled(self, step: tuple[int, ...]) -> "Lattice":
        """Return the same cells over an image of another resolution, where they have that size."""
        sizes = zip(self.shape, self.step, step, strict=True)
        return Lattice(tuple(resample_length(*each) for each in sizes), step, self.planes)
