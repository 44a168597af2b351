"""Where somebody painted: the annotated parts of an image, apart from each other.

A few regions of a slide are annotated, and the rest is unknown. Crops come from around these, all
regions alike often; in the box around all of them hardly one would hold anything.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from scipy.sparse.csgraph import connected_components

from napari_superpixels.tiling import Box
from napari_superpixels.training.annotated import BLOCK, Part, at_least, most_known, squares
from napari_superpixels.training.pairs import Annotation, Pair

Bounds = NDArray[np.int64]
"""Of boxes, (boxes, 2, 2): starts and stops by axis."""


def parts_of(
    labels: Annotation, size: int, void: int | None = None, within: Box | None = None
) -> list[Part]:
    """Find what is annotated, in parts whose areas do not overlap.

    Parameters
    ----------
    labels
        The annotation.
    size
        Side of a crop, in pixels; areas are no smaller, inside the image, and have half of it as
        room on each side.
    void
        The label that stands for unknown; where there is none, the image is one part.
    within
        Where to look, and where areas lie; everywhere by default.

    Returns
    -------
    list of Part
        In raster order of what is known; none where nothing is.
    """
    whole = within or Box.whole(labels.shape)
    if void is None:
        return [Part(whole, whole)]
    found = _adjacent(labels, size, void, whole)
    while len(found):
        grown = [_grown(box, size, whole) for box in map(_box, found)]
        merged = _overlapping(found, np.array(list(map(_bounds, grown)), np.int64))
        if len(merged) == len(found):
            return [Part(_box(known), area) for known, area in zip(found, grown, strict=True)]
        found = merged
    return []


def pieces_of(pair: Pair, size: int, void: int | None) -> list[Pair]:
    """Return an image once for each part that is annotated; as it is where nothing is.

    Parameters
    ----------
    pair
        The image; all of its annotations count.
    size
        Side of a crop, in pixels, which has room in each part.
    void
        The label that stands for unknown.
    """
    pieces = [
        replace(pair, annotations=(each,), area=part.area)
        for each in pair.annotations
        for part in parts_of(each, size, void, pair.box)
    ]
    return pieces or [pair]


def measured_of(pair: Pair, size: int, void: int | None) -> list[Pair]:
    """Return what is measured on of an image: a square of each part that is annotated.

    Parameters
    ----------
    pair, size, void
        As in `pieces_of`.
    """
    return [
        replace(piece, area=most_known(piece.annotations[0], piece.box, void))
        for piece in pieces_of(pair, size, void)
    ]


def _adjacent(labels: Annotation, size: int, void: int, whole: Box) -> Bounds:
    """Return the box of what is known in each group of adjoining squares of the size of a crop."""
    counts = [ceil(length / size) for length in whole.shape]
    occupied = np.zeros(counts, np.bool_)
    found = []
    for square, known in _known_squares(labels, size, void, whole):
        place = tuple((a - b) // size for a, b in zip(square.start, whole.start, strict=True))
        occupied[place] = True
        found.append((place, _tight(known, square)))
    groups, _ = label(occupied, np.ones((3, 3)))
    numbers = np.array([groups[place] for place, _ in found], np.int64)
    return _united(np.array([bounds for _, bounds in found], np.int64), numbers)


def _known_squares(
    labels: Annotation, size: int, void: int, whole: Box
) -> Iterator[tuple[Box, NDArray[np.bool_]]]:
    """Yield the squares where something is known, and where in them."""
    for large in squares(whole, size * max(1, BLOCK // size)):
        known = labels.read(large) != void
        for small in squares(large, size) if known.any() else ():
            inside = known[small.relative_to(large).slices]
            if inside.any():
                yield small, inside


def _tight(known: NDArray[np.bool_], square: Box) -> list[tuple[int, int]]:
    places = np.argwhere(known)
    low, high = places.min(axis=0), places.max(axis=0) + 1
    return [(start + int(a), start + int(b)) for start, a, b in zip(square.start, low, high)]


def _grown(box: Box, size: int, whole: Box) -> Box:
    """Give a box room around it; it stays inside another."""
    return at_least(Box(tuple(side.grow(size // 2) for side in box)).clip(whole), size, whole)


def _overlapping(found: Bounds, grown: Bounds) -> Bounds:
    """Put those boxes together that overlap when they are grown."""
    starts, stops = grown[..., 0], grown[..., 1]
    overlap = np.all((starts[:, None] < stops) & (starts < stops[:, None]), axis=-1)
    return _united(found, connected_components(overlap, directed=False)[1])


def _united(found: Bounds, groups: NDArray[np.int64]) -> Bounds:
    """Return one box for the boxes of each group, in the order of their first ones."""
    _, first, members = np.unique(groups, return_index=True, return_inverse=True)
    united = np.empty((len(first), 2, 2), np.int64)
    for number in range(len(first)):
        mine = found[members == number]
        united[number] = np.stack([mine[..., 0].min(axis=0), mine[..., 1].max(axis=0)], axis=-1)
    return united[np.argsort(first)]


def _bounds(box: Box) -> list[tuple[int, int]]:
    return [(side.start, side.stop) for side in box]


def _box(bounds: Bounds) -> Box:
    return Box.of(*((int(start), int(stop)) for start, stop in bounds))
