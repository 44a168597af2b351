"""Training in a process of its own: the parent's side, which needs no torch."""

import pickle
import subprocess
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO

from napari_superpixels.engine.child import open_module, wait_for
from napari_superpixels.errors import TrainingError
from napari_superpixels.training.events import Listener
from napari_superpixels.training.messages import from_line
from napari_superpixels.training.task import Done, Task

WORKER = "napari_superpixels.training.worker"


def train_elsewhere(
    task: Task, listener: Listener, stop: threading.Event, cancel: threading.Event | None = None
) -> Done:
    """Train in another process; returns at its end.

    Parameters
    ----------
    task
        What to do.
    listener
        Is told of every event, in this thread.
    stop
        Set it, from any thread, to stop; the weights so far are kept, and this returns.
    cancel
        Set where nobody waits any more. The other process keeps the weights so far and ends.

    Raises
    ------
    Cancelled
        If nobody waits any more.
    SuperpixelsError
        If the training fails, in one sentence.
    OSError
        If no process can be started.
    """
    with open_module(WORKER, (), stdout=subprocess.PIPE) as process:
        assert process.stdin is not None, "a pipe, as always"
        assert process.stdout is not None, "a pipe, as asked for"
        lines: SimpleQueue[bytes] = SimpleQueue()
        reader = threading.Thread(
            target=_pass_on, args=(process.stdout, lines), name="superpixels-lines", daemon=True
        )
        reader.start()
        try:
            _send(task, process.stdin)
            return _listen(lines, listener, stop, cancel, process.stdin)
        finally:
            _close(process.stdin)
            reader.join()


def _send(task: Task, pipe: IO[bytes]) -> None:
    with suppress(OSError):  # it ended already: that it says nothing is told
        pickle.dump(task, pipe, protocol=5)
        pipe.flush()


def _listen(
    lines: "SimpleQueue[bytes]",
    listener: Listener,
    stop: threading.Event,
    cancel: threading.Event | None,
    pipe: IO[bytes],
) -> Done:
    while True:
        line = _next(lines, stop, cancel, pipe)
        if not line:
            raise TrainingError(
                "The process that trains ended unexpectedly, maybe for lack of memory; choose "
                "smaller crops, or close other programs."
            )
        message = from_line(line)
        if isinstance(message, Done):
            return message
        listener(message)


def _next(
    lines: "SimpleQueue[bytes]",
    stop: threading.Event,
    cancel: threading.Event | None,
    pipe: IO[bytes],
) -> bytes:
    """Return the next line, empty at the end; pass on meanwhile that it is to stop."""
    found = b""

    def came(seconds: float) -> bool:
        nonlocal found
        if stop.is_set():
            _ask_to_stop(pipe)
        with suppress(Empty):
            found = lines.get(timeout=seconds)
            return True
        return False

    wait_for(came, cancel)
    return found


def _pass_on(pipe: IO[bytes], lines: "SimpleQueue[bytes]") -> None:
    """Be the thread that reads."""
    for line in pipe:
        lines.put(line)
    lines.put(b"")


def _ask_to_stop(pipe: IO[bytes]) -> None:
    """Send a byte; the end of the pipe means more: that nobody waits any more."""
    with suppress(OSError, ValueError):
        pipe.write(b"s")
        pipe.flush()


def _close(pipe: IO[bytes]) -> None:
    with suppress(OSError):  # whoever read it is gone
        pipe.close()
