"""Super-tiles: neighbouring windows of a plane that are read, written and recorded together.

The image is read once for all of them, and each window is cut out of that block. What they write is
whole files of the output, so no two super-tiles ever touch the same file.
"""

from dataclasses import dataclass
from itertools import product

from napari_superpixels.engine.plan import Plan
from napari_superpixels.io.source import Block
from napari_superpixels.tiling import Box, Interval, Lattice, Window


@dataclass(frozen=True, slots=True)
class SuperTile:
    """Some windows of one plane; all in cells."""

    plane: int
    """Number of the plane."""
    leading: tuple[int, ...]
    """Its place along the written t and z."""
    core: Box
    """What its windows write."""
    windows: tuple[Window, ...]
    """In raster order."""

    @property
    def read(self) -> Box:
        """What its windows read, together."""
        sides = zip(*(window.read.sides for window in self.windows), strict=True)
        return Box(tuple(_around(parts) for parts in sides))

    def cut(self, lattice: Lattice, block: Block, window: Window) -> Block:
        """Return what one of its windows reads, out of the block that all of them read."""
        whole, part = lattice.to_pixels(self.read), lattice.to_pixels(window.read)
        place = part.relative_to(whole).slices
        valid = None if block.valid is None else block.valid[place]
        return Block(block.pixels[:, *place], valid)


def supertile(plan: Plan, number: int) -> SuperTile:
    """Return a super-tile of a plan by its number; planes are the slowest digit."""
    position, index = divmod(number, len(plan.supertiles))
    plane, whole = plan.planes[position], plan.supertiles[index]
    spans = zip(whole.index, plan.group, plan.windows.grid, strict=True)
    numbers = (range(i * n, min((i + 1) * n, size)) for i, n, size in spans)
    windows = tuple(plan.windows.at(place) for place in product(*numbers))
    places = zip(plan.source.axes.plane_index(plane), plan.leading, strict=True)
    leading = tuple(place - side.start for place, side in places)
    return SuperTile(plane, leading, whole.core, windows)


def _around(sides: tuple[Interval, ...]) -> Interval:
    return Interval(min(s.start for s in sides), max(s.stop for s in sides))
