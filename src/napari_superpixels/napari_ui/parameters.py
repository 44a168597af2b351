"""The parameters of a method as form fields, made from what its settings say of themselves."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, LineEdit, SpinBox
from magicgui.widgets.bases import ValueWidget

from napari_superpixels.models.registry import method_class
from napari_superpixels.models.settings import About, Setting, settings_of
from napari_superpixels.napari_ui.numbers_field import NumbersField
from napari_superpixels.napari_ui.weights_field import WeightsField

LARGEST = 1_000_000
"""What a field allows where the setting names no upper bound."""
STEP_UM = (0.0001, 1_000_000.0)
"""The smallest and the largest step in micrometers: pixels of an electron micrograph or a map."""
STEP_UM_DIGITS = 4
"""Digits after the point that it is shown and entered with."""
NONE = "none"
"""What a choice is called that is an empty text."""
OF_THE_FORM = frozenset({"step"})
"""Settings that the form shows itself, because they belong to every method."""

Field = ValueWidget[Any] | WeightsField


def tooltip(about: About) -> str:
    """Return the text, the unit and the bounds of a setting, as one short paragraph."""
    bounds = [f"{bound:g}" for bound in (about.low, about.high) if bound is not None]
    facts = [text for text in (about.unit, " to ".join(bounds) if len(bounds) == 2 else "") if text]
    return f"{about.text} ({', '.join(facts)})" if facts else about.text


def label_of(setting: Setting) -> str:
    """Return what a field is called on the form, e.g. ``"Min size"``."""
    return setting.name.replace("_", " ").capitalize()


def parameters_of(method: str) -> list[Setting]:
    """Return the settings that are a method's own."""
    return [one for one in settings_of(method_class(method)) if one.name not in OF_THE_FORM]


def field_of(setting: Setting, value: Any = None) -> Field:
    """Return a form field for a setting; a value that it does not allow is replaced by the default.

    Raises
    ------
    NotImplementedError
        If the setting is neither a number, nor several, nor a yes or no, nor a text.
    """
    of_type = type(setting.default)
    if of_type not in _MAKERS:
        raise NotImplementedError(f"no field for {setting.name} of type {of_type}")
    make, kind = _MAKERS[of_type]
    field = make(setting)
    field.name, field.tooltip = setting.name, tooltip(setting.about)
    if isinstance(value, kind) and value != setting.default and _offered(value, setting):
        field.value = value
    return field


class Parameters:
    """The fields of a method's own settings.

    Parameters
    ----------
    method
        Its name.
    values
        Values to begin with, by name; the defaults for those that are missing.
    """

    def __init__(self, method: str, values: Mapping[str, Any]) -> None:
        settings = parameters_of(method)
        self.method = method
        self.fields = tuple(field_of(one, values.get(one.name)) for one in settings)
        self._defaults = {one.name: field_of(one).value for one in settings}

    def values(self) -> dict[str, Any]:
        """Return the values that are not the default.

        A field shows few digits: what stands for the default is left out, so that the method takes
        it with all of them, as it does from Python and the shell.
        """
        values = {field.name: field.value for field in self.fields}
        return {name: value for name, value in values.items() if value != self._defaults[name]}

    def offer(self, names: Sequence[str]) -> None:
        """Offer weights by name, where the method takes weights."""
        for field in self.fields:
            if isinstance(field, WeightsField):
                field.offer(names)


def step_field(method: str = "slic") -> SpinBox:
    """Return the field of the step in pixels."""
    setting = next(one for one in settings_of(method_class(method)) if one.name == "step")
    field = field_of(setting)
    assert isinstance(field, SpinBox), "a step is a whole number"
    return field


def step_um_field(um: float) -> FloatSpinBox:
    """Return the field of the step in micrometers; it steps by a tenth of what it holds."""
    field = FloatSpinBox(name="step_um", step=None)
    # Before its bounds: Qt rounds these, too.
    field.native.setDecimals(STEP_UM_DIGITS)
    field.min, field.max = STEP_UM
    field.value = min(STEP_UM[1], max(STEP_UM[0], um))
    return field


def _offered(value: Any, setting: Setting) -> bool:
    """Return whether a field of a setting can hold a value."""
    if isinstance(value, bool):
        return isinstance(setting.default, bool)
    if setting.about.choices:
        return value in setting.about.choices
    if not isinstance(value, int | float):
        return True
    limits = _limits(setting)
    return bool(limits["min"] <= value <= limits["max"])


def _limits(setting: Setting) -> dict[str, Any]:
    about, kind = setting.about, type(setting.default)
    low = -LARGEST if about.low is None else about.low
    return {
        "value": setting.default,
        "min": kind(low),
        "max": kind(LARGEST if about.high is None else about.high),
    }


def _whole(setting: Setting) -> Field:
    return SpinBox(**_limits(setting))


def _real(setting: Setting) -> Field:
    return FloatSpinBox(**_limits(setting), step=0.5)


def _switch(setting: Setting) -> Field:
    return CheckBox(value=setting.default, text="")


def _text(setting: Setting) -> Field:
    about = setting.about
    if about.suffixes:
        return WeightsField(about.empty, about.suffixes)
    if about.choices:
        return ComboBox(choices=[(one or NONE, one) for one in about.choices])
    return LineEdit(value=setting.default)


def _numbers(setting: Setting) -> Field:
    field = NumbersField()
    field.value = setting.default
    return field


_MAKERS: Mapping[type, tuple[Callable[[Setting], Field], Any]] = {
    bool: (_switch, bool),
    int: (_whole, int),
    float: (_real, int | float),
    str: (_text, str),
    tuple: (_numbers, tuple | list),
}
