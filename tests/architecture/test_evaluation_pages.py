"""What pages say of the shell, of measures and of weights is what there is."""

import re
from pathlib import Path

import typer

from napari_superpixels.cli import app
from napari_superpixels.evaluation.comparison import TITLES
from napari_superpixels.evaluation.report import EXPLAINED

ROOT = Path(__file__).resolve().parents[2]
OPTION = re.compile(r"--[a-z][a-z-]+")


def _documented() -> dict[str, set[str]]:
    """Options by command, as the table of the page has them."""
    found: dict[str, set[str]] = {}
    text = (ROOT / "docs/reference/shell.md").read_text("utf-8")
    for options, commands in re.findall(r"^\| (`-[^|]*) \| ([^|]*) \|", text, re.M):
        for command in commands.split(","):
            found.setdefault(command.strip(), set()).update(OPTION.findall(options))
    return found


def _parsed() -> dict[str, set[str]]:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return {
        name: {
            option
            for parameter in command.params
            for option in (*parameter.opts, *parameter.secondary_opts)
            if option.startswith("--") and option != "--help"
        }
        for name, command in group.commands.items()
    }


def test_the_page_on_the_shell_has_the_options_of_the_parser() -> None:
    documented, parsed = _documented(), _parsed()
    for name in (
        "run",
        "resume",
        "finish",
        "export",
        "plan",
        "info",
        "train",
        "evaluate",
        "instances",
    ):
        known = parsed[name] - {"--json"}
        said = documented.get(name, set()) & parsed[name] - {"--json"}
        assert said == known, name
        assert documented.get(name, set()) <= parsed[name], name


def test_the_page_on_objects_names_the_options_that_it_alone_explains() -> None:
    parsed, page = _parsed(), (ROOT / "docs/how-to/instances.md").read_text("utf-8")
    own = parsed["instances"] - parsed["run"] - parsed["train"]
    assert {"--connectivity", "--largest-px"} <= own
    assert own <= set(OPTION.findall(page))


def test_the_pages_on_training_can_be_followed_in_one_folder() -> None:
    made = [
        set(re.findall(r'folder = Path\("(\w+)"\)|--out (\w+)', page.read_text("utf-8")))
        for page in (ROOT / "docs/how-to/train.md", ROOT / "docs/how-to/train-segmentation.md")
    ]
    assert all(len(names) > 2 for names in made)
    assert not made[0] & made[1]


def test_every_column_of_the_table_is_explained_twice() -> None:
    page = (ROOT / "docs/concepts/measures.md").read_text("utf-8")
    for title in TITLES:
        assert f"| {title} |" in page
        assert re.search(rf"\b{title}\b", EXPLAINED)


def test_a_page_that_promises_exactness_names_its_exception() -> None:
    for name in ("README.md", "docs/index.md", "docs/reference/shell.md"):
        assert "exactness.md#learned-methods" in (ROOT / name).read_text("utf-8")


def test_every_how_to_is_in_the_index() -> None:
    index = (ROOT / "docs/index.md").read_text("utf-8")
    for folder in ("how-to", "concepts", "reference"):
        for path in (ROOT / "docs" / folder).glob("*.md"):
            assert f"({folder}/{path.name})" in index
