"""Ids of all instances, and the table of them: their ranks by the first pixel in raster order.

Instances lie sorted by that in one file a tile. They are merged a few rows of the image at a time,
as many as hold no more than `MOST_ROWS` instances, so memory stays flat however many there are.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.engine.instance_files import InstanceFiles
from napari_superpixels.engine.instance_output import InstanceOutput
from napari_superpixels.engine.instance_plan import InstancePlan
from napari_superpixels.engine.stage import Pulse, Work
from napari_superpixels.labels.instances import Rows

MOST_ROWS = 200_000
"""Instances that are in memory at once; more only where a single row of the image has more."""
TABLE = "objects.csv"
"""What the table is called in the output."""
COLUMNS = ("id", "class", "name", "area_px", "top", "left", "bottom", "right", "y", "x")
"""Those of the table. Bottom and right lie outside; y and x are the centroid."""


@dataclass
class _Sorted:
    """The instances of a tile, and how far they are merged."""

    number: int
    roots: NDArray[np.int64]
    at: int = 0

    def until(self, root: int) -> int:
        """Return where those end that begin before a pixel."""
        return int(np.searchsorted(self.roots, root))


def write_ranks(files: InstanceFiles, ids: Path, table: Path, pulse: Pulse) -> int:
    """Write the id of each instance, tile after tile, and the table; return how many there are.

    Parameters
    ----------
    files
        With the instances of all tiles.
    ids, table
        Files to write.
    pulse
        Called often; may raise.
    """
    count = 0
    with (
        open(ids, "wb") as ranks,
        open(table, "w", newline="", encoding="utf-8") as text,
    ):
        write_rows(text, files.plan, None, 0)
        for some in _strips(files, pulse):
            rows = np.concatenate([files.rows(tile.number, tile.at, stop) for tile, stop in some])
            order = np.argsort(rows["root"])
            found = np.empty(len(rows), np.int64)
            found[order] = np.arange(count + 1, count + 1 + len(rows))
            _write_ids(ranks, files, some, found)
            write_rows(text, files.plan, rows[order], count + 1)
            count += len(rows)
    return count


def _write_ids(
    ranks: Any, files: InstanceFiles, some: list[tuple[_Sorted, int]], found: NDArray[np.int64]
) -> None:
    """Write ids where those of their tiles belong, and move on in these."""
    start = 0
    for tile, stop in some:
        size = stop - tile.at
        ranks.seek((int(files.id_places[tile.number]) + tile.at) * found.itemsize)
        ranks.write(found[start : start + size].data)
        tile.at, start = stop, start + size


def _strips(files: InstanceFiles, pulse: Pulse) -> Iterator[list[tuple[_Sorted, int]]]:
    """Yield tiles, and up to where their instances come next: a few rows of the image each time."""
    plan, open_tiles = files.plan, list[_Sorted]()
    height, width = plan.shape
    for row in range(plan.grid[0]):
        pulse()
        open_tiles += _row_of_tiles(files, row)
        bottom = min((row + 1) * plan.tile[0], height)
        y = row * plan.tile[0]
        step = bottom - y
        while y < bottom:
            pulse()
            some = _some(open_tiles, (y + step) * width)
            if step > 1 and sum(stop - tile.at for tile, stop in some) > MOST_ROWS:
                step //= 2
                continue
            if some:
                yield some
            y += step
            step = min(2 * step, bottom - y)
        open_tiles = [tile for tile in open_tiles if tile.at < tile.roots.size]


def _row_of_tiles(files: InstanceFiles, row: int) -> Iterator[_Sorted]:
    """Yield the tiles of a row that have instances; pieces of one may begin in a later row."""
    columns = files.plan.grid[1]
    for number in range(row * columns, (row + 1) * columns):
        if files.instances[number]:
            yield _Sorted(number, files.rows(number)["root"].copy())


def _some(tiles: list[_Sorted], root: int) -> list[tuple[_Sorted, int]]:
    """Return tiles that have instances which begin before a pixel, and where these end."""
    ends = ((tile, tile.until(root)) for tile in tiles)
    return [(tile, stop) for tile, stop in ends if stop > tile.at]


def write_rows(text: TextIO, plan: InstancePlan, rows: Rows | None, first: int) -> None:
    """Write instances, in the order of their ids from `first` on, or the head of the table."""
    writer = csv.writer(text, lineterminator="\n")
    if rows is None:
        writer.writerow(COLUMNS)
        return
    names, area = dict(plan.names), rows["area"]
    kinds = rows["kind"].astype(plan.source.dtype).tolist()
    centre = ([f"{n:.2f}" for n in (rows[name] / area).tolist()] for name in ("sum_y", "sum_x"))
    sides = (rows[name].tolist() for name in ("top", "left", "bottom", "right"))
    ids, called = range(first, first + len(rows)), (names.get(kind, "") for kind in kinds)
    writer.writerows(zip(ids, kinds, called, area.tolist(), *sides, *centre, strict=True))


@dataclass(frozen=True, slots=True)
class RanksWork(Work):
    """Number the instances, write the table, and make the arrays for the labels."""

    files: InstanceFiles
    name: str

    def read(self, before: None, pulse: Pulse) -> None:
        """Read nothing yet: a few rows at a time take less memory."""

    def compute(self, before: None, pulse: Pulse) -> None:
        """Leave all to `write`, for a full disk is told there."""

    def write(self, before: None, pulse: Pulse) -> None:
        """Write ids, table and empty arrays, and the record."""
        del before
        files, state = self.files, self.files.state
        ids, table = files.path("ids"), state.partial / TABLE

        def write() -> None:
            count = write_ranks(files, ids, table, pulse)
            made = InstanceOutput(files.plan, state, count).create()
            state.record(self.name, {"instances": count}, [ids, table, *made])

        state.write(write, pulse)
