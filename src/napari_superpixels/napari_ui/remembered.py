"""What was chosen last, kept between widgets and starts beside napari's own settings."""

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

FILE = "napari-superpixels-widget.json"
"""The file of the panel *Superpixels*, in the folder of napari's own settings."""
SEGMENT_FILE = "napari-superpixels-segment.json"
"""That of the panel *Segment*."""
TRAINING_FILE = "napari-superpixels-training.json"
"""That of the panel *Train*."""
OBJECTS_FILE = "napari-superpixels-objects.json"
"""That of the panel *Objects*."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What a new panel *Superpixels* begins with."""

    file: ClassVar[str] = FILE

    method: str = "slic"
    """Name of the method."""
    step_px: int = 16
    """Size of a cell, in pixels."""
    step_um: float = 8.0
    """Size of a cell, in micrometers."""
    unit: str = "px"
    """Which of the two holds."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Other settings by method and name; those that were changed alone, so that what was never
    touched follows the method's default, also where a later version has another."""
    boundaries: bool = False
    """Whether borders are shown."""
    folder: str = ""
    """Where outputs go; empty for the one that the plugin's settings name."""
    device: str = "auto"
    """What computes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedSegmenting(Remembered):
    """What a new panel *Segment* begins with."""

    file: ClassVar[str] = SEGMENT_FILE

    method: str = "segment"
    """Name of the method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedTraining:
    """What a new panel *Train* begins with."""

    file: ClassVar[str] = TRAINING_FILE

    method: str = "ssn"
    """Name of the method."""
    steps: int = 200
    """Training steps."""
    seed: int = 0
    """Of crops and new weights."""
    zero_is_unknown: bool = False
    """Whether 0 in the labels means that nothing is known there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedObjects:
    """What a new panel *Objects* begins with; lengths and sizes in pixels."""

    file: ClassVar[str] = OBJECTS_FILE

    min_px: int = 1
    """Smaller objects are left out."""
    max_px: int = 0
    """Larger ones are left out; 0 for no limit."""
    connectivity: int = 4
    """4 or 8."""
    split: bool = False
    """Whether objects are split where they are narrow."""
    distance_px: int = 10
    """The least distance of the middles of two pieces."""
    largest_px: int = 1024
    """How long or wide an object may be to be split."""
    exact: bool = True
    """Whether larger ones are refused."""
    folder: str = ""
    """Where outputs go; empty for the one that the plugin's settings name."""


Chosen = Remembered | RememberedTraining | RememberedObjects
Kind = TypeVar("Kind", Remembered, RememberedTraining, RememberedObjects)


def settings_folder() -> Path | None:
    """Return the folder of napari's own settings; None where napari keeps none."""
    from napari.settings import get_settings

    path = get_settings().config_path
    return Path(path).parent if path else None


def load(folder: Path | None, kind: type[Kind]) -> Kind:
    """Return what was kept in a folder, the defaults where there is nothing that can be used."""
    path = folder / kind.file if folder else None
    if path is None or not path.exists():
        return kind()
    try:
        kept = json.loads(path.read_text("utf-8"))
        facts = kept.items()
    except (OSError, ValueError, AttributeError) as error:
        log.warning("%s cannot be used (%s) and is written anew.", path, error)
        return kind()
    return kind(**dict(_usable(path, facts, kind())))


def save(folder: Path | None, remembered: Chosen) -> None:
    """Keep what was chosen; where that is not possible a log line says so."""
    if folder is None:
        return
    path = folder / remembered.file
    temporary = path.with_suffix(f".tmp{os.getpid()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(asdict(remembered)), "utf-8")
        temporary.replace(path)
    except OSError as error:
        log.warning("%s cannot be written (%s); the widget forgets its settings.", path, error)


def _usable(
    path: Path, facts: Iterable[tuple[str, Any]], defaults: Chosen
) -> Iterator[tuple[str, Any]]:
    """Yield what can be used; a log line says of each other what it is."""
    known = {one.name: getattr(defaults, one.name) for one in fields(defaults)}
    for name, value in facts:
        try:
            yield name, _checked(name, value, known)
        except ValueError as error:
            log.warning("%s: %s; it is left out.", path, error)


def _checked(name: str, value: Any, defaults: Mapping[str, Any]) -> Any:
    """Refuse a name that is not known, and a value whose type is another than the default's."""
    if name not in defaults:
        raise ValueError(f"{name} is not known")
    kind = type(defaults[name])
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"{name} is {value!r}, not {kind.__name__}")
    if name == "settings" and not all(isinstance(one, dict) for one in value.values()):
        raise ValueError(f"{name} is {value!r}, not a table by method")
    return value
