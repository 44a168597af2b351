"""Running tasks: bounded, retried once at the end, cancellable. Knows nothing of images."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Protocol, Self

from napari_superpixels.engine.events import Event, TileDone, TileFailed
from napari_superpixels.errors import Cancelled, IncompleteRunError, OutputError

POLL_SECONDS = 0.1
"""How often a cancel is looked for while nothing finishes."""
TRIES = 2
"""How often a super-tile is tried before it counts as failed."""
FATAL = (Cancelled, IncompleteRunError, OutputError)
"""What ends a run at once: nothing of it is the fault of one super-tile.

Where the output cannot be written, say, all that is computed would be in vain."""

Pulse = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Task:
    """One super-tile of work."""

    name: str
    """Level and number."""
    level: int
    """Of the output."""
    place: str
    """Where it lies, in words."""
    pixels: int
    """Pixels that it writes."""
    work: Callable[[Pulse], None]
    """Does the work and records it; calls the pulse often."""


class Crew(Protocol):
    """Who does the tasks; at work while entered."""

    @property
    def width(self) -> int:
        """How many tasks are to be handed out at once; may change."""
        ...

    @property
    def threads(self) -> int:
        """Threads that the work of one task may use."""
        ...

    def start(self, task: Task, pulse: Pulse) -> Future[float]:
        """Hand out a task; its future gives the seconds that it took."""
        ...

    def stop(self) -> None:
        """Take back what has not begun, after the pulse began to raise."""
        ...

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *exc: object) -> None:
        """End; nothing is left at work."""
        ...


class Threads:
    """Threads of this process."""

    def __init__(self, width: int, threads: int = 1) -> None:
        self.width = width
        self.threads = threads
        self._pool = ThreadPoolExecutor(width, thread_name_prefix="superpixels")

    def __enter__(self) -> Self:
        """Begin; threads start when there is work."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the threads."""
        self._pool.shutdown(wait=True)

    def start(self, task: Task, pulse: Pulse) -> Future[float]:
        """Hand out a task."""
        return self._pool.submit(timed, task, pulse)

    def stop(self) -> None:
        """Take back what has not begun, and wait for the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def timed(task: Task, pulse: Pulse) -> float:
    """Do a task; return the seconds that it took."""
    pulse()
    begin = time.perf_counter()
    task.work(pulse)
    return time.perf_counter() - begin


class Stage:
    """Runs tasks that do not depend on one another."""

    def __init__(
        self, crew: Crew, *, cancel: threading.Event, emit: Callable[[Event], None]
    ) -> None:
        self.crew = crew
        self.cancel = cancel
        self.stopping = threading.Event()
        self.emit = emit
        self.done = 0
        self.pixels = 0
        self.failed: list[TileFailed] = []

    def pulse(self) -> None:
        """Raise if the user cancelled, or the run is ending for another reason."""
        if self.cancel.is_set() or self.stopping.is_set():
            raise Cancelled("The run was cancelled; what is done is kept and can be resumed.")

    def run(self, tasks: Iterator[Task]) -> None:
        """Run all tasks; failures are collected, a cancel is raised.

        Raises
        ------
        Cancelled
            When the cancel event is set; no task is left running.
        IncompleteRunError
            When the crew cannot go on.
        """
        try:
            self._drain(tasks)
        except BaseException:
            # Also for a KeyboardInterrupt: the crew must see it, or leaving would wait.
            self.stopping.set()
            self.crew.stop()
            raise

    def _drain(self, tasks: Iterator[Task]) -> None:
        running: dict[Future[float], tuple[Task, int]] = {}
        attempts = ((task, 1) for task in tasks)
        # Tried again when the rest is done: what was away for a moment may be back by then.
        again: deque[tuple[Task, int]] = deque()
        while True:
            while len(running) < self.crew.width:
                attempt = next(attempts, None) or (again.popleft() if again else None)
                if attempt is None:
                    break
                running[self.crew.start(attempt[0], self.pulse)] = attempt
            self.pulse()
            if not running:
                return
            finished, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in finished:
                task, number = running.pop(future)
                if self._settle(future, task, number):
                    again.append((task, number + 1))

    def _settle(self, future: Future[float], task: Task, attempt: int) -> bool:
        """Tell the outcome of a task; return whether it is to be tried again."""
        error = future.exception()
        if error is None:
            self.done += 1
            self.pixels += task.pixels
            self.emit(TileDone(task.name, task.level, task.pixels, future.result()))
            return False
        if isinstance(error, FATAL) or not isinstance(error, Exception):
            raise error
        retrying = attempt < TRIES
        failure = TileFailed(task.name, task.place, _one_line(error), retrying)
        self.emit(failure)
        if not retrying:
            self.failed.append(failure)
        return retrying


def _one_line(error: Exception) -> str:
    text: Any = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
