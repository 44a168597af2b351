"""Fields of a method's parameters come from its settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from napari_superpixels.models.registry import METHODS, make_method, method_class, needs_weights
from napari_superpixels.models.settings import About, Setting, setting, settings_of
from napari_superpixels.napari_ui.parameters import (
    Parameters,
    field_of,
    label_of,
    step_field,
    step_um_field,
    tooltip,
)
from napari_superpixels.napari_ui.weights_field import WeightsField

pytestmark = pytest.mark.usefixtures("qapp")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kinds:
    count: int = setting(3, About(text="A number.", low=1, high=9))
    share: float = setting(0.5, About(text="A share.", unit="um", low=0, high=1))
    fine: bool = setting(True, About(text="A choice."))
    name_of_it: str = setting("x", About(text="A name."))


def _setting(name: str) -> Setting:
    return next(one for one in settings_of(_Kinds) if one.name == name)


@pytest.mark.parametrize(
    ("name", "value"), [("count", 7), ("share", 0.25), ("fine", False), ("name_of_it", "y")]
)
def test_each_type_has_a_field_that_holds_its_values(name: str, value: Any) -> None:
    field = field_of(_setting(name))
    assert field.value == _setting(name).default
    field.value = value
    assert field.value == value
    assert type(field.value) is type(value)


@pytest.mark.parametrize("value", [0, 10, "7", None, 2.5, True])
def test_a_value_that_is_not_allowed_gives_way_to_the_default(value: Any) -> None:
    assert field_of(_setting("count"), value).value == 3


def test_a_setting_of_another_type_is_our_mistake() -> None:
    with pytest.raises(NotImplementedError, match="size"):
        field_of(Setting(name="size", default={"y": 1}, about=About(text="Two.")))


def test_a_tooltip_has_unit_and_bounds() -> None:
    assert tooltip(_setting("share").about) == "A share. (um, 0 to 1)"
    assert tooltip(_setting("fine").about) == "A choice."
    assert label_of(_setting("name_of_it")) == "Name of it"


@pytest.mark.parametrize("method", METHODS)
def test_untouched_fields_mean_the_methods_own_defaults(method: str) -> None:
    parameters = Parameters(method, {})
    assert parameters.fields
    assert parameters.values() == {}
    if not needs_weights(method):
        assert make_method(method, parameters.values()) == method_class(method)()


def test_weights_are_a_field_of_their_own() -> None:
    parameters = Parameters("scn", {})
    (field,) = parameters.fields
    assert isinstance(field, WeightsField)
    assert field.name == "weights"
    parameters.offer(["nuclei"])
    assert "nuclei" in field.list.choices
    field.value = "nuclei"
    assert parameters.values() == {"weights": "nuclei"}
    field.value = ""
    assert parameters.values() == {}


def test_a_file_can_be_begun_with(tmp_path: Path) -> None:
    path = str(tmp_path / "own.safetensors")
    assert Parameters("scn", {"weights": path}).values() == {"weights": path}
    assert Parameters("scn", {"weights": ""}).values() == {}
    assert Parameters("scn", {"weights": 7}).values() == {}


def test_what_was_changed_is_told_and_can_be_begun_with() -> None:
    parameters = Parameters("slic", {"compactness": 20.0, "iterations": 5})
    assert parameters.values() == {"compactness": 20.0, "iterations": 5}


def test_the_step_has_the_bounds_of_the_method() -> None:
    field = step_field()
    assert (field.value, field.min, field.max) == (16, 2, 118)


def test_a_number_beyond_any_field_gives_way_to_the_default() -> None:
    boundless = Setting(name="size", default=1.5, about=About(text="A size."))
    assert field_of(boundless, 1e9).value == 1.5
    assert field_of(boundless, float("nan")).value == 1.5


@pytest.mark.parametrize("um", [0.0001, 0.0016, 0.064, 8.0, 1250.5])
def test_a_step_of_any_microscope_can_be_entered(um: float) -> None:
    field = step_um_field(8.0)
    field.value = um
    assert field.value == um
    assert step_um_field(um).value == um


def test_a_step_that_is_out_of_bounds_becomes_the_nearest() -> None:
    assert step_um_field(1e9).value == 1e6
    assert step_um_field(-1.0).value == 0.0001
    field = step_um_field(0.064)
    with pytest.raises(ValueError, match="outside"):
        field.value = 0.0


def test_the_step_in_micrometers_goes_by_a_part_of_itself() -> None:
    field = step_um_field(0.064)
    field.native.stepUp()
    assert field.value == pytest.approx(0.065)
