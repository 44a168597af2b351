"""The fields of the panel *Objects*: a class map, which objects of it, and where they go."""

from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, LineEdit, Select, SpinBox
from napari.layers import Labels

from napari_superpixels.errors import InputError
from napari_superpixels.napari_ui.layer_facts import class_names_of, may_hold_classes
from napari_superpixels.napari_ui.objects_errand import ObjectsErrand
from napari_superpixels.napari_ui.objects_wording import objects_name
from napari_superpixels.napari_ui.output_fields import OutputFields
from napari_superpixels.napari_ui.outputs import proposed_name
from napari_superpixels.napari_ui.plugin_settings import PluginSettings
from napari_superpixels.napari_ui.remembered import RememberedObjects
from napari_superpixels.napari_ui.snapshot import LayerSnapshot
from napari_superpixels.napari_ui.tooltips import OBJECTS_TOOLTIPS

if TYPE_CHECKING:
    import napari.viewer

TOUCHING = [("by edges", 4), ("by corners too", 8)]
MOST_PX = 2**31 - 1
"""Of the fields of sizes and lengths."""
OF_SPLIT = ("distance_px", "largest_px", "exact")
"""Fields that count where objects are split."""


class ObjectsForm:
    """The fields, and what they say.

    Parameters
    ----------
    viewer
        Whose layers are offered.
    remembered
        What the fields begin with.
    settings
        What the preferences say.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        remembered: RememberedObjects,
        settings: PluginSettings,
    ) -> None:
        self._viewer = viewer
        self.layer = ComboBox(name="layer", choices=self._layers)
        self.classes = Select(name="classes", choices=self._classes)
        self.numbers = LineEdit(name="numbers")
        self.min_px = SpinBox(name="min_px", min=1, max=MOST_PX)
        self.max_px = SpinBox(name="max_px", min=0, max=MOST_PX)
        self.connectivity = ComboBox(name="connectivity", choices=TOUCHING)
        self.split = CheckBox(name="split")
        self.distance_px = SpinBox(name="distance_px", min=1, max=MOST_PX)
        self.largest_px = SpinBox(name="largest_px", min=1, max=MOST_PX)
        self.exact = CheckBox(name="exact")
        self.where_to = OutputFields(remembered.folder, settings)
        self.folder, self.output = self.where_to.fields
        for field in self.fields:
            field.tooltip = OBJECTS_TOOLTIPS[field.name]
        self._begin_with(remembered)
        self.propose()

    @property
    def fields(self) -> tuple[Any, ...]:
        """All fields, in the order of the form."""
        return (
            self.layer, self.classes, self.numbers, self.min_px, self.split, self.distance_px,
            self.largest_px, self.exact, self.connectivity, self.max_px, self.folder, self.output,
        )  # fmt: skip

    @property
    def are_named(self) -> bool:
        """Whether the classes of the chosen layer have names, so that they are in a list."""
        return bool(self._classes())

    def settings(self) -> dict[str, Any]:
        """Return what counts as an object, as `instances` takes it."""
        said: dict[str, Any] = {
            "classes": self._chosen_classes(),
            "connectivity": self.connectivity.value,
            "min_px": self.min_px.value,
            "max_px": self.max_px.value or None,
            "split": self.split.value,
        }
        if self.split.value:
            said |= {name: getattr(self, name).value for name in OF_SPLIT}
        return said

    def errand(self) -> ObjectsErrand:
        """Return what is to be found; reads no pixel.

        Raises
        ------
        InputError
            If no layer is chosen.
        """
        layer = self.layer.value
        if layer is None:
            raise InputError(
                "No Labels layer is chosen, but objects are found in one that holds classes; open "
                "a class map, or paint one."
            )
        self.propose()
        name = objects_name(layer.name)
        return ObjectsErrand(LayerSnapshot.of(layer), self.settings(), self.where_to.wanted(), name)

    def propose(self) -> None:
        """Propose a name and a folder for the output, unless the user chose them."""
        layer = self.layer.value
        if layer is None:
            self.where_to.propose("", None)
            return
        snapshot = LayerSnapshot.of(layer)
        self.where_to.propose(proposed_name(objects_name(layer.name)), snapshot.path)

    def reset_choices(self) -> None:
        """Offer the layers that are there now."""
        before = self.layer.value
        self.layer.reset_choices()
        if self.layer.value != before:  # lists that are made anew may not tell
            self.change_layer()

    def change_layer(self) -> None:
        """Offer the classes of the layer that is chosen now; all are wanted."""
        self.classes.value = []
        self.classes.reset_choices()
        self.propose()

    def remembered(self) -> RememberedObjects:
        """Return what is to be kept for the next panel."""
        return RememberedObjects(
            min_px=self.min_px.value,
            max_px=self.max_px.value,
            connectivity=self.connectivity.value,
            split=self.split.value,
            distance_px=self.distance_px.value,
            largest_px=self.largest_px.value,
            exact=self.exact.value,
            folder=self.where_to.remembered(),
        )

    def _begin_with(self, kept: RememberedObjects) -> None:
        """Choose what was chosen last, as far as it is offered."""
        for field in (self.min_px, self.max_px, self.distance_px, self.largest_px):
            value = getattr(kept, field.name)
            if field.min <= value <= field.max:
                field.value = value
        if kept.connectivity in dict(TOUCHING).values():
            self.connectivity.value = kept.connectivity
        self.split.value, self.exact.value = kept.split, kept.exact

    def _chosen_classes(self) -> tuple[int | str, ...] | None:
        """Return numbers or names of classes, whichever the layer has; None for all."""
        if self.are_named:
            return tuple(self.classes.value or ()) or None
        typed = (one.strip() for one in self.numbers.value.split(","))
        return tuple(one for one in typed if one) or None

    def _layers(self, *_: Any) -> list[Labels]:
        labels = (layer for layer in self._viewer.layers if isinstance(layer, Labels))
        return [layer for layer in labels if may_hold_classes(layer)]

    def _classes(self, *_: Any) -> list[tuple[str, int]]:
        layer = self.layer.value
        names = {} if layer is None else class_names_of(layer)
        return [(name, number) for number, name in names.items()]
