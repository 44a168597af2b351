"""Small files that are whole or not there, and folders forced to disk."""

import errno
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from napari_superpixels.errors import reason_of

UNFINISHED = (".partial", ".tmp")
"""Endings of what zarr and `write_json` had not yet given its name when their process was
killed."""

WAITING = 16
"""Files that are waited for at once: a disk writes many as fast as one."""


def refusal(place: object, error: OSError) -> str:
    """Return in a sentence why something cannot be written, and what to do."""
    repairs = {
        getattr(errno, "EDQUOT", errno.ENOSPC): "make room in your quota",
        errno.ENOSPC: "make room there",
        errno.EROFS: "make the disk writable again",
    }
    repair = repairs.get(error.errno or 0, "look whether that place can be written")
    reason = reason_of(error)
    return f"{place} cannot be written ({reason}); {repair} and resume, what is done is kept."


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what a file holds, None where that cannot be read or is no JSON object."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write_json(path: Path, value: dict[str, Any], *, durable: bool = False) -> None:
    """Write a file by rename, so that it is whole or not there; its folder is.

    Parameters
    ----------
    path, value
        Where, and what.
    durable
        Whether it must outlive a power cut in the next second.

    Raises
    ------
    OSError
        If it cannot be written; then there is nothing new.
    """
    temporary = path.with_name(f"{path.name}.{uuid4().hex}.tmp")
    try:
        temporary.write_text(json.dumps(value))
        if durable:
            force(temporary)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    if durable:
        force(path.parent)


def force(path: Path) -> None:
    """Wait until a file or folder is on disk."""
    if os.name == "nt" and path.is_dir():
        return  # has no such thing
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def force_tree(root: Path, *, without: str) -> None:
    """Wait until all of a folder is on disk, but one in it; remove what never got its name.

    File by file, for a `sync` of the whole system would also wait for what other people write.
    """
    with ThreadPoolExecutor(WAITING, thread_name_prefix="disk") as pool:
        for folder, names in _folders(root, without):
            list(pool.map(_force_or_remove, (folder / name for name in names)))
            force(folder)


def _force_or_remove(path: Path) -> None:
    if path.name.endswith(UNFINISHED):
        path.unlink(missing_ok=True)
    else:
        force(path)


def _folders(root: Path, without: str) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder and the names of its files."""
    for folder, folders, names in os.walk(root):
        if Path(folder) == root and without in folders:
            folders.remove(without)
        yield Path(folder), names
