"""What the passes over a class image leave for one another, in the folder of the run's state.

::

    OUT.partial/.run/census/17    objects of tile 17, as if the image ended there, and its border
    OUT.partial/.run/seams        border objects of all tiles, joined
    OUT.partial/.run/objects/17   instances whose object begins in tile 17
    OUT.partial/.run/pieces/17    pixels of those that are pieces of an object
    OUT.partial/.run/ids          the id of each instance, tile after tile

Plain arrays one behind the other, whose lengths stand in the records, so that a part of one can be
read alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.engine.instance_plan import InstancePlan
from napari_superpixels.engine.records import RunState
from napari_superpixels.kernels.objects import NONE, Lines
from napari_superpixels.labels.instances import ROW, Rows

CENSUS, SEAMS, OBJECTS, RANKS, LABELS = range(5)
"""The passes, in their order; records of pass 2 are called ``2/17``. Coarser levels follow."""

SEAM = np.dtype([*ROW.descr, ("object", np.int32), ("owner", np.int32), ("tile", np.int64)])
"""An object that touches the border of its tile, and its number there; the tile in which the whole
object begins, and its number in that one. Measures are those of the whole object where it begins,
and without any pixel elsewhere."""

KEY = np.dtype([("object", np.int32), ("piece", np.int32)])
"""Of an instance the object's number in its tile, and which piece it is: from 1; 0 if all of it."""


@dataclass(frozen=True)
class Census:
    """What is known of one tile by itself."""

    rows: Rows
    """Its objects, of type `ROW`, coordinates of the whole image."""
    lines: Lines
    """Which of them lie along its sides."""

    @cached_property
    def border(self) -> NDArray[np.int32]:
        """Numbers of the objects that touch a side."""
        return border_of(self.lines)

    @property
    def inside(self) -> Rows:
        """Objects that touch none."""
        return np.delete(self.rows, self.border)


def border_of(lines: Lines) -> NDArray[np.int32]:
    """Return the numbers of the objects that touch a side, rising."""
    line: NDArray[np.int32] = np.concatenate(lines)
    return np.unique(line[line != NONE])


@dataclass(frozen=True, slots=True)
class Crops:
    """Objects that were split, cut out with their bounding boxes."""

    objects: NDArray[np.int32]
    """Their numbers in the tile, rising."""
    boxes: NDArray[np.int64]
    """Top, left, bottom and right of each, shape (objects, 4)."""
    pieces: NDArray[np.int32]
    """The number of the piece of each pixel, 0 beside the object; one box after the other."""

    def each(self) -> Iterator[tuple[int, tuple[int, ...], NDArray[np.int32]]]:
        """Yield number, box and pieces, shape (Y, X), of each object."""
        start = 0
        for number, box in zip(self.objects, self.boxes, strict=True):
            top, left, bottom, right = map(int, box)
            shape = bottom - top, right - left
            stop = start + shape[0] * shape[1]
            yield int(number), (top, left, bottom, right), self.pieces[start:stop].reshape(shape)
            start = stop


@dataclass(frozen=True)
class InstanceFiles:
    """The files of an unfinished output."""

    plan: InstancePlan
    state: RunState

    def path(self, *names: object) -> Path:
        """Return where a file lies."""
        return self.state.folder.joinpath(*map(str, names))

    def write(self, path: Path, *arrays: NDArray[Any]) -> None:
        """Write arrays one behind the other; the file is whole or not there."""
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_name(f"{path.name}.tmp")
        with open(temporary, "wb") as file:
            for array in arrays:
                file.write(np.ascontiguousarray(array).data)
        temporary.replace(path)

    @cached_property
    def facts(self) -> dict[str, dict[str, Any]]:
        """What the records say; to be asked anew for each pass."""
        return self.state.done()

    def _counts(self, level: int, name: str) -> NDArray[np.int64]:
        facts = (self.facts[f"{level}/{n}"][name] for n in range(self.plan.tiles))
        return np.fromiter(facts, np.int64, self.plan.tiles)

    @cached_property
    def objects(self) -> NDArray[np.int64]:
        """Objects of each tile by itself."""
        return self._counts(CENSUS, "objects")

    @cached_property
    def borders(self) -> NDArray[np.int64]:
        """How many of them touch its sides."""
        return self._counts(CENSUS, "borders")

    @cached_property
    def instances(self) -> NDArray[np.int64]:
        """Instances whose object begins in each tile."""
        return self._counts(OBJECTS, "instances")

    @cached_property
    def split(self) -> NDArray[np.int64]:
        """How many objects that begin in each tile are in pieces."""
        return self._counts(OBJECTS, "split")

    @cached_property
    def whole(self) -> NDArray[np.int64]:
        """How many of them were to be split, but are too large."""
        return self._counts(OBJECTS, "whole")

    @cached_property
    def seam_places(self) -> NDArray[np.int64]:
        """Where the border objects of each tile begin, and where the last ones end."""
        return _starts(self.borders)

    @cached_property
    def id_places(self) -> NDArray[np.int64]:
        """Where the ids of each tile begin, and where the last ones end."""
        return _starts(self.instances)

    def census(self, number: int) -> Census:
        """Read what is known of a tile by itself."""
        path, count = self.path("census", number), int(self.objects[number])
        height, width = self.plan.box(number).shape
        sizes = (width, width, height, height)
        flat = np.fromfile(path, np.int32, offset=count * ROW.itemsize)
        lines = np.split(flat, np.cumsum(sizes)[:-1])
        return Census(np.fromfile(path, ROW, count), Lines(*lines))

    def seams(self, number: int) -> NDArray[np.void]:
        """Read the border objects of a tile."""
        return self._part(self.path("seams"), SEAM, self.seam_places, number)

    def ids(self, number: int) -> NDArray[np.int64]:
        """Read the ids of the instances of a tile."""
        return self._part(self.path("ids"), np.dtype(np.int64), self.id_places, number)

    def _part(
        self, path: Path, dtype: np.dtype[Any], places: NDArray[np.int64], number: int
    ) -> NDArray[Any]:
        start, stop = map(int, places[number : number + 2])
        return np.fromfile(path, dtype, stop - start, offset=start * dtype.itemsize)

    def rows(self, number: int, start: int = 0, stop: int | None = None) -> Rows:
        """Read some instances of a tile, in the order of their roots."""
        stop = int(self.instances[number]) if stop is None else stop
        path = self.path("objects", number)
        return np.fromfile(path, ROW, stop - start, offset=start * ROW.itemsize)

    def keys(self, number: int) -> NDArray[np.void]:
        """Read which objects the instances of a tile are of."""
        count = int(self.instances[number])
        return np.fromfile(self.path("objects", number), KEY, count, offset=count * ROW.itemsize)

    def write_crops(self, number: int, crops: Crops) -> Path:
        """Write the objects of a tile that were split."""
        path = self.path("pieces", number)
        path.parent.mkdir(exist_ok=True)
        with open(path, "wb") as file:
            np.savez_compressed(file, objects=crops.objects, boxes=crops.boxes, pieces=crops.pieces)
        return path

    def crops(self, number: int) -> Crops:
        """Read the objects of a tile that were split."""
        with np.load(self.path("pieces", number)) as file:
            return Crops(file["objects"], file["boxes"], file["pieces"])


def _starts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(counts)))
