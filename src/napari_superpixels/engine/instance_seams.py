"""Objects of neighbouring tiles joined: exact union-find over those that touch a border.

Memory grows with these alone, about a hundred bytes each, whatever lies inside the tiles.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.engine.instance_files import SEAM, Census, InstanceFiles
from napari_superpixels.engine.stage import Pulse, Work
from napari_superpixels.errors import PlanError
from napari_superpixels.kernels.objects import NONE, Lines, flatten, join_lines
from napari_superpixels.labels.instances import ROW, Rows, refused


@dataclass(frozen=True, slots=True)
class _Forest:
    """The union-find."""

    seams: NDArray[np.void]
    """The border objects of all tiles, of type `SEAM`."""
    kinds: NDArray[np.int64]
    roots: NDArray[np.int64]
    parent: NDArray[np.int64]
    reach: int
    """1 where corners touch too."""

    def join(self, one: NDArray[Any], other: NDArray[Any]) -> None:
        """Join what lies along two lines side by side."""
        join_lines(one, other, self.kinds, self.roots, self.reach, self.parent)

    def add(self, start: int, census: Census) -> Lines:
        """Add the border objects of a tile; return its lines with their numbers here."""
        border = census.border
        place = slice(start, start + border.size)
        for name in ROW.names or ():
            self.seams[name][place] = census.rows[name][border]
        self.seams["object"][place] = border
        self.kinds[place] = census.rows["kind"][border]
        self.roots[place] = census.rows["root"][border]
        return Lines(*(_renumbered(line, border, start) for line in census.lines))


def join_tiles(files: InstanceFiles, pulse: Pulse) -> NDArray[np.void]:
    """Return the border objects of all tiles, of type `SEAM`, joined to whole objects.

    Parameters
    ----------
    files
        With the census of every tile.
    pulse
        Called for each tile; may raise.

    Raises
    ------
    PlanError
        If an object is too large to be split, in exact mode.
    """
    total = int(files.seam_places[-1])
    kinds, roots = np.empty(total, np.int64), np.empty(total, np.int64)
    reach = files.plan.settings.connectivity // 8
    forest = _Forest(np.zeros(total, SEAM), kinds, roots, np.arange(total), reach)
    inside = _join_all(files, forest, pulse)
    flatten(forest.parent)
    _gather(files, forest)
    _check_sizes(files, inside, _too_large(files, forest.seams))
    return forest.seams


def _join_all(files: InstanceFiles, forest: _Forest, pulse: Pulse) -> Rows:
    """Join neighbouring tiles, row by row; return objects inside one that are too large."""
    rows, columns = files.plan.grid
    large: list[Rows] = []
    above = None
    for row in range(rows):
        lines: list[Lines] = []
        for column in range(columns):
            pulse()
            number = row * columns + column
            census = files.census(number)
            large.append(_too_large(files, census.inside))
            lines.append(forest.add(int(files.seam_places[number]), census))
            if column:
                forest.join(lines[-2].right, lines[-1].left)
        # Over the whole width at once, for corners touch across the sides of tiles too.
        if above is not None:
            forest.join(above, np.concatenate([line.top for line in lines]))
        above = np.concatenate([line.bottom for line in lines])
    return np.concatenate(large)


def _renumbered(line: NDArray[np.int32], border: NDArray[np.int32], start: int) -> NDArray[Any]:
    return np.where(line == NONE, np.int64(NONE), start + np.searchsorted(border, line))


def _gather(files: InstanceFiles, forest: _Forest) -> None:
    """Sum up the measures of whole objects where they begin, and say there they do."""
    seams, owner = forest.seams, forest.parent
    for name in ("area", "sum_y", "sum_x"):
        sums = np.zeros(len(seams), np.int64)
        np.add.at(sums, owner, seams[name])
        seams[name] = sums
    ends: Any
    for name, ends in (("top", np.minimum), ("left", np.minimum), ("bottom", np.maximum),
                       ("right", np.maximum)):  # fmt: skip
        found = seams[name].copy()
        ends.at(found, owner, seams[name])
        seams[name] = found
    seams["owner"] = seams["object"][owner]
    seams["tile"] = np.repeat(np.arange(files.plan.tiles), files.borders)[owner]


def _too_large(files: InstanceFiles, rows: NDArray[np.void]) -> NDArray[np.void]:
    settings = files.plan.settings
    return rows[settings.too_large(rows)] if settings.exact else rows[:0]


def _check_sizes(files: InstanceFiles, *found: NDArray[np.void]) -> None:
    """Refuse the first object that is too large to be split."""
    first = [rows[np.argmin(rows["root"])] for rows in found if rows.size]
    if first:
        row = min(first, key=lambda row: int(row["root"]))
        raise PlanError(refused(row, files.plan.settings, files.plan.shape[1]))


@dataclass(frozen=True, slots=True)
class SeamsWork(Work):
    """Join the objects of neighbouring tiles."""

    files: InstanceFiles
    name: str

    def read(self, before: None, pulse: Pulse) -> None:
        """Read nothing yet."""

    def compute(self, before: None, pulse: Pulse) -> NDArray[np.void]:
        """Return what is known of the objects that touch sides."""
        del before
        return join_tiles(self.files, pulse)

    def write(self, before: NDArray[np.void], pulse: Pulse) -> None:
        """Write it, and the record."""
        path = self.files.path("seams")

        def write() -> None:
            self.files.write(path, before)
            self.files.state.record(self.name, {"seams": len(before)}, [path])

        self.files.state.write(write, pulse)
