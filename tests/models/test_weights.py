"""Files of weights: what is written is read, and nothing else is."""

import json
from pathlib import Path

import numpy as np
import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.models import weights
from napari_superpixels.models.registry import make_method
from napari_superpixels.models.safetensors import pack, unpack
from napari_superpixels.models.weights import find, save

ARRAYS = {
    "layer.weight": np.arange(6, dtype=np.float16).reshape(2, 3),
    "layer.bias": np.array([0.5, -1.5], np.float32),
    "layer.count": np.array(7, np.int64),
    "empty": np.empty((0, 4), np.float32),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.safetensors"
    save(path, "scn", {"channels": 3}, ARRAYS, data="none", steps=0)
    return path


def test_arrays_come_back():
    found, metadata = unpack(pack(ARRAYS, {"a": "text"}))
    assert metadata == {"a": "text"}
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_the_format_is_the_published_one():
    content = pack({"a": np.array([1.0], np.float32)})
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    header = json.loads(content[8 : 8 + length])
    assert header == {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    assert content[8 + length :] == b"\x00\x00\x80\x3f"


def test_metadata_of_other_writers_is_read():
    header = (
        b'{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}'
    )
    found, metadata = unpack(len(header).to_bytes(8, "little") + header + b"\x00\x3c")
    assert (found["a"], metadata) == ([1.0], {"format": "pt"})


def with_header(header: str, size: int = 4) -> bytes:
    return len(header).to_bytes(8, "little") + header.encode() + bytes(size)


def entry(shape: str, offsets: str, name: str = "a") -> str:
    return f'"{name}": {{"dtype": "F32", "shape": {shape}, "data_offsets": {offsets}}}'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04\x95",
        (10**15).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        pack(ARRAYS)[:-1],
        pack({"a": np.zeros(3, np.float32)}).replace(b"F32", b"F99"),
        with_header('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"),
        with_header("{" + entry("[-1]", "[0, 4]") + "}"),
        with_header("{" + entry("[true]", "[0, 4]") + "}"),
        with_header("{" + entry("[2]", "[0, 4]") + "}"),
        with_header("{" + entry("[1]", "[4, 0]") + "}"),
        with_header("{" + entry("[1]", "[4, 8]") + "}", 8),
        with_header("{" + entry("[1]", "[0, 4]") + "}", 8),
        with_header("{" + entry("[1]", "[0, 4]") + ", " + entry("[1]", "[0, 4]", "b") + "}"),
    ],
)
def test_other_content_is_refused(content):
    with pytest.raises(InputError, match=r"no \.safetensors file"):
        unpack(content)


def test_the_card_names_the_network_and_the_file(file):
    card = weights.read_card(file)
    assert (card["network"], card["config"], card["data"]) == ("scn", {"channels": 3}, "none")
    found = find(str(file), "scn")
    assert found.digest == card["sha256"]
    assert found.config == {"channels": 3}
    assert found.read().keys() == ARRAYS.keys()


def edit_card(file: Path, **changes: object) -> None:
    weights.write_card(file, weights.read_card(file) | changes)


def test_the_hash_vouches_for_the_network_too(file):
    edit_card(file, config={"channels": 1})
    with pytest.raises(InputError, match="the card was altered"):
        find(str(file), "scn").read()
    edit_card(file, config={"channels": 3}, network="pcnet")
    with pytest.raises(InputError, match="the card was altered"):
        find(str(file), "pcnet").read()


def test_files_that_say_no_network_are_read_as_their_card_says(file):
    file.write_bytes(pack(ARRAYS))
    edit_card(file, sha256=weights.hashlib.sha256(file.read_bytes()).hexdigest())
    assert find(str(file), "scn").read().keys() == ARRAYS.keys()


@pytest.mark.parametrize("value", [["a", None], {"b": float("nan")}, None, float("inf")])
def test_a_config_holds_plain_values(file, value):
    card = weights.read_card(file) | {"config": {"square": value}}
    weights.write_card(file, card)
    with pytest.raises(InputError, match="of plain values"):
        find(str(file), "scn")


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_numbers_that_are_not_finite_are_refused(tmp_path, value):
    path = tmp_path / "bad.safetensors"
    save(path, "scn", {}, {"a": np.array([1, value], np.float16)})
    with pytest.raises(InputError, match="1 numbers that are not finite"):
        find(str(path), "scn").read()


def test_nothing_half_written_stays(file):
    assert sorted(p.name for p in file.parent.iterdir()) == ["mine.json", "mine.safetensors"]


def test_a_disk_that_fills_leaves_the_file_before(file, monkeypatch):
    before = file.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(file, "scn", {}, {"a": np.zeros(1, np.float32)})
    assert file.read_bytes() == before
    assert find(str(file), "scn").read().keys() == ARRAYS.keys()
    assert not list(file.parent.glob("*.partial"))


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:-1] + b"\x01"])
def test_an_altered_or_truncated_file_is_refused(file, damage):
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError, match="another SHA-256"):
        find(str(file), "scn").read()


