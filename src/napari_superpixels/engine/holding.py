"""Who writes an output: a lock of the operating system, which dies with its process.

Beside the lock lies a note of who holds it, for the sentence that refuses the second one. The lock
file stays open as long as the lock is held, so its number on the disk is nobody else's: by that a
run notices that its folder was removed under it, or removed and begun anew by another run.
"""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from napari_superpixels.engine.files import read_json, refusal, write_json
from napari_superpixels.errors import OutputError, TakenError

LOCK, HOLDER = "lock", "holder.json"
"""Files in the state of a run that say who writes."""

NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""What disks without file locks say."""

QUEUE_SECONDS = 300.0
"""How long a part of an output stands in line to begin."""


@contextmanager
def held(folder: Path, name: str) -> Iterator[int]:
    """Hold a folder for this process; give the number of the lock's file.

    Parameters
    ----------
    folder
        Is there.
    name
        What the user calls it.

    Raises
    ------
    TakenError
        If another process holds it; it is named.
    OutputError
        If there can be no lock.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise TakenError(
            f"{name} is being written by {_holder(folder)}; wait for it, or stop it, and resume."
        ) from None
    except (OSError, NotImplementedError) as error:
        raise OutputError(_no_lock(name, error)) from None
    try:
        _note_holder(folder, name)
        yield file_number(folder / LOCK)
    finally:
        lock.release()


def _note_holder(folder: Path, name: str) -> None:
    try:
        write_json(folder / HOLDER, _this_process())
    except OSError as error:
        raise OutputError(refusal(name, error)) from None


def _no_lock(name: str, error: OSError | NotImplementedError) -> str:
    """Return in a sentence why there is no lock."""
    if isinstance(error, OSError) and error.errno not in NO_LOCKS:
        return refusal(name, error)
    return (
        f"{name} cannot be locked against a second run ({error}); choose an output on a disk "
        f"with file locks."
    )


@contextmanager
def queued(path: Path, name: str, seconds: float = QUEUE_SECONDS) -> Iterator[None]:
    """Stand in line for what one process does after the other.

    Parameters
    ----------
    path
        The file of the lock.
    name
        What the user calls the output.
    seconds
        How long to wait.

    Raises
    ------
    TakenError
        If the others take longer.
    OutputError
        If there can be no lock.
    """
    lock = FileLock(path, timeout=seconds)
    try:
        lock.acquire()
    except Timeout:
        raise TakenError(
            f"{name} is being prepared by another part for more than {seconds:.0f} s; look whether "
            f"that one is stopped, and start this one again."
        ) from None
    except (OSError, NotImplementedError) as error:
        raise OutputError(_no_lock(name, error)) from None
    try:
        yield
    finally:
        lock.release()


def file_number(path: Path) -> int:
    """Return the number of a file on its disk, 0 where there is none."""
    try:
        return path.stat().st_ino
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _this_process() -> dict[str, Any]:
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since}


def _holder(folder: Path) -> str:
    facts = read_json(folder / HOLDER) or {}
    if not {"pid", "host"} <= facts.keys():
        return "another process"
    since = f" since {facts['since'].replace('T', ' ')}" if "since" in facts else ""
    return f"process {facts['pid']} on {facts['host']}{since}"
