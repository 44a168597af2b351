"""Cards that people write beside networks of others: read, and every key of them checked.

What is wrong is told by the key alone: its value as it is written, and what it may be.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from napari_superpixels.errors import InputError
from napari_superpixels.models.outputs import COLOUR, MOST_CLASSES

CARDS = (".card.json", ".card.toml")
"""What follows the name of a file in that of its card."""
NEEDED = ("channels", "output", "stride", "halo")
CLASSES = "classes"
KNOWN = (*NEEDED, CLASSES, "normalisation", "name", "unit", "shape", "licence")
OUTPUTS = ("classes", "probabilities", "map")
TEXTS = ("name", "unit", "licence")
MEASURE, WHOLE = "measure", "whole"
"""Halos that are no number: to be found out; and none, where a network averages over all."""
LARGEST_STRIDE = 256
MOST = 2**16
"""Channels, and pixels of a halo or of a shape."""
LONGEST_SHOWN = 60
"""Characters of a value that are told."""
TOML_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$| \(at end of document\)$")
"""Where tomllib says that a text is wrong."""


class Wrong(NamedTuple):
    """A value that cannot be."""

    what: str
    """Its key."""
    value: Any
    expected: str
    """What it may be."""


def card_of(path: Path) -> Path:
    """Return the card beside a file.

    Raises
    ------
    InputError
        If there is none.
    """
    for suffix in CARDS:
        card = path.with_name(path.name + suffix)
        if card.is_file():
            return card
    raise InputError(
        f"The network '{path}' has no card {path.name}{CARDS[0]} beside it; write one that tells "
        f"{listed(NEEDED)}, and classes or a unit."
    )


def read_card(path: Path) -> dict[str, Any]:
    """Return what a card says, checked as far as the network is not needed for it.

    Raises
    ------
    InputError
        If it cannot be read, a key is missing or unknown, or a value is none of what it may be.
    """
    card = _parsed(path)
    _check_keys(path, card)
    wrong = next(filter(None, (check(card) for check in CHECKS)), None)
    if wrong:
        raise InputError(
            f"The card '{path}' tells {wrong.what} as {shown(wrong.value)}, but it must be "
            f"{wrong.expected}; repair it."
        )
    return card


def _parsed(path: Path) -> dict[str, Any]:
    """Return what a card holds, if it is an object at all."""
    kind = path.suffix[1:].upper()
    try:
        text = path.read_text("utf-8")
        card = tomllib.loads(text) if kind == "TOML" else json.loads(text)
    except OSError as error:
        raise InputError(
            f"The card '{path}' cannot be read ({error.strerror}); check who may read it."
        ) from None
    except RecursionError:
        raise InputError(
            f"The card '{path}' is nested too deeply to be read; write its keys alone."
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"The card '{path}' is no text in UTF-8 (byte {error.start}); save it as such."
        ) from None
    except ValueError as error:
        raise InputError(
            f"The card '{path}' is not valid {kind} ({_place(error, text)}); repair it there."
        ) from None
    if not isinstance(card, dict):
        raise InputError(
            f"The card '{path}' holds {shown(card)}, but it must hold one object with the keys "
            f"{listed(NEEDED)}; write it so."
        )
    return card


def _place(error: ValueError, text: str) -> str:
    """Return where a text is wrong, and why."""
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    said = str(error)
    found = TOML_PLACE.search(said)
    if found is None:
        return said
    lines = text.split("\n")
    line, column = found.groups() if found[1] else (len(lines), len(lines[-1]) + 1)
    return f"line {line}, column {column}: {said[: found.start()]}"


def _check_keys(path: Path, card: Mapping[str, Any]) -> None:
    """Refuse a card with keys that nothing reads, or without those that it needs."""
    needed = NEEDED if card.get("output") not in OUTPUTS[:2] else (*NEEDED, CLASSES)
    missing = [key for key in needed if key not in card]
    unknown = [key for key in card if key not in KNOWN]
    wrong, repair = [], []
    if missing:
        wrong.append(f"lacks {listed(missing)}")
        repair.append(f"add {listed(missing)}")
    if unknown:
        wrong.append(f"tells {listed(unknown)}, which nothing reads")
        repair.insert(0, f"remove {listed(unknown)}")
    if wrong:
        raise InputError(
            f"The card '{path}' {' and '.join(wrong)}; {' and '.join(repair)}: its keys are "
            f"{listed(KNOWN)}."
        )


def _check_output(card: Mapping[str, Any]) -> Wrong | None:
    good = card["output"] in OUTPUTS
    return None if good else Wrong("output", card["output"], _either(map(shown, OUTPUTS)))


def _check_channels(card: Mapping[str, Any]) -> Wrong | None:
    good = _is_whole(card["channels"], 1, MOST)
    return None if good else Wrong("channels", card["channels"], f"a whole number, 1 to {MOST}")


def _check_stride(card: Mapping[str, Any]) -> Wrong | None:
    good = _is_whole(card["stride"], 1, LARGEST_STRIDE)
    expected = f"a whole number of pixels, 1 to {LARGEST_STRIDE}"
    return None if good else Wrong("stride", card["stride"], expected)


def _check_halo(card: Mapping[str, Any]) -> Wrong | None:
    halo = card["halo"]
    good = halo in (MEASURE, WHOLE) or _is_whole(halo, 0, MOST)
    expected = f'a whole number of pixels, 0 to {MOST}, "{MEASURE}" or "{WHOLE}"'
    return None if good else Wrong("halo", halo, expected)


def _check_shape(card: Mapping[str, Any]) -> Wrong | None:
    shape = card.get("shape", 1)
    sides = shape if isinstance(shape, list) else [shape]
    good = len(sides) in (1, 2) and all(_is_whole(side, 1, MOST) for side in sides)
    expected = f"a whole number of pixels, 1 to {MOST}, or a list of height and width"
    return None if good else Wrong("shape", shape, expected)


def _check_classes(card: Mapping[str, Any]) -> Wrong | None:
    classes = card.get(CLASSES)
    if card["output"] == "map":
        return Wrong(CLASSES, classes, 'left out where output is "map"') if classes else None
    if not isinstance(classes, list) or not 1 <= len(classes) <= MOST_CLASSES:
        return Wrong(CLASSES, classes, f"a list of 1 to {MOST_CLASSES}, each with id, name, colour")
    found = (_wrong_class(number, one) for number, one in enumerate(classes, 1))
    wrong = next(filter(None, found), None)
    ids = [] if wrong else [one["id"] for one in classes]
    twice = [one for one in ids if ids.count(one) > 1] if len(set(ids)) < len(ids) else []
    return Wrong("the id of two classes", twice[0], "of one alone") if twice else wrong


def _wrong_class(number: int, one: Any) -> Wrong | None:
    """Return what is wrong with the class that is listed as that number."""
    if not isinstance(one, dict) or not {"id", "name", "colour"} <= one.keys():
        return Wrong(f"class {number}", one, "an object with id, name and colour")
    if not _is_whole(one["id"], 1, MOST_CLASSES):
        expected = f"a whole number, 1 to {MOST_CLASSES}"
        return Wrong(f"the id of class {number}", one["id"], expected)
    if not isinstance(one["name"], str):
        return Wrong(f"the name of class {number}", one["name"], "a text")
    if not isinstance(one["colour"], str) or not COLOUR.fullmatch(one["colour"]):
        return Wrong(f"the colour of class {number}", one["colour"], "a text such as #0072b2")
    return None


def _check_normalisation(card: Mapping[str, Any]) -> Wrong | None:
    channels, told = card["channels"], card.get("normalisation")
    if told is None and "normalisation" not in card:
        return None
    if not isinstance(told, dict) or told.keys() != {"mean", "std"}:
        return Wrong("normalisation", told, "an object with mean and std")
    many = f"one number for each of {channels} channels"
    expected = {"mean": "one number for the channel" if channels == 1 else many}
    expected["std"] = f"{expected['mean']}, none of them 0"
    for key, value in told.items():
        good = isinstance(value, list) and len(value) == channels and all(map(_is_number, value))
        if not good or (key == "std" and not all(value)):
            return Wrong(f"the {key} of normalisation", value, f"a list of {expected[key]}")
    return None


def _check_texts(card: Mapping[str, Any]) -> Wrong | None:
    wrong = [key for key in TEXTS if not isinstance(card.get(key, ""), str)]
    return Wrong(wrong[0], card[wrong[0]], "a text") if wrong else None


CHECKS: tuple[Callable[[Mapping[str, Any]], Wrong | None], ...] = (
    _check_output,
    _check_channels,
    _check_stride,
    _check_halo,
    _check_shape,
    _check_classes,
    _check_normalisation,
    _check_texts,
)
"""Each returns what is wrong with a key; the number of channels is known to be one by the third."""


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def shown(value: Any) -> str:
    """Return a value as JSON has it, on one line, and cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def listed(names: Iterable[str]) -> str:
    """Return names as a sentence lists them."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _either(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}"


def count(number: int, noun: str) -> str:
    """Return a number of things, in the singular where there is one."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'}"
