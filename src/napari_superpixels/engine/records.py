"""What a run leaves on disk to be resumed: a manifest, one record a super-tile, and a lock.

The output is written beside its final name, as ``OUT.partial``, and renamed when it is whole; so
nothing that bears the name OUT is ever half done. A super-tile is done when its record is in
place, which is written after its pixels, by rename. Resume is a set difference.
"""

import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from napari_superpixels.errors import OutputError

STATE = ".run"
"""Folder inside the partial output; gone when the output is whole."""


def partial_path(out: Path) -> Path:
    """Return where an unfinished output lies."""
    return out.with_name(out.name + ".partial")


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
        try:
            manifest: dict[str, Any] = json.loads(self.manifest_path.read_text())
        except (OSError, ValueError):
            raise OutputError(
                f"{self.partial} holds no run that can be resumed (no readable manifest); "
                f"remove it and run again."
            ) from None
        return manifest

    def record(self, tile: str, facts: dict[str, Any]) -> None:
        """Record that a super-tile is done; its pixels must be written."""
        _write_json(self.folder / "records" / f"{tile}.json", facts)

    def done(self) -> dict[str, dict[str, Any]]:
        """Return the records by super-tile."""
        records = self.folder / "records"
        return {
            path.relative_to(records).with_suffix("").as_posix(): json.loads(path.read_text())
            for path in records.glob("*/*.json")
        }

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the output for this process; the lock dies with the process.

        Raises
        ------
        OutputError
            If another process holds it.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{self.partial} cannot be written ({error.strerror}); choose another output."
            ) from None
        holder = self.folder / "holder.json"
        lock = FileLock(self.folder / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise OutputError(
                f"{self.partial} is being written by {_read_holder(holder)}; "
                f"wait for it, or stop it, and resume."
            ) from None
        try:
            _write_json(holder, {"pid": os.getpid(), "host": socket.gethostname()})
            yield
        finally:
            lock.release()

    def clear(self) -> None:
        """Remove what a run left that died before it wrote its manifest."""
        for child in self.partial.iterdir():
            if child.name == STATE:
                continue
            shutil.rmtree(child) if child.is_dir() else child.unlink()

    def publish(self, out: Path) -> None:
        """Give the whole output its name."""
        shutil.rmtree(self.folder)
        self.partial.rename(out)


def _read_holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError):
        return "another process"


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".tmp{os.getpid()}")
    temporary.write_text(json.dumps(value))
    temporary.replace(path)
