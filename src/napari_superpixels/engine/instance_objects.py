"""The work of one tile in the pass that makes instances of the objects that begin there."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_superpixels.engine.instance_files import KEY, Crops, InstanceFiles
from napari_superpixels.engine.instance_work import Values, class_values, kinds_of
from napari_superpixels.engine.stage import Pulse, Work
from napari_superpixels.labels.instances import ROW, Rows, span_of
from napari_superpixels.labels.splitting import split_object, structure_of
from napari_superpixels.tiling import Box


@dataclass(frozen=True, slots=True)
class _Begun:
    """The objects that begin in a tile."""

    numbers: NDArray[np.int64]
    """Their numbers in it."""
    rows: Rows
    """What is known of each, all of it counted."""
    box: Box | None
    """What is read of the image; None where no object is split."""
    values: Values | None
    """The classes there."""
    whole: int
    """How many stay whole because they are too large."""


@dataclass(frozen=True, slots=True)
class _Made:
    """The instances of the objects that begin in a tile."""

    rows: Rows
    """What is known of each."""
    keys: Values
    """Which object each is of, of type `KEY`."""
    crops: Crops | None
    """Objects that were split."""
    whole: int
    """How many stayed whole because they are too large."""


@dataclass(frozen=True, slots=True)
class ObjectsWork(Work):
    """Make instances of the objects that begin in a tile: split, and sorted out by their size."""

    files: InstanceFiles
    name: str
    number: int

    def read(self, before: None, pulse: Pulse) -> _Begun:
        """Return the objects, and the classes of all pixels of those that are split."""
        del before, pulse
        settings = self.files.plan.settings
        rows = self.files.census(self.number).rows
        seams = self.files.seams(self.number)
        for name in ROW.names or ():
            rows[name][seams["object"]] = seams[name]
        numbers = np.flatnonzero(rows["area"])
        rows = rows[numbers]
        some, whole = rows[self._splits(rows)], int(settings.too_large(rows).sum())
        if not some.size:
            return _Begun(numbers, rows, None, None, whole)
        box = Box.of(
            (int(some["top"].min()), int(some["bottom"].max())),
            (int(some["left"].min()), int(some["right"].max())),
        )
        return _Begun(numbers, rows, box, class_values(self.files.plan, box), whole)

    def compute(self, before: _Begun, pulse: Pulse) -> _Made:
        """Return the instances that are kept."""
        cut = [] if before.box is None else list(self._cut(before, pulse))
        if cut:
            return self._with_pieces(before, cut)
        rows, keys = self._kept(before.rows, _keys(before.numbers))
        return _Made(rows, keys, None, before.whole)

    def _cut(self, begun: _Begun, pulse: Pulse) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """Yield which objects are in several pieces, and the piece of each pixel."""
        settings = self.files.plan.settings
        for n in np.flatnonzero(self._splits(begun.rows)).tolist():
            pulse()
            mask = self._mask(begun, begun.rows[n])
            pieces = split_object(mask, settings.distance_px, settings.connectivity)
            if pieces.max() > 1:
                yield n, pieces

    def write(self, before: _Made, pulse: Pulse) -> None:
        """Write them, and the record."""
        crops, path = before.crops, self.files.path("objects", self.number)
        split = 0 if crops is None else len(crops.objects)
        facts = {"instances": len(before.rows), "split": split, "whole": before.whole}

        def write() -> None:
            self.files.write(path, before.rows, before.keys)
            paths: list[Path] = [path]
            if crops is not None:
                paths.append(self.files.write_crops(self.number, crops))
            self.files.state.record(self.name, facts, paths)

        self.files.state.write(write, pulse)

    def _splits(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which objects are looked at: some have no room for two pieces."""
        settings = self.files.plan.settings
        roomy: NDArray[np.bool_] = span_of(rows) > settings.distance_px
        return roomy & settings.splits(rows)

    def _mask(self, begun: _Begun, row: Any) -> NDArray[np.bool_]:
        """Return where an object is, in its bounding box."""
        assert begun.box is not None, "its pixels were read"
        assert begun.values is not None, "its pixels were read"
        plan = self.files.plan
        place = box_of(row).relative_to(begun.box)
        same = kinds_of(plan, np.ascontiguousarray(begun.values[place.slices])) == row["kind"]
        numbers, _ = ndimage.label(same, structure_of(plan.settings.connectivity))
        mask: NDArray[np.bool_] = numbers == numbers[0, row["root"] % plan.shape[1] - row["left"]]
        return mask

    def _with_pieces(self, begun: _Begun, cut: list[tuple[int, NDArray[np.int32]]]) -> _Made:
        """Return instances, some of them pieces of objects."""
        which = np.array([n for n, _ in cut])
        rows, keys = [np.delete(begun.rows, which)], [_keys(np.delete(begun.numbers, which))]
        for n, pieces in cut:
            row, number = begun.rows[n], begun.numbers[n]
            corner = int(row["top"]), int(row["left"])
            some = rows_of_pieces(pieces, corner, row["kind"], self.files.plan.shape[1])
            rows.append(some)
            keys.append(_keys(np.full(len(some), number), np.arange(1, len(some) + 1)))
        boxes = np.stack([begun.rows[s][which] for s in ("top", "left", "bottom", "right")], axis=1)
        flat = np.concatenate([pieces.ravel() for _, pieces in cut])
        crops = Crops(begun.numbers[which].astype(np.int32), boxes.astype(np.int64), flat)
        kept = self._kept(np.concatenate(rows), np.concatenate(keys))
        return _Made(*kept, crops, begun.whole)

    def _kept(self, rows: Rows, keys: Values) -> tuple[Rows, Values]:
        """Return those of the right size, in the order of their roots."""
        fits = self.files.plan.settings.fits(rows["area"])
        rows, keys = rows[fits], keys[fits]
        order = np.argsort(rows["root"])
        return rows[order], keys[order]


def rows_of_pieces(
    pieces: NDArray[np.int32], corner: tuple[int, int], kind: int, width: int
) -> Rows:
    """Return what is known of the pieces of an object, which are numbered from 1.

    Parameters
    ----------
    pieces
        The piece of each pixel, 0 for none, shape (Y, X).
    corner, kind, width
        Where that begins, the class, and the columns of the image.
    """
    y, x = np.nonzero(pieces)
    piece = pieces[y, x] - 1
    y, x = y + corner[0], x + corner[1]
    _, first = np.unique(piece, return_index=True)
    rows = np.zeros(len(first), ROW)
    rows["root"], rows["kind"] = y[first] * width + x[first], kind
    rows["area"] = np.bincount(piece)
    rows["top"] = rows["left"] = np.iinfo(np.int32).max
    for total, low, high, place in (("sum_y", "top", "bottom", y), ("sum_x", "left", "right", x)):
        np.add.at(rows[total], piece, place)
        np.minimum.at(rows[low], piece, place)
        np.maximum.at(rows[high], piece, place + 1)
    return rows


def _keys(numbers: NDArray[Any], pieces: NDArray[Any] | int = 0) -> Values:
    keys = np.empty(len(numbers), KEY)
    keys["object"], keys["piece"] = numbers, pieces
    return keys


def box_of(row: Any) -> Box:
    """Return the bounding box of an object."""
    return Box.of((int(row["top"]), int(row["bottom"])), (int(row["left"]), int(row["right"])))
