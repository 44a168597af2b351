"""What a run leaves on disk to be resumed: a manifest, one record a super-tile, and a lock.

The output is written beside its final name, as ``OUT.partial``, and renamed when it is whole; so
nothing that bears the name OUT is ever half done. A super-tile is done when its record is in
place, which is written after its pixels, by rename, with a seal of each of its files. Resume is a
set difference, after the seals were checked.

Only the manifest is forced to disk when it is written, and everything before the output gets its
name. A power cut in between may take records and pixels of the last half minute: a record that is
torn counts as none, and pixels without their record, or not as their record says, are done again.
"""

import errno
import json
import shutil
import threading
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from napari_superpixels.engine.files import force, force_tree, read_json, refusal, write_json
from napari_superpixels.engine.holding import HOLDER, LOCK, file_number, held, queued
from napari_superpixels.engine.seals import broken, seals_of
from napari_superpixels.errors import OutputError

STATE = ".run"
"""Folder inside the partial output; gone when the output is whole."""

PASSING = frozenset(
    getattr(errno, name, errno.EIO)
    for name in ("EIO", "EAGAIN", "ESTALE", "ETIMEDOUT", "EREMOTEIO")
)
"""What a file server says while it is away for a moment."""

PARTS, QUEUE = "parts", "queue"
"""Folder in it of what is computed part by part, and where parts stand in line to begin."""

PAUSES = (1.0, 4.0, 15.0)
"""Seconds after which it is asked again."""


def is_output(path: Path) -> bool:
    """Return whether a folder is a finished label image of this software."""
    try:
        attributes = json.loads((path / "zarr.json").read_text()).get("attributes", {})
    except (OSError, ValueError, AttributeError):
        return False
    return "napari_superpixels" in attributes


