"""What is annotated of an image, and which part of that is held out to measure on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_superpixels.tiling import Box
from napari_superpixels.training.pairs import Annotation

BLOCK = 1024
"""Labels are looked at in squares of so many pixels."""
HELD_SHARE = 0.2
"""Part of the longer side that is held out."""
GAP_PX = 32
"""Between what is learned from and what is held out: what lies beside a pixel resembles it."""
LARGEST_PX = 1024
"""Networks see what is held out in one piece: so much of a larger part is measured on."""
LEAST_HELD_PX = 48
"""Less is not worth measuring superpixels on: three cells of 16 pixels."""
LEAST_HELD_CLASSES_PX = 16
"""Nor classes, on less than this."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """What a label image says."""

    pixels: int
    """Pixels that are known."""
    labels: frozenset[int]
    """Labels among them."""
    box: Box
    """The smallest box that holds them."""

    @property
    def segments(self) -> int:
        """How many labels there are."""
        return len(self.labels)

    @property
    def has_borders(self) -> bool:
        """Whether there are two segments, and so a border between them."""
        return self.segments > 1


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an image where something is annotated."""

    known: Box
    """The smallest box that holds it."""
    area: Box
    """What crops may be cut out of: that, with room around it where little is known."""


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
    for box in squares(area, BLOCK):
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
    return Annotated(pixels, frozenset(found), Box.of(*sides))


def squares(area: Box, size: int) -> list[Box]:
    """Cut a part of an image into squares of at most so many pixels a side, row by row."""
    starts = (range(side.start, side.stop, size) for side in area)
    rows, columns = (
        [(at, min(at + size, side.stop)) for at in each]
        for each, side in zip(starts, area, strict=True)
    )
    return [Box.of(row, column) for row in rows for column in columns]


def _find_borders(learned: Annotated, held: Annotated) -> bool:
    """Whether borders can be learned, and measured."""
    return learned.has_borders and held.has_borders


def _know_classes(learned: Annotated, held: Annotated) -> bool:
    """Whether every class can be learned, and something be measured."""
    return held.pixels > 0 and held.labels <= learned.labels


@dataclass(frozen=True, slots=True)
class Holding:
    """When a part is worth being held out."""

    least_px: int
    """Side of what is known there."""
    fits: Callable[[Annotated, Annotated], bool]
    """Whether what is learned from, and what is held out, are good for that."""


SEGMENTS = Holding(LEAST_HELD_PX, _find_borders)
"""Where borders of segments are learned."""
CLASSES = Holding(LEAST_HELD_CLASSES_PX, _know_classes)
"""Where the class of each pixel is."""


def share_out(
    part: Part, labels: Annotation, crop: int, void: int | None = None, holding: Holding = SEGMENTS
) -> Shares:
    """Choose what is learned from and what is measured on.

    The last fifth of what is annotated is held out, along its longer side, where crops still fit
    into the rest and both are good for something; with `GAP_PX` between them where that leaves
    enough.

    Parameters
    ----------
    part
        Of the image, as `painted.parts_of` finds it.
    labels
        The annotation.
    crop
        Side of a crop, in pixels.
    void
        The label that stands for unknown, where there is one.
    holding
        When a part is worth being held out.
    """
    whole = Shares(part.area, None)
    axis = int(np.argmax(part.known.shape))
    cut = part.known[axis].stop - round(HELD_SHARE * part.known.shape[axis])
    _, held = _cut(part.area, axis, cut)
    _, measured = _cut(part.known, axis, cut)
    if min(measured.shape) < holding.least_px:
        return whole
    found = look_at(labels, void, held)
    for gap in (GAP_PX, 0):
        learned, _ = _cut(part.area, axis, max(part.area[axis].start, cut - gap))
        if min(learned.shape) >= crop and holding.fits(look_at(labels, void, learned), found):
            return Shares(learned, most_known(labels, held, void))
    return whole


def most_known(labels: Annotation, area: Box, void: int | None = None) -> Box:
    """Return, of the squares of at most `LARGEST_PX` of an area, that where most is known.

    Parameters
    ----------
    labels
        The annotation.
    area
        The part of the image.
    void
        The label that stands for unknown; where there is none, it is the middle.
    """
    if void is None:
        return middle_of(area)
    return max(squares(area, LARGEST_PX), key=lambda box: look_at(labels, void, box).pixels)


def middle_of(box: Box) -> Box:
    """Return the middle of a box, at most `LARGEST_PX` along both axes."""
    sides = []
    for side in box:
        size = min(len(side), LARGEST_PX)
        start = side.start + (len(side) - size) // 2
        sides.append((start, start + size))
    return Box.of(*sides)


def at_least(box: Box, size: int, whole: Box) -> Box:
    """Return a box grown to a size along both axes, inside another as far as there is room."""
    sides = []
    for side, room in zip(box, whole, strict=True):
        middle = side.start - (size - len(side)) // 2
        start = max(room.start, min(middle, room.stop - size))
        short = len(side) < size
        sides.append((start, min(start + size, room.stop)) if short else (side.start, side.stop))
    return Box.of(*sides)


def _cut(box: Box, axis: int, at: int) -> tuple[Box, Box]:
    """Cut a box in two."""
    bounds = [(side.start, side.stop) for side in box]
    first, last = list(bounds), list(bounds)
    first[axis], last[axis] = (bounds[axis][0], at), (at, bounds[axis][1])
    return Box.of(*first), Box.of(*last)
