"""Where a run writes: a name of its own, or the unfinished output of the same plan."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from napari_superpixels.engine.records import RunState, check_folder, partial_path
from napari_superpixels.errors import InputError, OutputError

if TYPE_CHECKING:
    from napari_superpixels.engine.manifest import Resumable

SUFFIX = ".zarr"


@dataclass(frozen=True, slots=True)
class Output:
    """What the user asked for."""

    folder: Path
    """Where outputs go."""
    name: str
    """Name of the output."""
    typed: bool
    """Whether the user wrote the name; else it is made unique."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run writes."""

    path: Path
    """The OME-Zarr."""
    resume: bool
    """Whether to go on with the unfinished output that lies there."""


def proposed_name(*words: str) -> str:
    """Return a file name, e.g. from image, method and step, ``"cells slic 16px.zarr"``."""
    return re.sub(r'[\x00-\x1f<>:"/\\|?*]+', "_", " ".join(words)).strip(" .") + SUFFIX


def place_for(output: Output, plan: "Resumable", taken: Collection[Path] = ()) -> Place:
    """Return where a plan is to be written, and whether to go on with what lies there.

    Parameters
    ----------
    output
        What the user asked for. A proposed name that is in use is followed by a number.
    plan
        What will run; an unfinished output of the same plan is gone on with.
    taken
        Places that somebody else is writing at, so that a proposed name is none of them.

    Raises
    ------
    InputError
        If the name is none.
    OutputError
        If the folder does not exist, or is a file.
    """
    check_folder(output.folder)
    first = _first(output)
    if output.typed:
        return Place(first, resume=RunState(partial_path(first)).manifest_path.exists())
    free = (_free(path, plan) for path in _numbered(first) if path not in taken)
    return next(place for place in free if place is not None)


def unused_path(output: Output) -> Path:
    """Return a path at which nothing lies yet: for a script that writes later.

    Raises
    ------
    InputError
        If the name is none.
    """
    paths = _numbered(_first(output))
    return next(p for p in paths if not p.exists() and not partial_path(p).exists())


def _first(output: Output) -> Path:
    name = output.name.strip()
    if not name or Path(name).name != name or name in (".", ".."):
        raise InputError(f"The output is called {output.name!r}; give a name such as cells.zarr.")
    return output.folder / (name if name.lower().endswith(SUFFIX) else name + SUFFIX)


def _numbered(first: Path) -> Iterator[Path]:
    yield first
    for number in count(2):
        yield first.with_name(f"{first.stem} {number}{first.suffix}")


def _free(path: Path, plan: "Resumable") -> Place | None:
    """Return the place if nothing, or an unfinished output of the plan, lies there."""
    if path.exists():
        return None
    if not partial_path(path).exists():
        return Place(path, resume=False)
    return Place(path, resume=True) if _begun(path, plan) else None


def _begun(path: Path, plan: "Resumable") -> bool:
    """Return whether an unfinished output of the plan lies at a path."""
    state = RunState(partial_path(path))
    if not state.manifest_path.exists():
        return False
    try:
        return bool(state.read_manifest().get("hash") == plan.hash)
    except OutputError:
        return False
