"""Weights that are too large for the package: a table of them, and fetching one when asked.

A registry is a JSON file: each name has the card of its weights (`weights`), whose ``sha256`` is
what counts, and with it the ``url`` and ``size`` of the file. What was fetched lies with its card
among the user's own weights and is found by name from then on; nothing is ever fetched unasked.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_superpixels.errors import InputError, OutputError, SourceError, reason_of
from napari_superpixels.models.weights import SHIPPED, own_path, write_card

REGISTRY = SHIPPED / "registry.json"
"""The table that comes with the package."""
ADDRESS = re.compile(r"https?://\S+")
DIGEST = re.compile(r"[0-9a-f]{64}")
_FIELDS = {"url": str, "size": int, "sha256": str, "licence": str, "network": str, "config": dict}


@dataclass(frozen=True, slots=True)
class Entry:
    """Weights that can be fetched."""

    name: str
    """What they are called."""
    url: str
    """Where the file is."""
    size: int
    """Of the file, in bytes."""
    card: Mapping[str, Any]
    """What lies beside the file: network, config, sha256, licence and more."""


def read_registry(path: Path = REGISTRY) -> dict[str, Entry]:
    """Return the weights that a registry names.

    Raises
    ------
    InputError
        If the file is missing, broken, or an entry lacks something.
    """
    try:
        table = json.loads(path.read_text("utf-8"))
        entries = {name: _entry(name, fields) for name, fields in table.items()}
    except OSError as error:
        raise InputError(
            f"The registry '{path}' cannot be read ({error.strerror}); check the name."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"The registry '{path}' is no table of names with {', '.join(_FIELDS)} each; repair it."
        ) from None
    return entries


def _entry(name: str, fields: Mapping[str, Any]) -> Entry:
    for field, kind in _FIELDS.items():
        if not isinstance(fields[field], kind):
            raise TypeError(field)
    if not (ADDRESS.fullmatch(fields["url"]) and DIGEST.fullmatch(fields["sha256"])):
        raise InputError(
            f"The weights {name!r} have the address {fields['url']!r} and the SHA-256 "
            f"{fields['sha256']!r}, but http(s) and 64 digits are needed; repair the registry."
        )
    card = {key: value for key, value in fields.items() if key not in ("url", "size")}
    return Entry(name, fields["url"], fields["size"], card)


def fetch_weights(name: str, registry: str | Path = REGISTRY) -> Path:
    """Fetch weights once, and return the file; methods then find them by their name.

    Parameters
    ----------
    name
        What the registry calls them.
    registry
        A JSON file; by default the one that comes with the package.

    Returns
    -------
    Path
        The file, among the user's own weights.

    Raises
    ------
    InputError
        If there are none of that name, or the file is not the one that the registry describes.
    SourceError
        If the file cannot be fetched.
    OutputError
        If other weights have that name, or there is no room.
    """
    known = read_registry(Path(registry))
    if name not in known:
        names = ", ".join(known) or "none"
        raise InputError(f"The registry '{registry}' has no weights {name!r}; it has {names}.")
    entry, path = known[name], own_path(name)
    if path.exists() and _digest(path) != entry.card["sha256"]:
        raise OutputError(
            f"There are other weights '{path}' already; rename them and their card, or remove them."
        )
    _download(entry, path)
    write_card(path, entry.card)
    return path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(entry: Entry, path: Path) -> None:
    """Put the file in place once it is whole and its hash is right; a right one stays."""
    import pooch

    try:
        pooch.retrieve(entry.url, f"sha256:{entry.card['sha256']}", path.name, path.parent)
    except ValueError:
        raise InputError(
            f"What '{entry.url}' has is not the weights {entry.name!r} that the registry describes "
            f"(another SHA-256, so truncated or altered), and is not kept; fetch it again, or ask "
            f"whose registry it is."
        ) from None
    except OSError as error:
        reason = reason_of(error)[:150]
        kind = OutputError if error.errno else SourceError
        raise kind(
            f"The weights {entry.name!r} cannot be fetched from '{entry.url}' to '{path.parent}' "
            f"({reason}); look at the address, the network and the disk."
        ) from None
