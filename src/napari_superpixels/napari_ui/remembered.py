"""What was chosen last, kept between widgets and starts beside napari's own settings."""

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

FILE = "napari-superpixels-widget.json"
"""The file, in the folder of napari's own settings."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What a new widget begins with."""

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


_DEFAULTS: Mapping[str, Any] = {
    one.name: getattr(Remembered(), one.name) for one in fields(Remembered)
}


def settings_folder() -> Path | None:
    """Return the folder of napari's own settings; None where napari keeps none."""
    from napari.settings import get_settings

    path = get_settings().config_path
    return Path(path).parent if path else None


def load(folder: Path | None) -> Remembered:
    """Return what was kept in a folder, the defaults where there is nothing that can be used."""
    path = folder / FILE if folder else None
    if path is None or not path.exists():
        return Remembered()
    try:
        kept = json.loads(path.read_text("utf-8"))
        facts = kept.items()
    except (OSError, ValueError, AttributeError) as error:
        log.warning("%s cannot be used (%s) and is written anew.", path, error)
        return Remembered()
    return Remembered(**dict(_usable(path, facts)))


def save(folder: Path | None, remembered: Remembered) -> None:
    """Keep what was chosen; where that is not possible a log line says so."""
    if folder is None:
        return
    path = folder / FILE
    temporary = path.with_suffix(f".tmp{os.getpid()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(asdict(remembered)), "utf-8")
        temporary.replace(path)
    except OSError as error:
        log.warning("%s cannot be written (%s); the widget forgets its settings.", path, error)


def _usable(path: Path, facts: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield what can be used; a log line says of each other what it is."""
    for name, value in facts:
        try:
            yield name, _checked(name, value)
        except ValueError as error:
            log.warning("%s: %s; it is left out.", path, error)


def _checked(name: str, value: Any) -> Any:
    """Refuse a name that is not known, and a value whose type is another than the default's."""
    if name not in _DEFAULTS:
        raise ValueError(f"{name} is not known")
    kind = type(_DEFAULTS[name])
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"{name} is {value!r}, not {kind.__name__}")
    if name == "settings" and not all(isinstance(one, dict) for one in value.values()):
        raise ValueError(f"{name} is {value!r}, not a table by method")
    return value
