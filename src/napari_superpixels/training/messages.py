"""What a process that trains tells its parent: events and outcomes as lines of JSON."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from napari_superpixels import errors
from napari_superpixels.errors import SuperpixelsError, TrainingError, reason_of
from napari_superpixels.training.events import (
    Event,
    Saved,
    StepDone,
    TrainingStarted,
    Validated,
)
from napari_superpixels.training.task import Done

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (TrainingStarted, StepDone, Validated, Saved, Done)
}
_FAILED = "failed"

Message = Event | Done


def to_line(message: Message) -> bytes:
    """Return a message as a line."""
    text = {"kind": type(message).__name__} | asdict(message)
    return json.dumps(text, default=str).encode() + b"\n"


def error_line(error: Exception) -> bytes:
    """Return an error as a line; of one that nobody foresaw, what it is."""
    known = isinstance(error, SuperpixelsError)
    kind = type(error).__name__ if known else TrainingError.__name__
    text = reason_of(error)
    sentence = text if known else f"The training failed ({type(error).__name__}: {text})."
    return json.dumps({"kind": _FAILED, "error": kind, "sentence": sentence}).encode() + b"\n"


def from_line(line: bytes) -> Message:
    """Return the message of a line.

    Raises
    ------
    SuperpixelsError
        The error, where the line is one.
    """
    values = json.loads(line)
    kind = values.pop("kind")
    if kind == _FAILED:
        made: type[SuperpixelsError] = getattr(errors, values["error"])
        raise made(values["sentence"])
    made_by = _KINDS[kind]
    paths = {one.name for one in fields(made_by) if one.type is Path}
    found: Message = made_by(**{n: Path(v) if n in paths else v for n, v in values.items()})
    return found
