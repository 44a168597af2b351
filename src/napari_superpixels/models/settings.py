"""What is known of a setting beside its default: forms, tooltips and help read it from here."""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")
_KEY = "napari_superpixels"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a person must know of a setting to choose it."""

    text: str
    """What it does, as one sentence."""
    unit: str = ""
    """Its unit, e.g. ``"px"``; empty for a plain number."""
    low: float | None = None
    """The smallest value that is offered."""
    high: float | None = None
    """The largest value that is offered."""
    suffixes: tuple[str, ...] = ()
    """Of a text that may name a file: how such files end, e.g. ``(".safetensors",)``."""
    empty: str = "standard"
    """What such a text means where it is empty."""
    choices: tuple[str, ...] = ()
    """All that a text can be, where these are few."""
    decides: bool = True
    """Whether it tells outputs apart; not where a field that is filled in does that better."""
    seldom: bool = False
    """Whether it is changed so rarely that forms fold it away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a method."""

    name: str
    """What the settings' dataclass calls it."""
    default: Any
    """Its value when nothing is said."""
    about: About
    """What is known of it."""


def setting(default: T, about: About) -> T:
    """Declare a field of a frozen dataclass of settings, with what is known of it."""
    declared: T = field(default=default, metadata={_KEY: about})
    return declared


def filled_in(default: T) -> T:
    """Declare a field that a method fills in itself: it is no setting, and nobody is asked."""
    declared: T = field(default=default, metadata={_KEY: None})
    return declared


def idle_settings(method: Any) -> frozenset[str]:
    """Return the names of settings that have no effect on what a method found in its weights."""
    names: frozenset[str] = getattr(method, "idle", frozenset())
    return names


def settings_of(kind: type[Any]) -> Iterator[Setting]:
    """Yield the settings of a method in the order in which they are declared.

    A field that was declared without `setting` is told by its name alone.
    """
    for one in fields(kind):
        if one.default is MISSING:
            continue
        about = one.metadata.get(_KEY, About(text=f"{one.name}."))
        if about is not None:
            yield Setting(name=one.name, default=one.default, about=about)
