"""Settings say what they are, once, and forms and help read it."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.models import weights
from napari_superpixels.models.registry import METHODS, make_method, method_class, needs_weights
from napari_superpixels.models.settings import About, filled_in, setting, settings_of
from napari_superpixels.testing.weights import write_random_segmentation, write_random_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    size: int = setting(4, About(text="How large.", unit="px", low=2, high=8))
    plain: float = 1.5
    needed: str
    found: str = filled_in("")


def test_a_declared_setting_is_a_field_with_its_default() -> None:
    assert _Made(needed="x").size == 4
    assert replace(_Made(needed="x"), size=5).size == 5


def test_settings_are_told_in_their_order_without_those_that_must_be_given() -> None:
    size, plain = settings_of(_Made)
    assert (size.name, size.default, size.about.unit, size.about.high) == ("size", 4, "px", 8)
    assert (plain.name, plain.default, plain.about.low) == ("plain", 1.5, None)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """Return what a method cannot be made without: weights, of those that have none."""

    def of(method: str) -> dict[str, str]:
        if not needs_weights(method):
            return {}
        folder = tmp_path_factory.mktemp(method)
        if method == "hcnet":
            return {"weights": str(write_random_segmentation(folder, backbone={"level": 4}))}
        return {"weights": str(write_random_weights(folder, method))}

    return of


@pytest.mark.parametrize("method", METHODS)
def test_the_bounds_that_are_offered_are_allowed(
    method: str, given: Callable[[str], dict[str, str]]
) -> None:
    needed = given(method)
    for one in settings_of(method_class(method)):
        assert one.about.text.endswith(".")
        if isinstance(one.default, str):
            continue
        for bound in (one.about.low, one.about.high):
            assert bound is not None
            make_method(method, needed | {one.name: type(one.default)(bound)})


@pytest.mark.parametrize("method", METHODS)
def test_every_setting_is_told_but_what_weights_fill_in(method: str) -> None:
    told = {one.name: one for one in settings_of(method_class(method))}
    names = {field.name for field in fields(method_class(method))}
    assert names - set(told) == names & {"digest", "config"}
    assert "weights" not in told or told["weights"].about.suffixes[0] == ".safetensors"
    assert all(one.about.text != f"{name}." for name, one in told.items()), "declared with About"


def test_methods_need_weights_where_none_are_shipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    learned = {"ainet", "hcnet", "hcssn", "pcnet", "scn", "ssn"}
    assert {name for name in METHODS if needs_weights(name)} == learned
    write_random_weights(tmp_path, "scn").rename(tmp_path / "scn.safetensors")
    assert {name for name in METHODS if needs_weights(name)} == learned - {"scn"}
    with pytest.raises(InputError, match="no method 'sci'"):
        needs_weights("sci")


@pytest.mark.parametrize("method", METHODS)
def test_what_lies_beyond_the_bounds_of_the_step_is_refused(method: str) -> None:
    step = next(one for one in settings_of(method_class(method)) if one.name == "step")
    assert step.about.low is not None
    assert step.about.high is not None
    for value in (step.about.low - 1, step.about.high + 1):
        with pytest.raises(InputError):
            make_method(method, {"step": int(value)})
