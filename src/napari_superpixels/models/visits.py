"""When a graphics card was at work for a task: noted where that is known, told to who asks.

Between them lie a method's own code and threads, which know of neither; no torch is imported.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visit:
    """A time in which a card was at work; those of one card follow one another."""

    device: str
    """What torch calls it, e.g. ``"cuda:0"``."""
    begin: float
    """When it began, in seconds since 1970."""
    seconds: float
    """How long it was."""


_noted: ContextVar[list[Visit] | None] = ContextVar("visits", default=None)


@contextmanager
def visits() -> Iterator[list[Visit]]:
    """Collect what is noted in this block, and in threads that run in a copy of its context."""
    noted: list[Visit] = []
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


def note(visit: Visit) -> None:
    """Tell of a visit, where somebody asks."""
    noted = _noted.get()
    if noted is not None:
        noted.append(visit)
