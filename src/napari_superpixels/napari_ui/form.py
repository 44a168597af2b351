"""The fields of the widget: what can be chosen, from the layers and methods that are there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, Select
from napari.layers import Image, Labels, Layer, Shapes

from napari_superpixels.engine.device import devices
from napari_superpixels.errors import InputError
from napari_superpixels.models.registry import needs_weights, network_of
from napari_superpixels.napari_ui.layer_facts import is_preview, layers_of_image, level_label
from napari_superpixels.napari_ui.output_fields import OutputFields
from napari_superpixels.napari_ui.outputs import proposed_name
from napari_superpixels.napari_ui.panel_kinds import PanelKind
from napari_superpixels.napari_ui.parameters import Parameters
from napari_superpixels.napari_ui.plugin_settings import PluginSettings
from napari_superpixels.napari_ui.remembered import Remembered
from napari_superpixels.napari_ui.resolve import Measured
from napari_superpixels.napari_ui.wording import lost_sentence, method_text, no_weights_sentence

if TYPE_CHECKING:
    import napari.components
    import napari.viewer

WHOLE, VIEW = "whole image", "what the view shows"
NO_MASK = "none"


class Form:
    """The fields, and what they say.

    Parameters
    ----------
    viewer
        Whose layers are offered.
    kind
        Which panel's they are.
    remembered
        What the fields begin with.
    settings
        What the preferences say.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        kind: PanelKind,
        remembered: Remembered,
        settings: PluginSettings,
    ) -> None:
        self._viewer, self.kind, self.measured = viewer, kind, Measured()
        self._meant: list[Image] = []  # images that were chosen for the user, not by them
        self._named: Mapping[str, Sequence[str]] = {}
        self._by_method = {name: dict(kept) for name, kept in remembered.settings.items()}
        self.images = Select(name="images", choices=self._images)
        self.level = ComboBox(name="level", choices=self._levels)
        self.method = ComboBox(name="method", choices=[(method_text(m), m) for m in kind.methods])
        self.step = kind.step(remembered)
        self.mask = ComboBox(name="mask", choices=self._masks)
        self.region = ComboBox(name="region", choices=self._regions)
        self.where_to = OutputFields(remembered.folder, settings)
        self.folder, self.output = self.where_to.fields
        self.device = ComboBox(name="device", choices=[(one.label, one.name) for one in devices()])
        self.boundaries = CheckBox(name="boundaries", text="", value=remembered.boundaries)
        for field in self.fields:
            field.tooltip = kind.tooltips.get(field.name, field.tooltip)
        self._begin_with(remembered)
        self.parameters = self._parameters()
        self.choose_what_is_meant()
        self.propose()

    @property
    def fields(self) -> tuple[Any, ...]:
        """All fields but the method's own parameters, in the order of the form."""
        method = (self.method,) if len(self.kind.methods) > 1 else ()
        return (
            self.images, self.level, *method, *self.step.fields, self.mask, self.region,
            self.boundaries, self.folder, self.output, self.device,
        )  # fmt: skip

    @property
    def looks(self) -> tuple[Any, ...]:
        """Those of them that labels depend on."""
        others = (self.folder, self.output, self.boundaries)
        return tuple(field for field in self.fields if field not in others)

    def change_method(self) -> None:
        """Make the fields of the method that is chosen now; the values of the other are kept."""
        self._by_method[self.parameters.method] = self.parameters.values()
        self.parameters = self._parameters()

    def offer_weights(self, named: Mapping[str, Sequence[str]]) -> None:
        """Offer weights by name: names by method."""
        self._named = named
        self.parameters.offer(self._names)

    def propose(self) -> None:
        """Propose a name and a folder for the output, unless the user chose them."""
        layers = self.layers
        if layers:
            name = proposed_name(layers[0].name, self.method.value, self.detail)
            self.where_to.propose(name, layers[0].source.path)
        else:
            self.where_to.propose("", None)

    @property
    def layers(self) -> list[Image]:
        """The image layers that are chosen, else those that are meant where none is."""
        return list(self.images.value or []) or self._what_is_meant()

    @property
    def other_layers(self) -> list[Layer]:
        """The layers of the mask and the region."""
        return [one.value for one in (self.mask, self.region) if isinstance(one.value, Layer)]

    def choose_what_is_meant(self) -> bool:
        """Choose the layers of the active image, unless the user chose; return whether that is so.

        What is chosen stays when something that is no image becomes active, as labels do when they
        appear.
        """
        chosen, meant = list(self.images.value or []), self._what_is_meant()
        if not meant or meant == chosen or (chosen and chosen != self._meant):
            return False
        with self.images.changed.blocked():
            self.images.value = meant
        self._meant = meant
        self.level.reset_choices()
        self.propose()
        return True

    def image_layers(self) -> list[Image]:
        """Return the image layers that are chosen; they stay chosen from now on.

        Raises
        ------
        InputError
            If there is none.
        """
        self.choose_what_is_meant()
        layers = list(self.images.value or [])
        if not layers:
            there = "choose one under Images" if self._images() else "open an image first"
            raise InputError(f"No image layer is chosen; {there}.")
        self._meant = []
        return layers

    def settings(self) -> dict[str, Any]:
        """Return the settings of the method: its step in pixels or micrometers, and its own."""
        return self.step.settings() | self.parameters.values()

    @property
    def lacking(self) -> str:
        """What the method needs and has not, as a sentence; empty where nothing is missing."""
        method = self.method.value
        if not needs_weights(method) or self.parameters.values().get("weights"):
            return ""
        return no_weights_sentence(method)

    @property
    def detail(self) -> str:
        """What outputs of one method are told apart by: the step, or the name of the weights."""
        return self.step.text or Path(self.parameters.values().get("weights", "")).stem

    def remembered(self) -> Remembered:
        """Return what is to be kept for the next widget."""
        settings = self._by_method | {self.parameters.method: self.parameters.values()}
        return self.kind.remembered(
            method=self.method.value,
            settings=settings,
            boundaries=self.boundaries.value,
            folder=self.where_to.remembered(),
            device=self.device.value,
            **self.step.remembered(),
        )

    def reset_choices(self, *_: Any) -> list[str]:
        """Offer the layers that are there now.

        Returns
        -------
        list of str
            A sentence for the mask and the region each, if its layer was chosen and is gone.
        """
        before = [(field.name, field.value) for field in (self.mask, self.region)]
        for field in (self.images, self.level, self.mask, self.region):
            field.reset_choices()
        self.choose_what_is_meant()
        self.propose()
        gone = [(name, one) for name, one in before if isinstance(one, Layer)]
        return [
            lost_sentence(layer.name, name) for name, layer in gone if layer not in self._layers
        ]

    def _begin_with(self, remembered: Remembered) -> None:
        """Choose what was chosen last, as far as it is offered."""
        if remembered.method in self.kind.methods:
            self.method.value = remembered.method
        if remembered.device in self.device.choices:
            self.device.value = remembered.device

    def _parameters(self) -> Parameters:
        kept: Mapping[str, Any] = self._by_method.get(self.method.value, {})
        made = Parameters(self.method.value, kept)
        made.offer(self._names)
        return made

    @property
    def _names(self) -> Sequence[str]:
        return self._named.get(network_of(self.method.value), ())

    def _what_is_meant(self) -> list[Image]:
        """Return the layers of the active image, or of the only image that there is."""
        images, active = self._images(), self._viewer.layers.selection.active
        if active in images:
            return layers_of_image(active, images)
        only = layers_of_image(images[0], images) if images else []
        return only if only == images else []

    @property
    def _layers(self) -> "napari.components.LayerList":
        return self._viewer.layers

    def _of_kind(self, *kinds: type[Layer]) -> list[Any]:
        return [layer for layer in self._layers if isinstance(layer, kinds)]

    def _images(self, *_: Any) -> list[Image]:
        return [layer for layer in self._of_kind(Image) if not is_preview(layer)]

    def _levels(self, *_: Any) -> list[tuple[str, int]]:
        layers = self.layers
        if not layers:
            return [("0", 0)]
        return [
            (level_label(layers[0], level), level) for level in range(len(layers[0].level_shapes))
        ]

    def _masks(self, *_: Any) -> list[tuple[str, Any]]:
        fit = [layer for layer in self._of_kind(Labels, Shapes) if not is_preview(layer)]
        return [(NO_MASK, None), *((layer.name, layer) for layer in fit)]

    def _regions(self, *_: Any) -> list[tuple[str, Any]]:
        shapes = [(f"rectangle of {layer.name}", layer) for layer in self._of_kind(Shapes)]
        return [(WHOLE, WHOLE), (VIEW, VIEW), *shapes]
