"""Running tasks on threads: bounded, retried once, cancellable. Knows nothing of images."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from napari_superpixels.engine.events import Event, TileDone, TileFailed
from napari_superpixels.errors import Cancelled, PlanError

POLL_SECONDS = 0.1
"""How often a cancel is looked for while nothing finishes."""
TRIES = 2
"""How often a super-tile is tried before it counts as failed."""

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


class Stage:
    """Runs tasks that do not depend on one another."""

    def __init__(
        self, *, workers: int, cancel: threading.Event, emit: Callable[[Event], None]
    ) -> None:
        self.workers = workers
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
        PlanError
            If a task finds that the plan cannot work here.
        """
        with ThreadPoolExecutor(self.workers, thread_name_prefix="superpixels") as pool:
            try:
                self._drain(pool, tasks)
            except BaseException:
                # Also for a KeyboardInterrupt: threads must see it, or leaving would wait.
                self.stopping.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _drain(self, pool: ThreadPoolExecutor, tasks: Iterator[Task]) -> None:
        running: dict[Future[float], tuple[Task, int]] = {}
        exhausted = False
        while running or not exhausted:
            while not exhausted and len(running) < self.workers:
                task = next(tasks, None)
                exhausted = task is None
                if task is not None:
                    running[pool.submit(self._timed, task)] = (task, 1)
            self.pulse()
            finished, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in finished:
                task, attempt = running.pop(future)
                if self._settle(future, task, attempt):
                    running[pool.submit(self._timed, task)] = (task, attempt + 1)

    def _timed(self, task: Task) -> float:
        self.pulse()
        begin = time.perf_counter()
        task.work(self.pulse)
        return time.perf_counter() - begin

    def _settle(self, future: Future[float], task: Task, attempt: int) -> bool:
        """Tell the outcome of a task; return whether it is to be tried again."""
        error = future.exception()
        if error is None:
            self.done += 1
            self.pixels += task.pixels
            self.emit(TileDone(task.name, task.level, task.pixels, future.result()))
            return False
        # A plan that cannot work fails everywhere, e.g. for lack of the device's memory.
        if isinstance(error, Cancelled | PlanError) or not isinstance(error, Exception):
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