def partial_path(out: Path) -> Path:
    """Return where an unfinished output lies."""
    return out.with_name(out.name + ".partial")


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
    """The manifest and the records of an unfinished output.

    Parameters
    ----------
    partial
        Where it lies.
    part
        Name of the part that this process computes; empty for all of it.
    wanted
        File that must be there for anything to be written, by a process that works for another
        one and holds no lock; by default the lock.
    """

    def __init__(self, partial: Path, part: str = "", wanted: Path | None = None) -> None:
        self.partial = partial
        self.folder = partial / STATE
        self.own = self.folder / PARTS / part if part else self.folder
        self._wanted = wanted or self.folder / LOCK
        self._held: tuple[Path, int] | None = None

    @property
    def manifest_path(self) -> Path:
        """Where the manifest lies; the output is resumable from the moment it is there."""
        return self.folder / "manifest.json"

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Write what the output is to be."""
        self.write(lambda: write_json(self.manifest_path, manifest, durable=True))

    def read_manifest(self) -> dict[str, Any]:
        """Return what the output is to be.

        Raises
        ------
        OutputError
            If there is none that can be read.
        """
        manifest = read_json(self.manifest_path)
        if manifest is None:
            raise OutputError(
                f"{self.partial} holds no run that can be resumed (no readable manifest); "
                f"remove it and run again."
            )
        return manifest

    def record(self, tile: str, facts: dict[str, Any], files: Iterable[Path] = ()) -> None:
        """Record that a super-tile is done; its pixels must be written.

        Parameters
        ----------
        tile
            Level and number, as ``0/17``.
        facts
            What else is to be known of it.
        files
            What holds its pixels, below the output; each is read once, for its seal.

        Raises
        ------
        OutputError
            If the output was removed, or begun anew, while they were written.
        """
        seals = seals_of(self.partial, files)
        self.check_there()
        path = self._records / f"{tile}.json"
        path.parent.mkdir(exist_ok=True)
        write_json(path, facts | {"files": seals})

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the super-tiles that are done, and their records."""
        for path in self._records.glob("*/*.json"):
            facts = read_json(path)
            # One that a crash of the machine tore counts as none: its super-tile is done again.
            if facts is not None and isinstance(facts.get("files"), dict):
                yield path.relative_to(self._records).with_suffix("").as_posix(), facts

    def done(self) -> dict[str, dict[str, Any]]:
        """Return what is known of the super-tiles that are done, without the seals."""
        return {
            tile: {name: value for name, value in facts.items() if name != "files"}
            for tile, facts in self.records()
        }

    def check(
        self,
        pulse: Callable[[], None],
        *,
        quick: bool = False,
        among: Container[str] | None = None,
    ) -> list[str]:
        """Forget the super-tiles whose files are not as they were written; return their names.

        With them go all of the coarser levels, which may have been made of what was altered.

        Parameters
        ----------
        pulse
            Called often; may raise.
        quick
            Whether to look at the files' sizes alone.
        among
            The super-tiles to look at; all by default.
        """
        sealed = (
            (tile, facts["files"])
            for tile, facts in self.records()
            if among is None or tile in among
        )
        lost = broken(self.partial, sealed, pulse, quick=quick)
        for tile in lost:
            (self._records / f"{tile}.json").unlink(missing_ok=True)
        if lost:
            finest = min(map(_level, lost))
            for folder in self._records.iterdir():
                if int(folder.name) > finest:
                    shutil.rmtree(folder)
        return lost

    def write_failures(self, failures: list[dict[str, Any]]) -> None:
        """Write which super-tiles failed, where and why, to be read by a person."""
        self.write(lambda: write_json(self.own / "failures.json", {"failed": failures}))

    def read_failures(self) -> list[dict[str, Any]]:
        """Return which super-tiles failed, in whichever part."""
        notes = [self.folder, *(self.folder / PARTS).glob("*/")]
        found = ((read_json(note / "failures.json") or {}).get("failed", []) for note in notes)
        return [failure for some in found if isinstance(some, list) for failure in some]

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
            If another process holds it or a part of it, or it is gone.
        """
        with self._holding(self.folder, str(self.partial)):
            for part in sorted((self.folder / PARTS).glob("*/")):
                with held(part, self._name_of(part)):
                    pass
            yield

    @contextmanager
    def lock_part(self, begin: Callable[[], None]) -> Iterator[None]:
        """Hold a part for this process, while others may hold other parts.

        Parameters
        ----------
        begin
            Called before, with the whole output held, by one part after the other.

        Raises
        ------
        OutputError
            If another process holds it or the whole output, or there is no way to begin.
        """
        self._make(self.folder / PARTS)
        with ExitStack() as holding:
            with (
                queued(self.folder / PARTS / QUEUE, str(self.partial)),
                self._holding(self.folder, str(self.partial)),
            ):
                begin()
                self._make(self.own)
                part = holding.enter_context(self._holding(self.own, self._name_of(self.own)))
            self._held = part
            yield

    def _make(self, folder: Path) -> None:
        """Make a folder of the state, where it is not there yet."""
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(refusal(self.partial, error)) from None

    @contextmanager
    def _holding(self, folder: Path, name: str) -> Iterator[tuple[Path, int]]:
        """Hold a folder, and notice when it is not there any more."""
        if not folder.is_dir():
            raise OutputError(f"There is no unfinished output {self.partial}; run it anew.")
        try:
            with held(folder, name) as number:
                self._held = folder / LOCK, number
                yield self._held
        finally:
            self._held = None

    def write(self, action: Callable[[], Any], pulse: Callable[[], None] = lambda: None) -> None:
        """Do what writes into the output; where it cannot be written, say so in a sentence.

        A file server that is away for a moment is asked again.

        Parameters
        ----------
        action
            Writes; may be called several times.
        pulse
            Called often while waiting; may raise.

        Raises
        ------
        OutputError
            If the output cannot be written, or was removed.
        """
        for pause in (*PAUSES, None):
            self.check_there()
            try:
                action()
            except OutputError:
                raise
            except OSError as error:
                self.check_there()
                if pause is None or error.errno not in PASSING:
                    raise OutputError(refusal(self.partial, error)) from None
                _wait(pause, pulse)
            else:
                return

    def clear(self) -> None:
        """Remove what a run left that died before it wrote its manifest, records included."""
        for child in [*self.partial.iterdir(), *self.folder.iterdir()]:
            if child.name in {STATE, LOCK, HOLDER, PARTS}:
                continue
            shutil.rmtree(child) if child.is_dir() else child.unlink()
        self._records.mkdir()

    def discard(self) -> None:
        """Remove all of it; the lock must be held, so that it is nobody's."""
        shutil.rmtree(self.partial, ignore_errors=True)

    def publish(self, out: Path) -> None:
        """Give the whole output its name, all of it on disk; the state goes last."""
        self.write(lambda: force_tree(self.partial, without=STATE))
        self.write(lambda: self.partial.rename(out))
        with suppress(OSError):
            force(out.parent)
        shutil.rmtree(out / STATE, ignore_errors=True)

    def _name_of(self, part: Path) -> str:
        return f"{self.partial} (part {part.name.replace('-of-', '/')})"

    @property
    def _records(self) -> Path:
        return self.folder / "records"

    def check_there(self) -> None:
        """Refuse to write where the output was removed, or begun anew by somebody else.

        Raises
        ------
        OutputError
            If it was.
        """
        lock, number = self._held or (self._wanted, 0)
        there = file_number(lock)
        if not there or (number and there != number):
            raise OutputError(
                f"{self.partial} was removed while it was being written; run it anew."
            )


def _level(tile: str) -> int:
    return int(tile.partition("/")[0])


def _wait(seconds: float, pulse: Callable[[], None]) -> None:
    pause = threading.Event()
    for _ in range(round(seconds * 10)):
        pulse()
        pause.wait(0.1)


def _why(error: OSError) -> str:
    """Return why a folder cannot be made in one that is there."""
    # /proc, say, answers so although nothing is missing.
    nothing_new = error.errno == errno.ENOENT
    return "nothing new can be made there" if nothing_new else str(error.strerror)
