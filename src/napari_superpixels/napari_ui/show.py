"""`nsp.show`: what a plan gives in a viewer, appearing where one looks."""

from typing import TYPE_CHECKING, Any

from napari_superpixels.engine.live import LiveView
from napari_superpixels.engine.plan import Plan
from napari_superpixels.errors import InputError
from napari_superpixels.napari_ui.live_layers import LiveLayers, Shown
from napari_superpixels.napari_ui.looks import look_of
from napari_superpixels.napari_ui.mailbox import Mailbox
from napari_superpixels.napari_ui.placement import place_on
from napari_superpixels.napari_ui.plugin_settings import plugin_settings
from napari_superpixels.napari_ui.snapshot import LayerSnapshot
from napari_superpixels.napari_ui.wording import layer_name
from napari_superpixels.napari_ui.world import layer_place

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer


def show(
    viewer: "napari.viewer.Viewer",
    plan: Plan,
    *,
    image_layer: "napari.layers.Image | None" = None,
    boundaries: bool = False,
) -> "napari.layers.Layer":
    """Show what a plan gives as a layer that computes what is looked at, and nothing else.

    Remove the layer to stop it. Call this from the main thread, as everything of napari.

    Parameters
    ----------
    viewer
        Where to show them.
    plan
        From `plan`, of an image from anywhere.
    image_layer
        The layer of the image, to lie exactly on it; by default it lies where the image's own
        spacing and origin put it.
    boundaries
        Whether to show the borders of labels as a second layer.

    Returns
    -------
    napari.layers.Layer
        The live layer, labels or, of a network that gives numbers, an image; multiscale, not
        editable, and not to be saved (run the plan instead).

    Raises
    ------
    InputError
        If it is no plan, its statistics are not measured, it gives probabilities, or its image has
        other axes than the layer.
    """
    if not isinstance(plan, Plan):
        raise InputError(
            f"Only a plan can be shown, not {type(plan).__name__}; make one with plan()."
        )
    mailbox = Mailbox()
    view = LiveView(
        plan,
        cache_bytes=plugin_settings().cache_bytes,
        on_change=mailbox.changed,
        on_error=mailbox.failed,
    )
    place = (
        layer_place(plan.source.axes) if image_layer is None else _place_on(image_layer, plan, view)
    )
    name = layer_name(plan.source.name, plan.method.name, plan.output.short(plan.lattice))
    shown = Shown(view, mailbox, place, name, look_of(view))
    return LiveLayers(viewer, shown, boundaries=boundaries).layer


def _place_on(layer: Any, plan: Plan, view: LiveView) -> dict[str, Any]:
    if layer.ndim != view.labels[0].ndim:
        raise InputError(
            f"The layer {layer.name} has {layer.ndim} axes, but the labels have "
            f"{view.labels[0].ndim}; give the layer of the plan's own image, or none."
        )
    return place_on(LayerSnapshot.of(layer), plan.source.level).as_layer_kwargs()
