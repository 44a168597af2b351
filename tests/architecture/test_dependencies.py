"""Dependencies are few, pinned for the suite, and each has a reason that a person can read."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DISTRIBUTIONS = {
    "bioimageio": "bioimageio.core",
    "cv2": "opencv-contrib-python-headless",
    "PIL": "pillow",
    "skimage": "scikit-image",
}
"""Distributions that do not bear the name of their module."""
CARRIED = {"fast-slic", "llvmlite", "npe2", "pillow", "triton"}
"""fast-slic has no wheels and is optional; numba, napari, scikit-image and, where it computes on
graphics cards, torch bring the others."""
PINS = (ROOT / "constraints" / "py311.txt").read_text("utf-8").splitlines()


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def _base() -> set[str]:
    return {_name(requirement) for requirement in PROJECT["dependencies"]}


def _extra(*names: str) -> set[str]:
    extras = PROJECT["optional-dependencies"]
    return {_name(requirement) for name in names for requirement in extras[name]}


def _required() -> set[str]:
    return (_base() | _extra(*PROJECT["optional-dependencies"])) - {PROJECT["name"]}


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _third_party(folder: str) -> set[str]:
    files = sorted((ROOT / folder).rglob("*.py"))
    modules = {name for path in files for name in _imported(path)}
    beside = {path.stem for path in files if folder == "benchmarks"}  # scripts import one another
    others = modules - set(sys.stdlib_module_names) - {"napari_superpixels"} - beside
    return {DISTRIBUTIONS.get(module, _name(module)) for module in others}


@pytest.mark.parametrize("folder", ["examples", "tests", "benchmarks"])
def test_every_import_is_declared(folder: str) -> None:
    assert _third_party(folder) - _required() - CARRIED == set()


def test_what_the_package_imports_is_in_the_base_or_an_extra_of_its_room() -> None:
    of_tests = {"hypothesis", "pytest"}  # `testing` is imported by tests alone
    declared = _base() | _extra("cluster", "bioimageio", "train", "bench") | of_tests
    assert _third_party("src") - declared - CARRIED == set()


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
    assert not bindings & _base()
    assert not [r for r in PROJECT["dependencies"] if r.lower().startswith("napari[")]
