"""One live layer: how it is added, moved and looked after; shared by all that shows live labels."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap

from napari_superpixels.errors import InputError
from napari_superpixels.napari_ui.layer_facts import PREVIEW
from napari_superpixels.napari_ui.placement import Placement

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

    from napari_superpixels.engine.live import LiveLevel

REFRESH_MS = 100
"""How often new tiles are fetched onto the screen, at most."""
BORDER = (1.0, 0.9, 0.1, 1.0)
"""Colour of boundaries, red, green, blue, alpha: a yellow that is seen on most images."""

Place = Mapping[str, Any]
"""Where a layer lies: its keyword arguments."""


def add_live_labels(
    viewer: "napari.viewer.Viewer",
    levels: "Sequence[LiveLevel]",
    name: str,
    place: Place,
    colours: Any,
) -> "napari.layers.Labels":
    """Add a layer of live labels: not editable, and refusing to be saved or copied."""
    layer = viewer.add_labels(
        list(levels),
        multiscale=True,
        name=name,
        colormap=colours,
        opacity=0.5,
        metadata=dict(PREVIEW),
        **place,
    )
    # What napari asks a layer for to save or copy it: the data that it would pass on are not
    # there, and its writers would say so in words of their own.
    layer.as_layer_data_tuple = partial(_refuse_to_be_saved, layer.name)
    return layer


def add_live_borders(
    viewer: "napari.viewer.Viewer", levels: "Sequence[LiveLevel]", name: str, place: Place
) -> "napari.layers.Labels":
    """Add a layer of live boundaries, in one colour."""
    # A cycle of one: for a direct colormap napari has numba compile for seconds, at once.
    colours = CyclicLabelColormap(colors=np.array([(0.0,) * 4, BORDER]), name="boundaries")
    layer = add_live_labels(viewer, levels, name, place, colours)
    layer.opacity = 0.9
    return layer


def _refuse_to_be_saved(name: str) -> NoReturn:
    raise InputError(
        f"{name} holds only what was looked at and cannot be saved; press Run and save its labels."
    )


def move(layer: "napari.layers.Layer", place: Place) -> None:
    """Move a layer to a place; what is set draws it anew, so only what differs is set."""
    now = Placement.of(layer).as_layer_kwargs()
    for name, value in place.items():
        if not np.array_equal(np.asarray(now[name]), np.asarray(value)):
            setattr(layer, name, value)


def remove(viewer: "napari.viewer.Viewer", layer: "napari.layers.Layer") -> None:
    """Remove a layer that may be gone already."""
    if layer in viewer.layers:
        viewer.layers.remove(layer)


def refresh(*layers: "napari.layers.Layer") -> None:
    """Show what has become known; extent and thumbnail stay as they are."""
    for layer in layers:
        layer.refresh(extent=False, thumbnail=False)
