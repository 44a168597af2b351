"""The field of several numbers."""

from typing import Any

import pytest

from napari_superpixels.models.segment import SCALES, Segment
from napari_superpixels.models.settings import Setting, settings_of
from napari_superpixels.napari_ui.numbers_field import NumbersField
from napari_superpixels.napari_ui.parameters import Parameters, field_of

pytestmark = pytest.mark.usefixtures("qapp")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", (1.0,)), ("0.5, 1,1.5", (0.5, 1.0, 1.5)), ("", ()), ("half", "half"), ("1,", (1.0,))],
)
def test_a_line_is_numbers_or_stays_a_text(text: str, value: Any) -> None:
    field = NumbersField()
    field.native.setText(text)
    assert field.value == value


@pytest.mark.parametrize("value", [(0.5, 1.0), [0.5, 1.0]])
def test_it_shows_what_was_chosen_also_from_a_file_of_settings(value: Any) -> None:
    field = field_of(Setting(name="scales", default=(1.0,), about=SCALES), value)
    assert field.native.text() == "0.5, 1"
    assert field.value == (0.5, 1.0)


def test_the_parameters_of_segment_begin_with_its_defaults() -> None:
    parameters = Parameters("segment", {})
    assert parameters.values() == {}
    found = {field.name: field.value for field in parameters.fields}
    assert found == {one.name: one.default for one in settings_of(Segment)}
    weights = parameters.fields[0].list.native
    assert [weights.itemText(number) for number in range(2)] == ["none", "a file"]


def test_axes_to_mirror_are_a_list() -> None:
    values = {"flips": "yx", "probabilities": True}
    assert Parameters("segment", values).values() == values
    assert Parameters("segment", {"flips": "z"}).values() == {}
