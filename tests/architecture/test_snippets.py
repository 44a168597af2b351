"""The README, the documentation and the examples do what they say.

Each page runs as one session in an empty folder where `examples/` and `src/` are links. Python
blocks share their names from top to bottom; of shell blocks the lines that call the command run.
A block that cannot run anywhere (another machine's paths, a cluster) is fenced as `text`.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
FENCE = re.compile(r"^( *)```(\w+)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
COMMAND = "napari-superpixels"
MAIN = "from napari_superpixels.cli import main; main()"


def _blocks(page: Path) -> list[tuple[str, str]]:
    found = FENCE.findall(page.read_text("utf-8"))
    return [
        (language, re.sub(f"^{indent}", "", code, flags=re.M)) for indent, language, code in found
    ]


def _commands(code: str) -> list[list[str]]:
    lines = code.replace("\\\n", " ").splitlines()
    words = [shlex.split(line.removeprefix("$ "), comments=True) for line in lines]
    return [some[1:] for some in words if some[:1] == [COMMAND]]


def _scripts(page: Path) -> list[list[str]]:
    """The interpreter's arguments for each block; consecutive Python blocks are one script."""
    python = "\n".join(code for language, code in _blocks(page) if language == "python")
    shell = [code for language, code in _blocks(page) if language in {"sh", "console", "bash"}]
    commands = [["-c", MAIN, *words] for code in shell for words in _commands(code)]
    return ([["-c", python]] if python else []) + commands


def _run(arguments: list[str], folder: Path) -> None:
    command = [sys.executable, "-W", "error::UserWarning", *arguments]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder in which `examples/` and `src/` are those of the repository."""
    for name in ("examples", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if _scripts(page)],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_page_runs_from_top_to_bottom(page: Path, folder: Path) -> None:
    for arguments in _scripts(page):
        _run(arguments, folder)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(example: Path, folder: Path) -> None:
    _run([str(example), "made"], folder)
    assert list((folder / "made").iterdir()), "the example wrote nothing"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short(example: Path) -> None:
    lines = [line for line in example.read_text("utf-8").splitlines() if line.strip()]
    assert 8 <= len(lines) <= 40


def test_the_readme_shows_python_and_shell() -> None:
    scripts = _scripts(ROOT / "README.md")
    assert len(scripts) >= 2
    assert any(COMMAND in page.read_text("utf-8") for page in PAGES)
