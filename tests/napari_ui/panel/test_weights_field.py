"""The field of weights, and how those of the user's own come into it."""

from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt
from qtpy.QtGui import QDropEvent

from napari_superpixels.models import weights
from napari_superpixels.napari_ui.named_weights import NamedWeights
from napari_superpixels.napari_ui.weights_field import FILE, WeightsField
from napari_superpixels.testing.weights import write_random_weights


@pytest.fixture
def field(qapp: Any) -> WeightsField:
    return WeightsField("standard", (".safetensors", ".pt2"))


def _texts(field: WeightsField) -> list[str]:
    return [field.list.native.itemText(number) for number in range(field.list.native.count())]


def test_at_first_it_means_those_of_the_method(field: WeightsField) -> None:
    assert field.value == ""
    assert _texts(field) == ["standard", "a file"]
    assert not field.file.visible


@pytest.mark.parametrize("text", ["nuclei", "scn", ""])
def test_it_holds_names(field: WeightsField, text: str) -> None:
    field.value = text
    assert field.value == field.list.value == text


@pytest.mark.parametrize("text", ["a/b.safetensors", "c.safetensors", "unet.pt2", "UNET.PT2"])
def test_it_holds_files(field: WeightsField, text: str) -> None:
    field.value = text
    assert field.value == str(Path(text).absolute())
    assert field.list.value == FILE
    field.value = ""
    assert field.value == ""


def test_a_home_is_spelled_out(field: WeightsField) -> None:
    field.value = "~/b.safetensors"
    assert field.value == str(Path.home() / "b.safetensors")


def test_a_file_that_is_dropped_is_its_path(field: WeightsField, tmp_path: Path) -> None:
    field.value = "b.pt2"
    mime = QMimeData()
    mime.setText((tmp_path / "a b.pt2").as_uri())
    line = field.file.line_edit.native
    line.clear()
    moves = (Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton)
    line.dropEvent(QDropEvent(QPointF(3, 3), *moves, Qt.KeyboardModifier.NoModifier))
    assert field.value == str(tmp_path / "a b.pt2")


def test_what_is_chosen_stays_when_others_are_offered(field: WeightsField) -> None:
    field.offer(["nuclei", "glands"])
    field.value = "nuclei"
    field.offer(["glands"])
    assert field.value == "nuclei"
    field.offer(["glands", "nuclei", "new"])
    assert field.value == "nuclei"
    assert set(_texts(field)) == {"standard", "a file", "nuclei", "glands", "new"}


def test_a_change_is_told(field: WeightsField) -> None:
    told: list[str] = []
    field.changed.connect(lambda _: told.append(field.value))
    field.value = "nuclei"
    field.value = "b.safetensors"
    assert "nuclei" in told
    assert told[-1] == str(Path("b.safetensors").absolute())


def test_named_weights_are_told_at_first_and_when_they_come_and_go(
    qapp: Any, own: Path, until: Any, no_threads: Any
) -> None:
    own.mkdir()
    first = write_random_weights(own, "scn", 1)
    told: list[dict[str, list[str]]] = []
    watched = NamedWeights(told.append)
    until(lambda: told and told[-1]["scn"] == ["scn-1"])
    write_random_weights(own, "scn", 2)
    until(lambda: told[-1]["scn"] == ["scn-1", "scn-2"])
    first.unlink()
    weights.card_of(first).unlink()
    until(lambda: told[-1]["scn"] == ["scn-2"])
    watched.drop()


def test_after_it_was_dropped_nobody_is_told(
    qapp: Any, own: Path, until: Any, no_threads: Any
) -> None:
    told: list[dict[str, list[str]]] = []
    watched = NamedWeights(told.append)
    until(lambda: told and not watched.looking)
    watched.drop()
    told.clear()
    write_random_weights(own, "scn")
    no_threads()
    assert told == []


def test_a_folder_that_cannot_be_made_offers_none(
    qapp: Any, own: Path, until: Any, no_threads: Any
) -> None:
    own.write_text("in the way")
    told: list[Any] = []
    watched = NamedWeights(told.append)
    until(lambda: not watched.looking)
    assert told == []
