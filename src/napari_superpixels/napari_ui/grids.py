"""Whether layers lie on one grid of pixels, and where masks lie on an image's."""

from itertools import product
from math import ceil, pi, sqrt

import numpy as np

from napari_superpixels.errors import InputError
from napari_superpixels.io import Polygons
from napari_superpixels.napari_ui.placement import Points, map_points
from napari_superpixels.napari_ui.snapshot import LayerSnapshot, PolygonsSnapshot

NEAR_PX = 0.5
"""Layers that differ by less, in pixels, lie on one grid."""

ELLIPSE_ERROR_PX = 0.02
"""How far the polygon that stands for an ellipse may lie inside it."""

OPEN_KINDS = ("path", "line")
"""Shapes that enclose nothing."""


def check_one_grid(images: tuple[LayerSnapshot, ...], level: int) -> None:
    """Refuse image layers whose pixels do not lie on each other.

    Raises
    ------
    InputError
        With both names and sizes.
    """
    first = images[0]
    for other in images[1:]:
        same = first.shape(level) == other.shape(level) and _agree(first, other, NEAR_PX)
        if not same:
            raise InputError(
                f"The layers {_sized(first, level)} and {_sized(other, level)} lie on different "
                f"grids, but need equal sizes and transforms; choose layers of one image."
            )


def mask_level(image: LayerSnapshot, mask: LayerSnapshot, level: int) -> int:
    """Return the level of a label layer that can mask a level of an image.

    One of the same pixels if there is one, else the finest that has the pixels of another level.

    Raises
    ------
    InputError
        With both extents, if the layers do not cover the same part of the world.
    """
    shapes = [image.plane_shape(i) for i in range(len(image.levels))]
    own = [mask.plane_shape(i) for i in range(len(mask.levels))]
    usable = sorted(
        (i for i, shape in enumerate(own) if shape in shapes),
        key=lambda i: own[i] != shapes[level],
    )
    leading = mask.shape()[:-2] in ((), image.shape()[:-2])
    coarseness = max(n / m for n, m in zip(shapes[0], own[0])) if usable else 1.0
    if not usable or not leading or not _agree(image, mask, NEAR_PX * max(1.0, coarseness)):
        raise InputError(
            f"The mask {_sized(mask, 0)} covers {_extent(mask)} but the image {_sized(image, 0)} "
            f"covers {_extent(image)}; make a mask on the image's own pixels."
        )
    return usable[0]


def polygons_on(image: LayerSnapshot, shapes: PolygonsSnapshot, level: int) -> Polygons:
    """Return the outlines of a Shapes layer in pixels of a level of an image.

    Shapes that were drawn on one plane of a stack hold for all planes.

    Raises
    ------
    InputError
        If there are none, some enclose nothing, or they were drawn on several planes.
    """
    if not shapes.kinds:
        raise InputError(f"The layer {shapes.name!r} has no shapes; draw one, or choose no mask.")
    for kind in shapes.kinds:
        if kind in OPEN_KINDS:
            raise InputError(
                f"The layer {shapes.name!r} holds a {kind}, which encloses nothing; use polygons, "
                f"rectangles and ellipses as a mask."
            )
    planes = {tuple(corner) for corners in shapes.corners for corner in corners[:, :-2]}
    if len(planes) > 1:
        raise InputError(
            f"The shapes of {shapes.name!r} lie on {len(planes)} planes, but as a mask they hold "
            f"for all planes alike; keep those of one plane, or use a Labels layer."
        )
    numbers = range(len(shapes.kinds))
    return Polygons([outline_on(image, shapes, number, level) for number in numbers])


def outline_on(image: LayerSnapshot, shapes: PolygonsSnapshot, number: int, level: int) -> Points:
    """Return the outline of a shape in pixels of a level of an image, shape (N, 2) of y and x."""
    corners = _on(image, shapes, shapes.corners[number], level)
    return _ellipse(corners) if shapes.kinds[number] == "ellipse" else corners


def _on(image: LayerSnapshot, shapes: PolygonsSnapshot, corners: Points, level: int) -> Points:
    placement = image.placement.at_level(image.factors(level))
    return map_points(corners, shapes.placement, placement)[:, -2:]


def _ellipse(corners: Points) -> Points:
    """Return a polygon for the ellipse in a box, which transforms may have made a parallelogram."""
    centre = corners.mean(axis=0)
    first, second = (corners[1] - corners[0]) / 2, (corners[2] - corners[1]) / 2
    radius = float(np.hypot(*first) + np.hypot(*second)) + ELLIPSE_ERROR_PX
    count = max(16, ceil(pi * sqrt(radius / (2 * ELLIPSE_ERROR_PX))))
    angles = np.arange(count)[:, None] * (2 * pi / count)
    points: Points = centre + np.cos(angles) * first + np.sin(angles) * second
    return points


def _agree(first: LayerSnapshot, other: LayerSnapshot, tolerance_px: float) -> bool:
    """Whether the outer corners of two layers lie on each other, in pixels of the first."""
    common = min(first.ndim, other.ndim)
    theirs = map_points(_corners(other, other.ndim), other.placement, first.placement)
    ours = _corners(first, common)
    theirs = theirs.reshape(-1, 2**common, first.ndim)[0][:, -common:]
    return bool((np.abs(ours - theirs) <= tolerance_px).all())


def _corners(layer: LayerSnapshot, axes: int) -> Points:
    """Return the outer corners of a layer along its last axes, shape (2 ** axes, axes)."""
    return np.array(list(product(*((-0.5, size - 0.5) for size in layer.shape()[-axes:]))))


def _sized(layer: LayerSnapshot, level: int) -> str:
    return f"{layer.name!r} ({' x '.join(map(str, layer.shape(level)))})"


def _extent(layer: LayerSnapshot) -> str:
    """Return where a layer lies in the world along y and x, in words."""
    corners = layer.placement.to_world(_corners(layer, layer.ndim))[:, -2:]
    low, high = corners.min(axis=0), corners.max(axis=0)
    return " x ".join(f"{a:g}:{b:g}" for a, b in zip(low, high))
