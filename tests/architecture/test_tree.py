"""Rules about the files themselves: small modules, docstrings, nothing of one machine."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "napari_superpixels"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path.stat().st_size)
LONGEST = 400

# Put together from pieces, so that this file passes its own test.
FOLDERS = re.compile(r"(?<![\w.~-])/(?:work|root|home|Users)/\w")
HOSTS = re.compile(
    "|".join(["py" + "pi", "python" + "hosted", "download." + "pytorch", "--index-" + "url"])
)
BUILD_FILES = ["Makefile", "pyproject.toml", ".ci/run", ".ci/need", ".ci/display"]


def _files_of_the_tree() -> list[Path]:
    """The files that git knows or would add; without git, all but hidden and built ones."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        built = {"out", "site", "build", "dist", "__pycache__"}
        names = [p.relative_to(ROOT) for p in ROOT.rglob("*")]
        names = [n for n in names if not any(s.startswith(".v") or s in built for s in n.parts)]
    else:
        names = [Path(name) for name in listed.stdout.split("\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def _texts() -> Iterator[tuple[Path, str]]:
    for path in _files_of_the_tree():
        content = path.read_bytes()
        if b"\0" not in content[:4096]:
            yield path.relative_to(ROOT), content.decode("utf-8")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_module_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST, "split it by subject"


def test_no_file_names_a_folder_of_one_machine() -> None:
    found = [f"{path}: {match[0]}" for path, text in _texts() for match in FOLDERS.finditer(text)]
    assert not found


def test_no_file_names_a_package_host() -> None:
    found = [f"{path}: {match[0]}" for path, text in _texts() for match in HOSTS.finditer(text)]
    assert not found


@pytest.mark.parametrize(
    "name", [*BUILD_FILES, *(f"constraints/{p.name}" for p in (ROOT / "constraints").iterdir())]
)
def test_building_names_no_address(name: str) -> None:
    assert "://" not in (ROOT / name).read_text("utf-8")


def _is_stub(node: ast.FunctionDef) -> bool:
    """Whether a protocol only names it."""
    body = node.body[0]
    return isinstance(body, ast.Expr) and getattr(body.value, "value", None) is Ellipsis


def _public_nodes(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                members = [m for m in node.body if isinstance(m, ast.FunctionDef)]
                yield from (m for m in members if not m.name.startswith("_") and not _is_stub(m))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_what_is_public_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), f"{path.name} does not say what it is for"
    bare = [node.name for node in _public_nodes(tree) if not ast.get_docstring(node)]
    assert not bare


def test_the_manifest_at_the_top_is_the_one_in_the_package() -> None:
    inside = PACKAGE / "napari.yaml"
    assert (ROOT / "napari.yaml").resolve() == inside.resolve()
