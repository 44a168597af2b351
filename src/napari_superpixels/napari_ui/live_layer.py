"""One live layer: how it is added, given something else and moved."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from napari_superpixels.errors import InputError
from napari_superpixels.napari_ui.layer_facts import OURS, PREVIEW
from napari_superpixels.napari_ui.looks import Look
from napari_superpixels.napari_ui.placement import Placement

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

    from napari_superpixels.engine.live import LiveLevel

LayerPlace = Mapping[str, Any]
"""Where a layer lies: its keyword arguments."""


class LiveLayer:
    """A live layer, not editable, refusing to be saved or copied.

    It knows what name and colours it was given, so that those of the user are kept.

    Parameters
    ----------
    viewer
        Where it is added.
    levels
        The labels or numbers, the finest first.
    name, look, place
        What it is called, looks like, and where it lies.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        levels: "Sequence[LiveLevel]",
        name: str,
        look: Look,
        place: LayerPlace,
    ) -> None:
        add = {"labels": viewer.add_labels, "image": viewer.add_image}[look.kind]
        one_value = {"rgb": False} if look.kind == "image" else {}  # however short an axis is
        self.layer = add(
            list(levels),
            multiscale=True,
            name=name,
            opacity=look.opacity,
            **one_value,
            metadata=dict(PREVIEW),
            **look.worn,
            **place,
        )
        self._tell(look)
        # What napari asks a layer for to save or copy it: the data that it would pass on are not
        # there, and its writers would say so in words of their own.
        self.layer.as_layer_data_tuple = partial(_refuse_to_be_saved, self.layer)
        self._name = self.layer.name
        self._worn = {name: getattr(self.layer, name) for name in look.worn}

    def put(self, levels: "Sequence[LiveLevel]", name: str, place: LayerPlace, look: Look) -> None:
        """Show something else of the same kind; a name and colours that the user gave it stay."""
        layer = self.layer
        layer.data = list(levels)
        if layer.name == self._name:
            layer.name = name  # which napari may make unique
            self._name = layer.name
        self.wear(look.worn)
        self._tell(look)
        self.move(place)

    def wear(self, worn: Mapping[str, Any]) -> None:
        """Look otherwise, but for what the user chose."""
        for name, value in worn.items():
            if getattr(self.layer, name) == self._worn[name]:
                setattr(self.layer, name, value)
                self._worn[name] = getattr(self.layer, name)

    def move(self, place: LayerPlace) -> None:
        """Move it to a place; what is set draws it anew, so only what differs is set."""
        now = Placement.of(self.layer).as_layer_kwargs()
        for name, value in place.items():
            if not np.array_equal(np.asarray(now[name]), np.asarray(value)):
                setattr(self.layer, name, value)

    def _tell(self, look: Look) -> None:
        """Say what is known of the values."""
        if look.kind == "labels":
            self.layer.features = look.features
        else:
            self.layer.metadata[OURS] = {**PREVIEW[OURS], "unit": look.unit}


def _refuse_to_be_saved(layer: "napari.layers.Layer") -> NoReturn:
    raise InputError(
        f"{layer.name} holds only what was looked at and cannot be saved; press Run and save what "
        f"it writes."
    )
