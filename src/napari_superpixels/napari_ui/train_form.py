"""The fields of the panel *Train*: layers, what is trained, and what it is called."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, LineEdit, SpinBox
from napari.layers import Image, Labels, Layer

from napari_superpixels.errors import InputError
from napari_superpixels.models.trained import NETWORK
from napari_superpixels.models.weights import is_shipped
from napari_superpixels.napari_ui.layer_facts import is_preview
from napari_superpixels.napari_ui.lesson import UNKNOWN, Lesson
from napari_superpixels.napari_ui.remembered import RememberedTraining
from napari_superpixels.napari_ui.snapshot import LayerSnapshot
from napari_superpixels.napari_ui.tooltips import TRAINING_TOOLTIPS
from napari_superpixels.napari_ui.train_wording import proposed_name
from napari_superpixels.training.task import SHORT, Learns

if TYPE_CHECKING:
    import napari.viewer

NEW = "new weights"
IMAGENET = "imagenet"
"""Weights that torchvision fetches, of networks that have a ResNet."""
PAINTED, NOT_PAINTED = "painted", "unknown"
"""What 0 in the labels is: a label like others, or no label."""
ZERO: Mapping[Learns, str] = {
    "segments": "a segment",
    "classes": "a class",
    "distances": "background",
}
"""What 0 is called where it is a label like others."""
MOST_STEPS, LARGEST_SEED = 1_000_000, 2**31 - 1
LARGEST_CROP = 4096
"""Of the field; what fits is said by the image."""


class TrainForm:
    """The fields, and what they say.

    Parameters
    ----------
    viewer
        Whose layers are offered.
    remembered
        What the fields begin with.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", remembered: RememberedTraining) -> None:
        self._viewer = viewer
        self._named: Mapping[str, Sequence[str]] = {}
        self._proposed, self._proposed_crop = "", 0
        self._learns: Learns = "segments"
        self._zeros: dict[Learns, str] = {
            "segments": NOT_PAINTED if remembered.zero_is_unknown else PAINTED,
            "classes": NOT_PAINTED,
            "distances": PAINTED,
        }
        self.image = ComboBox(name="image", choices=self._images)
        self.segments = ComboBox(name="segments", choices=self._labels)
        self.method = ComboBox(name="method", choices=tuple(SHORT))
        self.zero = ComboBox(name="zero", choices=self._meanings)
        self.classes = LineEdit(name="classes")
        self.evenly = CheckBox(name="evenly", value=True)
        self.start = ComboBox(name="start", choices=self._starts)
        self.steps = SpinBox(name="steps", min=1, max=MOST_STEPS)
        self.crop = SpinBox(name="crop", min=1, max=LARGEST_CROP)
        self.seed = SpinBox(name="seed", min=0, max=LARGEST_SEED)
        self.weights = LineEdit(name="weights")
        for field in self.fields:
            field.tooltip = TRAINING_TOOLTIPS[field.name]
        self.classes.native.setPlaceholderText("each label is one")
        self._begin_with(remembered)
        self.propose()

    @property
    def fields(self) -> tuple[Any, ...]:
        """All fields, in the order of the form."""
        return (
            self.image, self.segments, self.method, self.zero, self.classes, self.evenly,
            self.start, self.steps, self.crop, self.seed, self.weights,
        )  # fmt: skip

    def lesson(self) -> Lesson:
        """Return what is to be learned; reads no pixel.

        Raises
        ------
        InputError
            If no image or no labels are chosen.
        """
        for field, kind in ((self.image, "image"), (self.segments, "Labels")):
            if field.value is None:
                raise InputError(
                    f"No {kind} layer is chosen, but an image and its labels are learned from; "
                    f"open or paint one."
                )
        start = self.start.value
        return Lesson(
            image=LayerSnapshot.of(self.image.value),
            labels=LayerSnapshot.of(self.segments.value),
            void=UNKNOWN if self.zero.value == NOT_PAINTED else None,
            method=self.method.value,
            start="" if start == NEW else start,
            steps=self.steps.value,
            crop=self.crop.value if self.crop_is_typed else None,
            seed=self.seed.value,
            name=self.weights.value.strip() or self._proposed,
            name_is_typed=self.name_is_typed,
            classes=self.classes.value.strip(),
            colours=self.segments.value.colormap.map,
            evenly=self.evenly.value,
        )

    @property
    def learns(self) -> Learns:
        """What is learned of the labels."""
        return SHORT[self.method.value].learns

    @property
    def name_is_typed(self) -> bool:
        """Whether the user wrote the name of the weights."""
        return self.weights.value.strip() not in ("", self._proposed)

    @property
    def crop_is_typed(self) -> bool:
        """Whether the user chose the size of crops."""
        return bool(self.crop.value != self._proposed_crop)

    @property
    def chosen_layers(self) -> list[Any]:
        """The layers that are chosen."""
        return [one.value for one in (self.image, self.segments) if one.value is not None]

    def propose(self) -> None:
        """Propose a name, and a size of crops that fits the image, unless the user chose them."""
        image, typed, crop_typed = self.image.value, self.name_is_typed, self.crop_is_typed
        short = SHORT[self.method.value]
        self.crop.step = short.multiple
        if image is not None:
            self._proposed = proposed_name(image.name, self.method.value)
            shape = tuple(map(int, image.level_shapes[0][-2:]))
            if not crop_typed or not self._proposed_crop:
                self._proposed_crop = self.crop.value = max(1, short.crop_for(shape))
        if not typed:
            self.weights.value = self._proposed

    def offer_weights(self, named: Mapping[str, Sequence[str]]) -> None:
        """Offer weights to begin with: names by method."""
        self._named = named
        self.start.reset_choices()

    def change_method(self) -> None:
        """Offer what the method that is chosen now may begin with, and what 0 means for it."""
        self._choose_start()
        if self.learns != self._learns:
            self._zeros[self._learns] = self.zero.value
            self._choose_zero()
        self.propose()

    def reset_choices(self) -> None:
        """Offer the layers that are there now."""
        for field in (self.image, self.segments):
            field.reset_choices()
        self.propose()

    def remembered(self) -> RememberedTraining:
        """Return what is to be kept for the next panel."""
        zeros = self._zeros | {self._learns: self.zero.value}
        return RememberedTraining(
            method=self.method.value,
            steps=self.steps.value,
            seed=self.seed.value,
            zero_is_unknown=zeros["segments"] == NOT_PAINTED,
        )

    def _begin_with(self, kept: RememberedTraining) -> None:
        """Choose what was chosen last, as far as it is offered."""
        if kept.method in SHORT:
            self.method.value = kept.method
        for field, value in ((self.steps, kept.steps), (self.seed, kept.seed)):
            if field.min <= value <= field.max:
                field.value = value
        self._choose_zero()
        self._choose_start()

    def _images(self, *_: Any) -> list[Image]:
        return self._of_kind(Image)

    def _labels(self, *_: Any) -> list[Labels]:
        return self._of_kind(Labels)

    def _of_kind(self, kind: type[Layer]) -> list[Any]:
        layers = [layer for layer in self._viewer.layers if isinstance(layer, kind)]
        return [layer for layer in layers if not is_preview(layer)]

    def _starts(self, *_: Any) -> list[tuple[str, str]]:
        # New ones come first: lists of magicgui add what is new at their end.
        method = self.method.value
        if self.learns == "segments":
            offered = [(f"shipped {method}", method)] if is_shipped(method) else []
        else:
            offered = [("ImageNet's", IMAGENET)]
        own = self._named.get(method if self.learns == "segments" else NETWORK, ())
        return [(NEW, NEW), *offered, *((name, name) for name in own)]

    def _meanings(self, *_: Any) -> list[tuple[str, str]]:
        known = [(ZERO[self.learns], PAINTED)]
        # Distances need the background: what is unknown has no border with an object.
        return known if self.learns == "distances" else [*known, (NOT_PAINTED, NOT_PAINTED)]

    def _choose_zero(self) -> None:
        """Choose what 0 means for what is learned now, as it was chosen last."""
        self._learns = self.learns
        self.zero.reset_choices()
        self.zero.value = self._zeros[self._learns]

    def _choose_start(self) -> None:
        """Choose the weights of the method where there are some."""
        self.start.reset_choices()
        method = self.method.value
        self.start.value = method if is_shipped(method) else NEW
