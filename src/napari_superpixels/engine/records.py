"""What a run leaves on disk to be resumed: a manifest, one record a super-tile, and a lock.

The output is written beside its final name, as ``OUT.partial``, and renamed when it is whole; so
nothing that bears the name OUT is ever half done. A super-tile is done when its record is in
place, which is written after its pixels, by rename. Resume is a set difference.
"""

import errno
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from napari_superpixels.errors import OutputError, TakenError

STATE = ".run"
"""Folder inside the partial output; gone when the output is whole."""


def partial_path(out: Path) -> Path:
    """Return where an unfinished output lies."""
    return out.with_name(out.name + ".partial")


LOCK, HOLDER = "lock", "holder.json"
"""Files in it that say who writes."""


def check_folder(folder: Path) -> None:
    """Refuse a folder to write in that is none.

    Raises
    ------
    OutputError
        If it does not exist, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is no folder but a file; choose another folder.")
    if not folder.is_dir():
        raise OutputError(f"The folder {folder} does not exist; make it, or choose another.")


class RunState:
    """The manifest and the records of an unfinished output."""

    def __init__(self, partial: Path) -> None:
        self.partial = partial
        self.folder = partial / STATE

    @property
    def manifest_path(self) -> Path:
        """Where the manifest lies; the output is resumable from the moment it is there."""
        return self.folder / "manifest.json"

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Write what the output is to be."""
        _write_json(self.manifest_path, manifest)

    def read_manifest(self) -> dict[str, Any]:
        """Return what the output is to be.

        Raises
        ------
        OutputError
            If there is none that can be read.
        """
        manifest = _read_json(self.manifest_path)
        if manifest is None:
            raise OutputError(
                f"{self.partial} holds no run that can be resumed (no readable manifest); "
                f"remove it and run again."
            )
        return manifest

    def record(self, tile: str, facts: dict[str, Any]) -> None:
        """Record that a super-tile is done; its pixels must be written."""
        _write_json(self.folder / "records" / f"{tile}.json", facts)

    def done(self) -> dict[str, dict[str, Any]]:
        """Return the records by super-tile."""
        records = self.folder / "records"
        found = ((path, _read_json(path)) for path in records.glob("*/*.json"))
        # A record that a crash of the machine tore counts as none: its super-tile is done again.
        return {
            path.relative_to(records).with_suffix("").as_posix(): facts
            for path, facts in found
            if facts is not None
        }

    def write_failures(self, failures: list[dict[str, Any]]) -> None:
        """Write which super-tiles failed, where and why, to be read by a person."""
        _write_json(self.folder / "failures.json", {"failed": failures})

    def make_folder(self) -> None:
        """Make the folder of a new output.

        Raises
        ------
        OutputError
            If something else bears its name, or it cannot be made.
        """
        strange = self.partial.exists() and not self.folder.is_dir()
        if strange and (not self.partial.is_dir() or any(self.partial.iterdir())):
            raise OutputError(f"{self.partial} is in the way and none of ours; move it away.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{self.partial} cannot be written ({_why(error)}); choose another output."
            ) from None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the output for this process; the lock dies with the process.

        Raises
        ------
        OutputError
            If another process holds it, or it is gone.
        """
        if not self.folder.is_dir():
            raise OutputError(f"There is no unfinished output {self.partial}; run it anew.")
        holder = self.folder / HOLDER
        lock = FileLock(self.folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise TakenError(
                f"{self.partial} is being written by {_read_holder(holder)}; "
                f"wait for it, or stop it, and resume."
            ) from None
        try:
            _write_json(holder, {"pid": os.getpid(), "host": socket.gethostname()})
            yield
        finally:
            lock.release()

    def clear(self) -> None:
        """Remove what a run left that died before it wrote its manifest, records included."""
        for child in [*self.partial.iterdir(), *self.folder.iterdir()]:
            if child.name in {STATE, LOCK, HOLDER}:
                continue
            shutil.rmtree(child) if child.is_dir() else child.unlink()

    def publish(self, out: Path) -> None:
        """Give the whole output its name; the state goes last, for it does no harm there."""
        self.partial.rename(out)
        shutil.rmtree(out / STATE, ignore_errors=True)


def _why(error: OSError) -> str:
    """Return why a folder cannot be made in one that is there."""
    # /proc, say, answers so although nothing is missing.
    nothing_new = error.errno == errno.ENOENT
    return "nothing new can be made there" if nothing_new else str(error.strerror)


def _read_holder(path: Path) -> str:
    holder = _read_json(path) or {}
    if not {"pid", "host"} <= holder.keys():
        return "another process"
    return f"process {holder['pid']} on {holder['host']}"


def _read_json(path: Path) -> dict[str, Any] | None:
    """Return what a file holds, None where that cannot be read."""
    try:
        value: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".tmp{os.getpid()}")
    temporary.write_text(json.dumps(value))
    temporary.replace(path)
