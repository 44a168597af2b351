"""Which pixels of a layer the view shows, and which a drawn shape covers."""

from itertools import product
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.napari_ui.grids import outline_on
from napari_superpixels.napari_ui.placement import Placement, Points, map_points
from napari_superpixels.napari_ui.snapshot import LayerSnapshot, PolygonsSnapshot

Region = dict[str, tuple[int, int]]
"""Start and stop in pixels, by axis."""


def region_of_view(viewer: Any, layer: Any, level: int) -> Region:
    """Return the pixels of a level of a layer that the canvas shows, and the plane that it shows.

    Of layers that are rotated or sheared the box around what is shown. In 3-D all is shown.

    Parameters
    ----------
    viewer
        A napari viewer, or its model.
    layer
        An image layer in it.
    level
        Of the layer.

    Raises
    ------
    InputError
        If the view shows no pixel of it.
    """
    image = LayerSnapshot.of(layer)
    letters, shape = image.letters, image.shape(level)
    if viewer.dims.ndisplay == 3:
        return {name: (0, size) for name, size in zip(letters, shape)}
    low, high = _visible(viewer, layer, image, level)
    displayed = [axis - viewer.dims.ndim for axis in viewer.dims.displayed]
    region = {}
    for axis, (name, size) in zip(range(-len(shape), 0), zip(letters, shape)):
        if axis in displayed:
            region[name] = _touched(low[axis], high[axis], size)
        elif name in "yx":
            region[name] = (0, size)
        else:
            plane = int(np.round(low[axis]))
            region[name] = _inside(plane, plane + 1, size)
    return _not_empty(region, f"The view shows no pixel of {image.name!r}; move it into view, or "
                      f"choose the whole image.")  # fmt: skip


def region_of_shapes(shapes_layer: Any, layer: Any, level: int) -> Region:
    """Return the pixels of a level of a layer in the box around a shape: the selected or only one.

    Raises
    ------
    InputError
        If there is no shape, several of which none or several are selected, or it lies outside.
    """
    shapes, image = PolygonsSnapshot.of(shapes_layer), LayerSnapshot.of(layer)
    numbers = shapes.selected or tuple(range(len(shapes.kinds)))
    if not numbers:
        raise InputError(f"The layer {shapes.name!r} has no shapes; draw a rectangle.")
    if len(numbers) > 1:
        raise InputError(
            f"The layer {shapes.name!r} has {len(numbers)} "
            f"{'selected ' if shapes.selected else ''}shapes, but a region is one; select one."
        )
    outline = outline_on(image, shapes, numbers[0], level)
    spans = zip("yx", outline.min(axis=0), outline.max(axis=0), image.plane_shape(level))
    region = {name: _touched(low, high, size) for name, low, high, size in spans}
    return _not_empty(region, f"The shape lies outside {image.name!r}; draw it on the image.")


def _touched(low: float, high: float, size: int) -> tuple[int, int]:
    """Return the pixels that an extent touches; a pixel reaches half a pixel around its centre."""
    return _inside(floor(low + 0.5), ceil(high + 0.5), size)


def _inside(start: int, stop: int, size: int) -> tuple[int, int]:
    return max(start, 0), min(stop, size)


def _not_empty(region: Region, sentence: str) -> Region:
    if any(start >= stop for start, stop in region.values()):
        raise InputError(sentence)
    return region


def _visible(
    viewer: Any, layer: Any, image: LayerSnapshot, level: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the extent of what is visible, in pixels of a level along the axes of the layer.

    Along axes that are not displayed it is the position of the slider.
    """
    placement = image.placement.at_level(image.factors(level))
    units = getattr(viewer.layers, "units", None) or ("pixel",) * viewer.dims.ndim
    world = Placement.of_world(tuple(map(str, units)))
    if hasattr(viewer, "canvas"):
        corners = map_points(_canvas_corners(viewer), world, placement)
        return corners.min(axis=0), corners.max(axis=0)
    sliders = map_points([viewer.dims.point], world, placement)[0]
    low, high = sliders.copy(), sliders
    for axis in (axis - viewer.dims.ndim for axis in viewer.dims.displayed):
        if axis >= -image.ndim:
            low[axis], high[axis] = _drawn(layer, image, level, axis)
    return low, high


def _canvas_corners(viewer: Any) -> Points:
    """Return the corners of the canvas in the world; the sliders' position in the other axes."""
    corners = np.tile(np.asarray(viewer.dims.point, np.float64), (4, 1))
    camera = getattr(viewer, "scene", viewer).camera
    half = np.asarray(viewer.canvas.viewbox_size(viewer.layers)) / camera.zoom / 2
    centre = np.asarray(camera.center)[-2:]
    signs = np.array(list(product((-1, 1), repeat=2)))
    corners[:, list(viewer.dims.displayed)] = centre + signs * half
    return corners


def _drawn(layer: Any, image: LayerSnapshot, level: int, axis: int) -> tuple[float, float]:
    """Return the edges of what is drawn of a layer along an axis, in pixels of a level.

    Before napari 0.9 the viewer does not tell the size of its canvas, but a layer tells which of
    its pixels it holds ready; that may be more than is seen.
    """
    shown = layer.data_level
    ratio = image.factors(shown)[axis] / image.factors(level)[axis]
    first, last = (float(corner[axis]) for corner in layer.corner_pixels)
    return first * ratio - 0.5, (last + 1) * ratio - 0.5
