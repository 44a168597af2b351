"""Which numbers of a label image mean which class.

>>> from napari_superpixels.training.classes import parsed
>>> classes = parsed("membrane=0-128,glia=159,cell=*", ignored="255")
>>> [one.name for one in classes.known]
['membrane', 'glia', 'cell']
>>> classes.ids(np.array([[7, 159, 200, 255]])).tolist()
[[1, 2, 3, 0]]
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.tiling import Box
from napari_superpixels.training.matching import several
from napari_superpixels.training.pairs import Annotation, Pair

UNKNOWN = 0
"""The id of pixels of which no class is known; classes are numbered from 1."""
MOST_CLASSES = 65_535
"""Ids are 16 bits wide at most."""
PALETTE = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#f0e442",
    "#999999",
)
"""Colours of classes that were given none: Okabe and Ito's, for colour-blind people too."""
REST = "*"
"""Stands for every number that nothing else names."""

Values = tuple[tuple[int, int], ...]
"""Numbers of a label image, as first and last of each range."""

_CLASS = re.compile(r"\s*([^=#,]+?)\s*(#[^=]*?)?\s*=\s*([^=]+?)\s*")
_VALUES = re.compile(r"(-?\d+)(?:-(\d+))?")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class LabelClass:
    """One class."""

    name: str
    values: Values
    """Numbers that mean it; none where it is all the rest."""
    colour: str
    """``#rrggbb``."""

    def __str__(self) -> str:
        """Return name and values as the user writes them: ``glia=159+200-210``."""
        told = [f"{first}" if first == last else f"{first}-{last}" for first, last in self.values]
        return f"{self.name}={'+'.join(told) or REST}"


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of an annotation, numbered from 1 in this order."""

    known: tuple[LabelClass, ...]
    ignored: Values = ()
    """Numbers that mean that nobody knows."""
    ignores_rest: bool = False
    """Whether numbers that nothing names mean that too; otherwise they are an error."""

    def __post_init__(self) -> None:
        """Refuse what is no such list."""
        _check(self)

    def __len__(self) -> int:
        """Return the number of classes."""
        return len(self.known)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in the order of ids."""
        return tuple(one.name for one in self.known)

    def listed(self) -> list[dict[str, Any]]:
        """Return them as a file of weights names them."""
        return [
            {"id": number, "name": one.name, "colour": one.colour}
            for number, one in enumerate(self.known, start=1)
        ]

    def ids(self, values: NDArray[np.integer[Any]], where: str = "the labels") -> NDArray[np.int64]:
        """Return the id of the class of every pixel, `UNKNOWN` where it is ignored.

        Parameters
        ----------
        values
            Of the label image, any shape.
        where
            Whose they are, for the message.

        Raises
        ------
        InputError
            If a number means nothing.
        """
        found, places = np.unique(values, return_inverse=True)
        named = np.array([self._id(int(value)) for value in found], np.int64)
        if (named < UNKNOWN).any():
            raise InputError(self._complaint(found[named < UNKNOWN].tolist(), where))
        ids: NDArray[np.int64] = named[places.reshape(values.shape)]
        return ids

    def _id(self, value: int) -> int:
        """Return the id of a number, -1 where there is none."""
        if _among(value, self.ignored):
            return UNKNOWN
        for number, one in enumerate(self.known, start=1):
            if _among(value, one.values):
                return number
        rest = [number for number, one in enumerate(self.known, start=1) if not one.values]
        return rest[0] if rest else (UNKNOWN if self.ignores_rest else -1)

    def _complaint(self, values: list[int], where: str) -> str:
        told = several([str(value) for value in values])
        return (
            f"{where} has the value{'s' if len(values) > 1 else ''} {told}, which no class names "
            f"({', '.join(self.names)}); add 'NAME={values[0]}' to the classes, or 'NAME=*' for "
            f"all the rest, or in the shell leave such pixels out with --ignore {values[0]} or "
            f"--ignore-others."
        )


def _among(value: int, ranges: Values) -> bool:
    return any(first <= value <= last for first, last in ranges)


def _check(classes: Classes) -> None:
    if not 2 <= len(classes.known) <= MOST_CLASSES:
        raise InputError(
            f"{len(classes.known)} classes are given, but a network tells 2 or more apart, at most "
            f"{MOST_CLASSES}; give e.g. --classes 'background=0,nucleus=*'."
        )
    twice = sorted({name for name in classes.names if classes.names.count(name) > 1})
    if twice:
        raise InputError(f"Two classes are called {twice[0]!r}; give each a name of its own.")
    rest = [one.name for one in classes.known if not one.values]
    if len(rest) > 1:
        raise InputError(
            f"The classes {rest[0]!r} and {rest[1]!r} are both all the rest; give one of them its "
            f"numbers."
        )
    _check_apart([(r, one.name) for one in classes.known for r in one.values], classes.ignored)


