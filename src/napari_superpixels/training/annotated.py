"""What is annotated of an image, and which part of that is held out to measure on."""

from dataclasses import dataclass

import numpy as np

from napari_superpixels.tiling import Box
from napari_superpixels.training.pairs import Annotation

BLOCK = 1024
"""Labels are looked at in squares of so many pixels."""
HELD_SHARE = 0.2
"""Part of the longer side that is held out."""
LEAST_HELD_PX = 48
"""Less is not worth measuring on: three cells of 16 pixels."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """What a label image says."""

    pixels: int
    """Pixels that are known."""
    segments: int
    """Labels among them."""
    box: Box
    """The smallest box that holds them."""

    @property
    def has_borders(self) -> bool:
        """Whether there are two segments, and so a border between them."""
        return self.segments > 1


@dataclass(frozen=True, slots=True)
class Shares:
    """Parts of an annotated image that do not overlap."""

    learned: Box
    """What crops are cut out of."""
    held: Box | None
    """What is measured on; None where the image is too small for both."""


def look_at(labels: Annotation, void: int | None = None, within: Box | None = None) -> Annotated:
    """Count what is known, square by square.

    Parameters
    ----------
    labels
        The annotation.
    void
        The label that stands for unknown, where there is one.
    within
        Where to look; everywhere by default.
    """
    area = within or Box.whole(labels.shape)
    found: set[int] = set()
    pixels = 0
    low, high = [area[0].stop, area[1].stop], list(area.start)
    for box in squares(area):
        values = labels.read(box)
        known = np.ones(values.shape, np.bool_) if void is None else values != void
        pixels += int(np.count_nonzero(known))
        found.update(np.unique(values[known]).tolist())
        for axis in (0, 1):
            places = np.flatnonzero(known.any(axis=1 - axis)) + box.start[axis]
            if len(places):
                low[axis] = min(low[axis], int(places[0]))
                high[axis] = max(high[axis], int(places[-1]) + 1)
    sides = zip(low, high) if pixels else ((start, start) for start in area.start)
    return Annotated(pixels, len(found), Box.of(*sides))


def squares(area: Box) -> list[Box]:
    """Cut a part of an image into squares of at most `BLOCK` pixels a side."""
    starts = (range(side.start, side.stop, BLOCK) for side in area)
    rows, columns = (
        [(at, min(at + BLOCK, side.stop)) for at in each]
        for each, side in zip(starts, area, strict=True)
    )
    return [Box.of(row, column) for row in rows for column in columns]


def share_out(known: Annotated, labels: Annotation, crop: int, void: int | None = None) -> Shares:
    """Choose what is learned from and what is measured on.

    The last part of what is annotated is held out, along its longer side, where crops still fit
    into the rest and there is a border to find.

    Parameters
    ----------
    known
        What `look_at` found.
    labels
        The annotation; crops fit into it.
    crop
        Side of a crop, in pixels.
    void
        The label that stands for unknown, where there is one.
    """
    box = at_least(known.box, crop, labels.shape)
    learned, held = _cut(box)
    if min(learned.shape) < crop or min(held.shape) < LEAST_HELD_PX:
        return Shares(box, None)
    both = all(look_at(labels, void, part).has_borders for part in (learned, held))
    return Shares(learned, held) if both else Shares(box, None)


def at_least(box: Box, size: int, shape: tuple[int, int]) -> Box:
    """Return a box grown to a size along both axes, inside an image."""
    sides = []
    for side, length in zip(box, shape, strict=True):
        start = max(0, min(side.start - (size - len(side)) // 2, length - size))
        sides.append((start, start + size) if len(side) < size else (side.start, side.stop))
    return Box.of(*sides)


def _cut(box: Box) -> tuple[Box, Box]:
    """Cut a box in two along its longer side."""
    axis = int(np.argmax(box.shape))
    cut = box[axis].stop - round(HELD_SHARE * box.shape[axis])
    bounds = [(side.start, side.stop) for side in box]
    first, last = list(bounds), list(bounds)
    first[axis], last[axis] = (bounds[axis][0], cut), (cut, bounds[axis][1])
    return Box.of(*first), Box.of(*last)
