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
    assert files
    assert all(weights.read_card(path)["network"] in METHODS for path in files)
    licence = weights.SHIPPED / "LICENSE"
    named = licence.read_text("utf-8") if licence.is_file() else ""
    assert all(path.name in named for path in files)


def test_together_they_are_small() -> None:
    assert sum(path.stat().st_size for path in weights.SHIPPED.iterdir()) < 25e6


def test_one_set_learned_from_free_data_alone() -> None:
    free = [p.stem for p in weights.SHIPPED.glob("*.safetensors") if "CC0" in licence_of(p)[:4]]
    assert free == ["ssn-nuclei"]


def licence_of(path: Path) -> str:
    return str(weights.read_card(path)["licence"])


def test_learned_methods_have_weights_as_the_readme_says() -> None:
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert [name for name in METHODS if needs_weights(name)] == ["hcnet"]
    assert "are learned, and come with weights" in text
    assert "`hcnet` takes the weights of a segmentation" in text