def _check_apart(named: Sequence[tuple[tuple[int, int], str]], ignored: Values) -> None:
    every = sorted([*named, *((each, "ignored") for each in ignored)])
    for (first, one), (second, other) in pairwise(every):
        if second[0] <= first[1]:
            raise InputError(
                f"The value {second[0]} is given for {one!r} and for {other!r}, but means one "
                f"class; take it out of one of them."
            )


def parsed(text: str, ignored: str = "", *, ignores_rest: bool = False) -> Classes:
    """Read classes from a line, or from a file that lists them.

    Parameters
    ----------
    text
        ``NAME=VALUES`` for each class, with commas between them: values are numbers and ranges
        joined by +, as in ``0+32-128``, or * for all the rest; a colour may follow the name, as in
        ``glia#ff0000=159``. Or a JSON file: a list of objects with ``name``, ``values`` (such a
        text) and maybe ``colour``.
    ignored
        Values that mean that nobody knows.
    ignores_rest
        Whether all others mean that too.

    Raises
    ------
    InputError
        If it is something else.
    """
    listed = _from_file(Path(text)) if text.endswith(".json") else _from_line(text)
    _check_colours(listed)
    known = tuple(
        LabelClass(name, _values(values, name), colour or PALETTE[number % len(PALETTE)])
        for number, (name, colour, values) in enumerate(listed)
    )
    unknown = _values(ignored, "ignored") if ignored else ()
    return Classes(known, unknown, ignores_rest)


def _from_line(text: str) -> list[tuple[str, str, str]]:
    found = [_CLASS.fullmatch(part) for part in text.split(",")]
    for part, match in zip(text.split(","), found, strict=True):
        if match is None:
            raise InputError(
                f"{part.strip()!r} is no class; give NAME=VALUES, e.g. "
                f"'background=0,nucleus=1-255'."
            )
    return [(m[1], m[2] or "", m[3]) for m in found if m]


def _from_file(path: Path) -> list[tuple[str, str, str]]:
    try:
        given = json.loads(path.read_text("utf-8"))
        listed = [(str(g["name"]), str(g.get("colour", "")), str(g["values"])) for g in given]
    except OSError as error:
        raise InputError(
            f"The classes '{path}' cannot be read ({error.strerror}); check the name."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"'{path}' is no list of classes; give a JSON list of objects with name and values."
        ) from None
    return listed


def _check_colours(listed: Iterable[tuple[str, str, str]]) -> None:
    for name, colour, _ in listed:
        if colour and not _COLOUR.fullmatch(colour):
            raise InputError(
                f"{colour!r} is no colour for {name!r}; give one as '#rrggbb', e.g. '{PALETTE[0]}'."
            )


def _values(text: str, whose: str) -> Values:
    if text.strip() == REST:
        return ()
    found = [_VALUES.fullmatch(part.strip()) for part in text.split("+")]
    ranges = [(int(m[1]), int(m[2] or m[1])) for m in found if m]
    if len(ranges) < len(found) or any(first > last for first, last in ranges):
        raise InputError(
            f"The values {text!r} of {whose!r} are no numbers; give e.g. 0, 0+255, 1-128, or * for "
            f"all the rest."
        )
    return tuple(ranges)


@dataclass(frozen=True, slots=True)
class ClassLabels:
    """An annotation whose numbers are ids of classes."""

    labels: Annotation
    classes: Classes
    name: str = "the labels"
    """Whose it is, for messages."""

    @property
    def shape(self) -> tuple[int, int]:
        """Size along y and x, in pixels."""
        return self.labels.shape

    def read(self, box: Box) -> NDArray[np.int64]:
        """Return the ids of a box, (Y, X).

        Raises
        ------
        InputError
            If a number there means no class.
        """
        return self.classes.ids(self.labels.read(box), self.name)


def classified(pairs: Iterable[Pair], classes: Classes) -> list[Pair]:
    """Return images whose annotations are ids of classes.

    Parameters
    ----------
    pairs
        Images and their annotations.
    classes
        What the numbers there mean.
    """
    return [
        replace(
            pair,
            annotations=tuple(
                ClassLabels(each, classes, f"The label image of '{pair.name}'")
                for each in pair.annotations
            ),
        )
        for pair in pairs
    ]
