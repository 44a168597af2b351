"""What is said of methods and their weights is what there is."""

import re
from pathlib import Path

from napari_superpixels.models import weights
from napari_superpixels.models.registry import METHODS, needs_weights

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `(\w+)` \|[^|]*\| (yes|no) \|(?: (yes|no))? \|$", re.M)


def test_the_page_on_methods_has_them_all_and_their_weights() -> None:
    rows = ROW.findall((ROOT / "docs/concepts/methods.md").read_text("utf-8"))
    assert {name for name, _, _ in rows} == set(METHODS)
    for name, learned, shipped in rows:
        assert (learned == "yes") == (shipped != "")
        assert (shipped == "no") == needs_weights(name)


def test_shipped_weights_have_a_card_a_method_and_a_licence() -> None:
    files = sorted(weights.SHIPPED.glob("*.safetensors"))
    assert all(path.stem in METHODS and weights.card_of(path).is_file() for path in files)
    licence = weights.SHIPPED / "LICENSE"
    named = licence.read_text("utf-8") if licence.is_file() else ""
    assert all(path.name in named for path in files)


def test_the_readme_names_the_weights_that_are_there() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    claimed = {name for name in METHODS if f"`{name}` comes with weights" in text}
    assert claimed == {path.stem for path in weights.SHIPPED.glob("*.safetensors")}
