"""One live layer: how it is added, given something else and moved."""

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

BORDER = (1.0, 0.9, 0.1, 1.0)
"""Colour of boundaries, red, green, blue, alpha: a yellow that is seen on most images."""

LayerPlace = Mapping[str, Any]
"""Where a layer lies: its keyword arguments."""


class LiveLayer:
    """A layer of live labels, not editable, refusing to be saved or copied.

    It knows what name and colours it was given, so that those of the user are kept.

    Parameters
    ----------
    viewer
        Where it is added.
    levels
        The labels, the finest first.
    name, colours, place
        What it is called, looks like, and where it lies.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        levels: "Sequence[LiveLevel]",
        name: str,
        colours: Any,
        place: LayerPlace,
    ) -> None:
        self.layer = viewer.add_labels(
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
        self.layer.as_layer_data_tuple = partial(_refuse_to_be_saved, self.layer)
        self._name, self._colours = self.layer.name, self.layer.colormap

    @classmethod
    def of_borders(
        cls,
        viewer: "napari.viewer.Viewer",
        levels: "Sequence[LiveLevel]",
        name: str,
        place: LayerPlace,
    ) -> "LiveLayer":
        """Add a layer of live boundaries, in one colour."""
        # A cycle of one: for a direct colormap napari has numba compile for seconds, at once.
        colours = CyclicLabelColormap(colors=np.array([(0.0,) * 4, BORDER]), name="boundaries")
        made = cls(viewer, levels, name, colours, place)
        made.layer.opacity = 0.9
        return made

    def put(
        self, levels: "Sequence[LiveLevel]", name: str, place: LayerPlace, colours: Any = None
    ) -> None:
        """Show something else; a name and colours that the user gave it stay."""
        layer = self.layer
        layer.data = list(levels)
        if layer.name == self._name:
            layer.name = name  # which napari may make unique
            self._name = layer.name
        if colours is not None and layer.colormap == self._colours:
            layer.colormap = colours
            self._colours = layer.colormap
        self.move(place)

    def move(self, place: LayerPlace) -> None:
        """Move it to a place; what is set draws it anew, so only what differs is set."""
        now = Placement.of(self.layer).as_layer_kwargs()
        for name, value in place.items():
            if not np.array_equal(np.asarray(now[name]), np.asarray(value)):
                setattr(self.layer, name, value)


def _refuse_to_be_saved(layer: "napari.layers.Layer") -> NoReturn:
    raise InputError(
        f"{layer.name} holds only what was looked at and cannot be saved; press Run and save its "
        f"labels."
    )
