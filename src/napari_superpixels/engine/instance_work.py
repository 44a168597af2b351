"""The work of one tile in the passes that look at every pixel: census and labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_superpixels.engine.instance_files import InstanceFiles, border_of
from napari_superpixels.engine.instance_plan import InstancePlan
from napari_superpixels.engine.stage import Pulse, Work
from napari_superpixels.engine.work import Part, save
from napari_superpixels.errors import SourceError
from napari_superpixels.kernels.mode import mode_downsample
from napari_superpixels.kernels.objects import (
    MEASURES,
    Lines,
    Runs,
    find_runs,
    lines_of,
    measure_runs,
    paint_runs,
)
from napari_superpixels.labels.instances import ROW, Rows
from napari_superpixels.tiling import Box

Values = NDArray[Any]
LUT_BYTES = 2
"""Samples of so many bytes are looked up in a table of all values."""


def class_values(plan: InstancePlan, box: Box) -> Values:
    """Read the wanted classes of a box, 0 where there is none: unsigned, shape (Y, X)."""
    block = plan.source.read(0, box)
    values = np.ascontiguousarray(block.pixels[0])
    if plan.settings.classes is not None:
        values = _only(values, plan.settings.classes)
    if block.valid is not None:
        values = np.where(block.valid, values, values.dtype.type(0))
    unsigned: Values = values.view(f"u{values.dtype.itemsize}")
    return unsigned


def _only(values: Values, classes: tuple[int, ...]) -> Values:
    wanted = np.array(classes, values.dtype)
    if values.dtype.itemsize > LUT_BYTES:
        return np.where(np.isin(values, wanted), values, values.dtype.type(0))
    unsigned = np.dtype(f"u{values.dtype.itemsize}")
    table = np.zeros(2 ** (8 * unsigned.itemsize), values.dtype)
    table[wanted.view(unsigned)] = wanted
    found: Values = table[values.view(unsigned)]
    return found


def kinds_of(plan: InstancePlan, values: Values) -> NDArray[np.int64]:
    """Return the classes that values stand for."""
    return values.view(plan.source.dtype).astype(np.int64)


def rows_of(plan: InstancePlan, box: Box, values: Values, runs: Runs) -> Rows:
    """Return what is known of the objects of a box, in coordinates of the whole image."""
    found = dict(zip(MEASURES, measure_runs(runs).T, strict=True))
    rows = np.empty(runs.objects, ROW)
    (top, left), width = box.start, plan.shape[1]
    rows["root"] = (found["top"] + top) * width + found["first"] + left
    rows["kind"] = kinds_of(plan, values[found["top"], found["first"]])
    rows["area"] = found["area"]
    rows["sum_y"] = found["sum_y"] + found["area"] * top
    rows["sum_x"] = found["sum_x"] + found["area"] * left
    for names, start in ((("top", "bottom"), top), (("left", "right"), left)):
        for name in names:
            rows[name] = found[name] + start
    return rows


@dataclass(frozen=True, slots=True)
class CensusWork(Work):
    """Find the objects of a tile, as if the image ended there."""

    files: InstanceFiles
    name: str
    number: int

    def read(self, before: None, pulse: Pulse) -> Values:
        """Return its classes."""
        del before, pulse
        return class_values(self.files.plan, self.files.plan.box(self.number))

    def compute(self, before: Values, pulse: Pulse) -> tuple[Rows, Lines]:
        """Return its objects, and which lie along its sides."""
        del pulse
        plan = self.files.plan
        runs = find_runs(before, plan.settings.connectivity)
        lines = lines_of(runs, before.shape[1])
        return rows_of(plan, plan.box(self.number), before, runs), lines

    def write(self, before: tuple[Rows, Lines], pulse: Pulse) -> None:
        """Write them, and the record."""
        rows, lines = before
        facts = {"objects": len(rows), "borders": len(border_of(lines))}
        path = self.files.path("census", self.number)

        def write() -> None:
            self.files.write(path, rows, *lines)
            self.files.state.record(self.name, facts, [path])

        self.files.state.write(write, pulse)


@dataclass(frozen=True, slots=True)
class LabelsWork(Work):
    """Write the ids of a tile, and the levels that lie over it."""

    files: InstanceFiles
    name: str
    number: int
    arrays: tuple["zarr.Array[Any]", ...]
    """The levels that are written at once."""
    factors: tuple[tuple[int, int], ...]
    """Scale of each coarser one to the one before."""
    threads: int

    def read(self, before: None, pulse: Pulse) -> Values:
        """Return its classes."""
        del before, pulse
        return class_values(self.files.plan, self.files.plan.box(self.number))

    def compute(self, before: Values, pulse: Pulse) -> Values:
        """Return the id of each pixel, shape (Y, X)."""
        files = self.files
        runs = find_runs(before, files.plan.settings.connectivity)
        if runs.objects != files.objects[self.number]:
            raise SourceError(
                f"The class image {files.plan.source.name} changed while it was read; remove "
                f"{files.state.partial} and run again."
            )
        ids = np.zeros(runs.objects, self.arrays[0].dtype)
        split = []
        for tile, own, objects in self._owners(runs.objects):
            pulse()
            split += self._look_up(tile, own, objects, ids)
        labels = paint_runs(runs, ids, before.shape[1])
        box = files.plan.box(self.number)
        for crop, pieces, known in split:
            _paint_crop(labels, box, crop, pieces, known)
        return labels

    def _owners(self, count: int) -> list[tuple[int, NDArray[Any], NDArray[Any]]]:
        """Return in which tiles objects begin; of each their numbers here and there."""
        tiles, owners = np.full(count, self.number, np.int64), np.arange(count)
        seams = self.files.seams(self.number)
        tiles[seams["object"]] = seams["tile"]
        owners[seams["object"]] = seams["owner"]
        groups = ((int(tile), np.flatnonzero(tiles == tile)) for tile in np.unique(tiles))
        return [(tile, own, owners[own]) for tile, own in groups]

    def _look_up(
        self, tile: int, own: NDArray[Any], objects: NDArray[Any], ids: Values
    ) -> list[tuple[Box, NDArray[np.int32], Values]]:
        """Fill in the ids of objects that begin in a tile; return those that are in pieces.

        Of these the box, the pieces there, and the id of each piece.
        """
        keys, found = self.files.keys(tile), self.files.ids(tile)
        whole = keys["piece"] == 0
        numbers, known = keys["object"][whole], found[whole]
        places = np.searchsorted(numbers, objects)
        there = np.isin(objects, numbers)
        ids[own[there]] = known[places[there]]
        if not self.files.split[tile]:
            return []
        wanted, split = set(objects.tolist()), []
        for number, (top, left, bottom, right), pieces in self.files.crops(tile).each():
            if number in wanted:
                mine = (keys["object"] == number) & ~whole
                table = np.zeros(pieces.max() + 1, ids.dtype)
                table[keys["piece"][mine]] = found[mine]
                split.append((Box.of((top, bottom), (left, right)), pieces, table))
        return split

    def finish(self, before: Values, pulse: Pulse) -> list[Values]:
        """Return all levels, the finest first."""
        levels = [before]
        for factor in self.factors:
            pulse()
            levels.append(mode_downsample(levels[-1], factor))
        return levels

    def write(self, before: list[Values], pulse: Pulse) -> None:
        """Write whole files, and the record."""
        corner, parts = self.files.plan.box(self.number).start, list[Part]()
        for array, values, factor in zip(self.arrays, before, ((1, 1), *self.factors), strict=True):
            corner = tuple(n // f for n, f in zip(corner, factor, strict=True))
            sides = (slice(a, a + n) for a, n in zip(corner, values.shape, strict=True))
            parts.append((array, tuple(sides), values))
        save(self.files.state, self.name, parts, {}, pulse, self.threads)


def _paint_crop(
    labels: Values, box: Box, crop: Box, pieces: NDArray[np.int32], known: Values
) -> None:
    """Write the ids of the pieces of an object into the labels of a box."""
    shared = crop.clip(box)
    part = pieces[shared.relative_to(crop).slices]
    place = labels[shared.relative_to(box).slices]
    place[part > 0] = known[part[part > 0]]
