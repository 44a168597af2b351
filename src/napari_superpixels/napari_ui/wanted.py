"""What the form says as a request, its plan, and where what is shown of it lies."""

import threading
from typing import TYPE_CHECKING, Any

from napari.layers import Shapes

from napari_superpixels.napari_ui.drivers import prepare_for
from napari_superpixels.napari_ui.form import VIEW, WHOLE, Form
from napari_superpixels.napari_ui.regions import region_of_shapes, region_of_view
from napari_superpixels.napari_ui.resolve import Request, resolve
from napari_superpixels.napari_ui.snapshot import LayerSnapshot, PolygonsSnapshot
from napari_superpixels.napari_ui.warming import make_ready

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
        is looked at anyway; nor is it in a form that only a run writes.

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
    settings = form.settings()
    if preview:
        settings = {name: one for name, one in settings.items() if name not in form.kind.of_runs}
    return Request(
        images=tuple(LayerSnapshot.of(layer) for layer in layers),
        measured=form.measured,
        level=level,
        method=form.method.value,
        settings=settings,
        mask=_mask(form.mask.value),
        region=spans,
        device=form.device.value,
    )


def plan_of(request: Request, cancel: threading.Event) -> "Plan":
    """Return the plan of a request, its kernels ready; reads and compiles, so off the main thread.

    Parameters
    ----------
    request
        What to plan.
    cancel
        Set it where the plan is not wanted any more.

    Raises
    ------
    Cancelled
        If it is not wanted any more.
    SuperpixelsError
        If it cannot be planned.
    """
    prepare_for(request.method)
    plan = resolve(request, cancel)
    make_ready(plan.method, plan.facts, cancel)
    return plan


def _mask(layer: Any) -> Any:
    if layer is None:
        return None
    return PolygonsSnapshot.of(layer) if isinstance(layer, Shapes) else LayerSnapshot.of(layer)
