"""Cards of networks of others: the sentence for each thing that can be wrong in one."""

import json

import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.models.foreign_card import count, listed, read_card, shown

CLASS = {"id": 1, "name": "a", "colour": "#0072b2"}
CARD = {
    "channels": 2,
    "normalisation": {"mean": [0, 0.5], "std": [1, 0.5]},
    "output": "classes",
    "classes": [CLASS],
    "stride": 2,
    "halo": "measure",
}
KEYS = "channels, output, stride, halo, classes, normalisation, name, unit, shape and licence"
EACH = "one number for each of 2 channels"


def said(path):
    """Return what is said of a card, after its name."""
    with pytest.raises(InputError) as caught:
        read_card(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"The card '{path}' ")


@pytest.fixture
def written(tmp_path):
    def write(**changes):
        path = tmp_path / "net.pt2.card.json"
        told = {key: value for key, value in (CARD | changes).items() if value is not ...}
        path.write_text(json.dumps(told), "utf-8")
        return path

    return write


def test_a_good_card_is_what_it_says(written):
    assert read_card(written()) == CARD
    told = read_card(written(normalisation=..., shape=[64, 64], halo=3, licence="MIT"))
    assert (told["shape"], told["halo"]) == ([64, 64], 3)
    assert read_card(written(output="map", classes=..., unit="um"))["unit"] == "um"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.json", "{", "not valid JSON (line 1, column 2: Expecting property name enclosed"),
        ("a.json", '{\n "stride": 2,,\n}', "not valid JSON (line 2, column 14: "),
        ("a.json", "", "not valid JSON (line 1, column 1: Expecting value)"),
        ("a.toml", "stride = 2\nhalo = \n", "not valid TOML (line 2, column 8: Invalid value)"),
        ("a.toml", "stride = 2\nclasses = [", "not valid TOML (line 2, column 12: "),
    ],
)
def test_what_is_no_json_or_toml_says_where(tmp_path, name, text, told):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    assert said(path).startswith(f"is {told}")
    assert said(path).endswith("); repair it there.")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"name": "\xff"}', "is no text in UTF-8 (byte 10); save it as such."),
        (b"[" * 100_000, "is nested too deeply to be read; write its keys alone."),
        (b'["a"]', 'holds ["a"], but it must hold one object with the keys channels, output, '),
    ],
)
def test_what_holds_no_keys_is_told(tmp_path, content, told):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert said(path).startswith(told)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"halos": 3}, "tells halos, which nothing reads; remove halos"),
        ({"a": 1, "b": 2}, "tells a and b, which nothing reads; remove a and b"),
        ({"stride": ...}, "lacks stride; add stride"),
        ({"stride": ..., "halo": ...}, "lacks stride and halo; add stride and halo"),
        ({"classes": ...}, "lacks classes; add classes"),
        (
            {"halo": ..., "halos": 3},
            "lacks halo and tells halos, which nothing reads; remove halos and add halo",
        ),
    ],
)
def test_keys_are_named(written, changes, told):
    assert said(written(**changes)) == f"{told}: its keys are {KEYS}."


PIXELS = "a whole number of pixels"
VALUES = [
    ({"output": "superpixels"}, 'output as "superpixels"', '"classes", "probabilities" or "map"'),
    ({"output": ["map"]}, 'output as ["map"]', '"classes", "probabilities" or "map"'),
    ({"channels": 0}, "channels as 0", "a whole number, 1 to 65536"),
    ({"channels": True}, "channels as true", "a whole number, 1 to 65536"),
    ({"stride": 2.0}, "stride as 2.0", f"{PIXELS}, 1 to 256"),
    ({"halo": None}, "halo as null", f'{PIXELS}, 0 to 65536, "measure" or "whole"'),
    ({"halo": [3]}, "halo as [3]", f'{PIXELS}, 0 to 65536, "measure" or "whole"'),
    ({"shape": []}, "shape as []", f"{PIXELS}, 1 to 65536, or a list of height and width"),
    ({"classes": []}, "classes as []", "a list of 1 to 65535, each with id, name, colour"),
    ({"output": "map"}, f"classes as {shown([CLASS])}", 'left out where output is "map"'),
    ({"classes": [{"id": 1}]}, 'class 1 as {"id": 1}', "an object with id, name and colour"),
    ({"classes": [CLASS | {"id": 0}]}, "the id of class 1 as 0", "a whole number, 1 to 65535"),
    ({"classes": [CLASS, CLASS]}, "the id of two classes as 1", "of one alone"),
    ({"classes": [CLASS | {"name": 3}]}, "the name of class 1 as 3", "a text"),
    (
        {"classes": [CLASS, CLASS | {"id": 2, "colour": "red"}]},
        'the colour of class 2 as "red"',
        "a text such as #0072b2",
    ),
    ({"normalisation": [1]}, "normalisation as [1]", "an object with mean and std"),
    ({"normalisation": {"mean": [0, 0]}}, "normalisation as {", "an object with mean and std"),
    (
        {"normalisation": {"mean": [0.5], "std": [1, 1]}},
        "the mean of normalisation as [0.5]",
        f"a list of {EACH}",
    ),
    (
        {"normalisation": {"mean": [0, 0], "std": [1, 0]}},
        "the std of normalisation as [1, 0]",
        f"a list of {EACH}, none of them 0",
    ),
    (
        {"normalisation": {"mean": [0, float("nan")], "std": [1, 1]}},
        "the mean of normalisation as [0, NaN]",
        f"a list of {EACH}",
    ),
    ({"licence": None}, "licence as null", "a text"),
]


@pytest.mark.parametrize(("changes", "value", "expected"), VALUES)
def test_a_value_is_told_alone_with_what_it_may_be(written, changes, value, expected):
    told = said(written(**changes))
    assert told.startswith(f"tells {value}")
    assert told.endswith(f", but it must be {expected}; repair it.")


def test_a_long_value_is_cut():
    assert shown(list(range(100))) == shown(list(range(100)))[:60] + "..."
    assert shown({"a": None, "b": True}) == '{"a": null, "b": true}'


def test_numbers_and_names_are_those_of_a_sentence():
    assert [count(n, "class") for n in (1, 2)] == ["1 class", "2 classes"]
    assert [count(n, "channel") for n in (1, 2)] == ["1 channel", "2 channels"]
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]
