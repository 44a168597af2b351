"""Waiting that can be broken off, and child processes that never outlive their parent."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path

from napari_superpixels.errors import Cancelled

MOMENT = 0.1
"""Seconds after which one who waits looks whether that is still wanted."""


def wait_for(
    happened: Callable[[float], bool], cancel: threading.Event | None, longest: float = inf
) -> bool:
    """Wait for something, as long as that is wanted and the process is not about to end.

    Parameters
    ----------
    happened
        Waits so many seconds; whether it has happened.
    cancel
        Set where nobody wants it any more.
    longest
        Seconds after which to give up.

    Returns
    -------
    bool
        Whether it happened in time.

    Raises
    ------
    Cancelled
        If it is not wanted any more.
    """
    end = time.monotonic() + longest
    while True:
        if (cancel is not None and cancel.is_set()) or not threading.main_thread().is_alive():
            raise Cancelled("What was waited for is not wanted any more.")
        if happened(MOMENT):
            return True
        if time.monotonic() >= end:
            return False


def run_module(
    module: str, arguments: Sequence[str], cancel: threading.Event | None, longest: float
) -> None:
    """Run a module in a process of its own, to its end; what becomes of it is not told.

    It ends early where it is not wanted any more, takes too long, or this process ends.

    Parameters
    ----------
    module
        Its name; it calls `end_with_parent` first of all.
    arguments
        For it.
    cancel
        Set where it is to end.
    longest
        Seconds that it may take.

    Raises
    ------
    Cancelled
        If it was to end.
    OSError
        If no process can be started.
    """
    with open_module(module, arguments) as process:
        try:
            wait_for(lambda seconds: _ended(process, seconds), cancel, longest)
        finally:
            process.terminate()


def open_module(
    module: str, arguments: Sequence[str], stdout: int = subprocess.DEVNULL
) -> "subprocess.Popen[bytes]":
    """Start a module in a process of its own, as this process finds it.

    Parameters
    ----------
    module
        Its name. It ends when its standard input does, that is when this process ends.
    arguments
        For it.
    stdout
        Where what it prints goes.

    Raises
    ------
    OSError
        If no process can be started.
    """
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def end_with_parent() -> None:
    """Let this process, a child that `run_module` made, end as soon as its parent has."""
    threading.Thread(target=_end_when_told, name="parent-watch", daemon=True).start()


def _end_when_told() -> None:
    with suppress(OSError):
        os.read(0, 1)  # until the parent closes it, or is gone; no buffer, whose lock would be held
    os._exit(1)


def _ended(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