def test_weights_of_another_network_are_refused(file):
    with pytest.raises(InputError, match="are for 'scn', not for 'ainet'"):
        find(str(file), "ainet")


PICKLES = ["net.pt", "net.pth", "net.PKL", "net.ckpt"]


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_is_refused_by_its_name(name, file):
    """What else lies in the folder is no repair of it."""
    path = file.with_name(name)
    path.touch()
    repair = r"export that network with torch.export \(.pt2\) or as TorchScript .*train scn-cpu"
    with pytest.raises(InputError, match=f"pickle, which may run any code; {repair}") as caught:
        find(str(path), "scn")
    assert file.name not in str(caught.value)


@pytest.mark.parametrize("name", [*PICKLES, "net.pt2", "net.zip", "net.h5", "net.safetensors"])
def test_a_missing_file_is_told_as_missing(name, file):
    path = file.with_name(name)
    with pytest.raises(InputError) as caught:
        find(str(path), "scn")
    assert str(caught.value) == f"There are no weights '{path}'; check the name of the file."


def test_a_folder_names_the_weights_that_lie_there(file):
    folder = file.parent
    with pytest.raises(InputError, match=f"are a folder; give '{file}'"):
        find(str(folder), "scn")
    (folder / "other.safetensors").touch()
    with pytest.raises(InputError, match=r"are a folder; give a \.safetensors file"):
        find(str(folder), "scn")


def test_a_relative_path_becomes_an_absolute_one(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    assert find(file.name, "scn").path == str(file)


@pytest.mark.parametrize("name", ["nothing-here", "../scn", "/nowhere/scn"])
def test_a_method_without_weights_says_how_to_get_some(name):
    with pytest.raises(InputError, match=r"no weights .*train scn"):
        find(name, "scn")


def test_a_missing_file_and_a_missing_card_are_told_apart(file):
    with pytest.raises(InputError, match="check the name of the file"):
        find(str(file.with_name("other.safetensors")), "scn")
    weights.card_of(file).unlink()
    with pytest.raises(InputError, match=r"no card mine.json"):
        find(str(file), "scn")


@pytest.mark.parametrize("card", ["", "[]", '{"network": "scn"}', '{"network": 1, "sha256": ""}'])
def test_a_broken_card_is_refused(file, card):
    weights.card_of(file).write_text(card)
    with pytest.raises(InputError, match="no card"):
        find(str(file), "scn")


def test_a_file_that_vanished_says_so(file):
    found = find(str(file), "scn")
    file.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        found.read()


@pytest.mark.parametrize(
    "path", sorted(weights.SHIPPED.glob("*.safetensors")), ids=lambda p: p.stem
)
def test_shipped_weights_are_whole_small_and_fit_their_network(path):
    from napari_superpixels.models.learned import load

    card = weights.read_card(path)
    found = find(path.stem, card["network"])
    load(found)
    assert {array.dtype for array in found.read().values()} <= {np.dtype("f2"), np.dtype("i8")}
    assert {"data", "licence", "recipe", "seed", "steps", "hardware", "scores"} <= card.keys()


def test_weights_for_a_method_without_any_name_the_method_they_are_for(file):
    with pytest.raises(
        InputError, match=r"slic takes no weights.*choose 'scn', which they are for"
    ):
        make_method("slic", {"weights": str(file)})
    with pytest.raises(InputError, match="choose the learned method that they are for"):
        make_method("slic", {"weights": "mine"})


def test_what_a_method_fills_in_is_no_parameter(file):
    with pytest.raises(InputError, match=r"no parameter 'compactness'.* are step, weights\.$"):
        make_method("scn", {"weights": str(file), "compactness": 3})
