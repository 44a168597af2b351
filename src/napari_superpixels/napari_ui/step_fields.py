"""The step as a person enters it, in pixels or micrometers; or nothing, where there is none."""

from typing import Any

from magicgui.widgets import ComboBox

from napari_superpixels.napari_ui.parameters import step_field, step_um_field
from napari_superpixels.napari_ui.remembered import Remembered
from napari_superpixels.napari_ui.wording import step_text

UNITS = [("px", "px"), ("µm", "um")]


class NoStep:
    """What a form has of methods whose cells nobody chooses: no fields.

    Parameters
    ----------
    remembered
        What fields begin with.
    """

    fields: tuple[Any, ...] = ()
    """The fields, in the order of the form."""

    def __init__(self, remembered: Remembered) -> None:
        del remembered

    @property
    def in_um(self) -> bool:
        """Whether the step is in micrometers."""
        return False

    def settings(self) -> dict[str, Any]:
        """Return the settings that the fields give a method."""
        return {}

    @property
    def text(self) -> str:
        """The step with its unit; empty where there is none."""
        return ""

    def remembered(self) -> dict[str, Any]:
        """Return what is to be kept for the next widget."""
        return {}

    def show_unit(self) -> None:
        """Show the field that counts."""


class StepFields(NoStep):
    """Fields of the step: ``step`` (px), ``step_um`` (micrometers), and which ``unit`` counts."""

    def __init__(self, remembered: Remembered) -> None:
        self.step = step_field()
        self.step_um = step_um_field(remembered.step_um)
        self.unit = ComboBox(name="unit", choices=UNITS)
        self.fields = (self.step, self.step_um, self.unit)
        if self.step.min <= remembered.step_px <= self.step.max:
            self.step.value = remembered.step_px
        if remembered.unit in dict(UNITS).values():
            self.unit.value = remembered.unit

    @property
    def in_um(self) -> bool:
        """Whether the step is in micrometers."""
        return bool(self.unit.value == "um")

    def settings(self) -> dict[str, Any]:
        """Return the step in pixels or in micrometers."""
        return {"step_um": self.step_um.value} if self.in_um else {"step": self.step.value}

    @property
    def text(self) -> str:
        """The step with its unit."""
        return step_text(self.settings())

    def remembered(self) -> dict[str, Any]:
        """Return both numbers and the unit."""
        numbers = {"step_px": self.step.value, "step_um": self.step_um.value}
        return numbers | {"unit": self.unit.value}

    def show_unit(self) -> None:
        """Show the field of the unit that is chosen."""
        self.step.native.setVisible(not self.in_um)
        self.step_um.native.setVisible(self.in_um)
