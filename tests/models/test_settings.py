"""Settings say what they are, once, and forms and help read it."""

from dataclasses import dataclass, replace

import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.models.registry import METHODS, make_method, method_class
from napari_superpixels.models.settings import About, setting, settings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    size: int = setting(4, About(text="How large.", unit="px", low=2, high=8))
    plain: float = 1.5
    needed: str


def test_a_declared_setting_is_a_field_with_its_default() -> None:
    assert _Made(needed="x").size == 4
    assert replace(_Made(needed="x"), size=5).size == 5


def test_settings_are_told_in_their_order_without_those_that_must_be_given() -> None:
    size, plain = settings_of(_Made)
    assert (size.name, size.default, size.about.unit, size.about.high) == ("size", 4, "px", 8)
    assert (plain.name, plain.default, plain.about.low) == ("plain", 1.5, None)


@pytest.mark.parametrize("method", METHODS)
def test_the_bounds_that_are_offered_are_allowed(method: str) -> None:
    for one in settings_of(method_class(method)):
        assert one.about.text.endswith(".")
        for bound in (one.about.low, one.about.high):
            assert bound is not None
            make_method(method, {one.name: type(one.default)(bound)})


@pytest.mark.parametrize("method", METHODS)
def test_what_lies_beyond_the_bounds_of_the_step_is_refused(method: str) -> None:
    step = next(one for one in settings_of(method_class(method)) if one.name == "step")
    assert step.about.low is not None
    assert step.about.high is not None
    for value in (step.about.low - 1, step.about.high + 1):
        with pytest.raises(InputError):
            make_method(method, {"step": int(value)})
