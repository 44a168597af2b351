"""What the form says as a request, and where the labels of a request lie."""

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes

from napari_superpixels.engine.warm import warm_up
from napari_superpixels.errors import InputError
from napari_superpixels.napari_ui.form import VIEW, WHOLE, Form
from napari_superpixels.napari_ui.placement import Placement, region_of_shapes, region_of_view
from napari_superpixels.napari_ui.resolve import Request, resolve
from napari_superpixels.napari_ui.snapshot import LayerSnapshot, PolygonsSnapshot

if TYPE_CHECKING:
    import napari.viewer

    from napari_superpixels.engine.plan import Plan


def request_of(form: Form, viewer: "napari.viewer.Viewer", *, preview: bool) -> Request:
    """Return what the form asks for; on the main thread, and no pixel is read.

    Parameters
    ----------
    form
        The fields.
    viewer
        Whose view may be the region.
    preview
        Whether it is only to be looked at: then the view is no region, for what is shown is what
        is looked at anyway.

    Raises
    ------
    InputError
        If no image is chosen, or the region is none.
    """
    layers = form.image_layers()
    level, region = form.level.value or 0, form.region.value
    spans = None
    if isinstance(region, Shapes):
        spans = region_of_shapes(region, layers[0], level)
    elif region == VIEW and not preview:
        spans = region_of_view(viewer, layers[0], level)
    else:
        assert region in (WHOLE, VIEW), f"unknown region {region}"
    return Request(
        images=tuple(LayerSnapshot.of(layer) for layer in layers),
        level=level,
        method=form.method.value,
        settings=form.settings(),
        mask=_mask(form.mask.value),
        region=spans,
    )


def plan_of(request: Request) -> "Plan":
    """Return the plan of a request, its kernels ready; reads and compiles, so off the main thread.

    Raises
    ------
    SuperpixelsError
        If it cannot be planned.
    """
    plan = resolve(request)
    warm_up(plan.method, plan.facts)
    return plan


def place_of(request: Request, origin: tuple[int, ...] = ()) -> Placement:
    """Return where labels of a request lie in the world.

    Parameters
    ----------
    request
        What was asked for.
    origin
        First pixel of the labels along the last axes, in pixels of the request's level.
    """
    image = request.images[0]
    place = place_on(image, request.level)
    return place.cropped((0,) * (image.ndim - len(origin)) + origin) if any(origin) else place


def place_on(image: LayerSnapshot, level: int) -> Placement:
    """Return where labels of a level of an image layer lie."""
    shapes = [np.shape(one)[: image.ndim] for one in image.levels]
    if level >= len(shapes):
        raise InputError(
            f"Level {level} is asked for, but the layer {image.name} has {len(shapes)}; "
            f"give the layer of the same image."
        )
    return image.placement.at_level(
        tuple(fine / coarse for fine, coarse in zip(shapes[0], shapes[level], strict=True))
    )


def origin_of(plan: "Plan") -> tuple[int, ...]:
    """Return the first pixel that a plan writes, along (t, z) y and x."""
    return (*(side.start for side in plan.leading), *plan.pixels.start)


def _mask(layer: Any) -> Any:
    if layer is None:
        return None
    return PolygonsSnapshot.of(layer) if isinstance(layer, Shapes) else LayerSnapshot.of(layer)
