"""Dependencies are few, pinned for the suite, and each has a reason that a person can read."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PINS = (ROOT / "constraints" / "py311.txt").read_text("utf-8").splitlines()


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def _required() -> set[str]:
    extras = [r for some in PROJECT["optional-dependencies"].values() for r in some]
    return {_name(r) for r in [*PROJECT["dependencies"], *extras]} - {PROJECT["name"]}


def test_every_pin_is_a_name_and_a_version() -> None:
    assert [pin for pin in PINS if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", pin)] == []


def test_every_dependency_is_pinned() -> None:
    assert _required() - {_name(pin) for pin in PINS} == set()


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    explained = {_name(name) for name in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)}
    assert _required() - explained == set()


def test_the_base_binds_no_qt() -> None:
    bindings = {"pyqt5", "pyqt6", "pyside2", "pyside6"}
    base = PROJECT["dependencies"]
    assert not bindings & {_name(r) for r in base}
    assert not [r for r in base if r.lower().startswith("napari[")]
