"""Running tasks: bounded, retried once at the end, cancellable. Knows nothing of images."""

import os
import platform
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, Protocol, Self

from napari_superpixels.engine.events import Event, Span, TileDone, TileFailed
from napari_superpixels.errors import Cancelled, IncompleteRunError, OutputError, PlanError
from napari_superpixels.models.visits import visits

POLL_SECONDS = 0.1
"""How often a cancel is looked for while nothing finishes."""
TRIES = 2
"""How often a super-tile is tried before it counts as failed."""
FATAL = (Cancelled, IncompleteRunError, OutputError, PlanError)
"""What ends a run at once: nothing of it is the fault of one super-tile.

Where the output cannot be written, say, all that is computed would be in vain; a plan that cannot
work for lack of a device's memory fails everywhere."""

STEPS = ("read", "compute", "finish", "write")
"""Names of the steps of a super-tile, in their order."""
CARD = "card"
"""What a graphics card did in them, or for others meanwhile, is told beside them."""

Pulse = Callable[[], None]


class Work(ABC):
    """What is done for a super-tile; picklable, and free to be done by any thread."""

    @abstractmethod
    def read(self, before: None, pulse: Pulse) -> Any:
        """Return what is to be computed on."""

    @abstractmethod
    def compute(self, before: Any, pulse: Pulse) -> Any:
        """Return what takes the most time to find."""

    def finish(self, before: Any, pulse: Pulse) -> Any:
        """Return what is to be written."""
        del pulse
        return before

    @abstractmethod
    def write(self, before: Any, pulse: Pulse) -> None:
        """Write it, and then the record."""


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
    work: Work
    """Does the work and records it; calls the pulse often."""


Spans = tuple[Span, ...]
"""The steps of a task, in their order, each followed by what a graphics card did in it."""


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

    @property
    def places(self) -> Mapping[str, int]:
        """How many super-tiles are at most at work in each stage: read, compute, write."""
        ...

    def make_ready(self) -> None:
        """Load what computes the finest level; refuse what cannot be computed here."""
        ...

    def start(self, task: Task, pulse: Pulse) -> Future[Spans]:
        """Hand out a task; its future gives the steps that were taken."""
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


def timed_step(task: Task, step: str, before: Any, pulse: Pulse) -> tuple[Any, Spans]:
    """Take one step of a task; return what it gives, and when it was, and a card at work."""
    at, begin = time.time(), time.perf_counter()
    with visits() as noted:
        result = getattr(task.work, step)(before, pulse)
    taken = Span(step, threading.current_thread().name, at, time.perf_counter() - begin)
    here = f"{platform.node()}:{os.getpid()}"
    cards = (Span(CARD, f"{v.device} of {here}", v.begin, v.seconds) for v in noted)
    return result, (taken, *cards)


def timed(task: Task, pulse: Pulse) -> Spans:
    """Do a task, one step after the other."""
    value: Any = None
    spans: list[Span] = []
    for step in STEPS:
        pulse()
        value, more = timed_step(task, step, value, pulse)
        spans.extend(more)
    return tuple(spans)


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
        self.seconds: Counter[str] = Counter()
        self.cards: set[str] = set()
        self.failed: list[TileFailed] = []

    def busy(self, seconds: float) -> tuple[tuple[str, float], ...]:
        """Return by stage which share of so many seconds its places were at work.

        Graphics cards come last, where there were any.
        """
        spent = self.seconds + Counter(write=self.seconds["finish"])
        places = {**self.crew.places, **({CARD: len(self.cards)} if self.cards else {})}
        return tuple((s, spent[s] / n / seconds) for s, n in places.items())

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
        PlanError
            If a task finds that the plan cannot work here.
        """
        try:
            self._drain(tasks)
        except BaseException:
            # Also for a KeyboardInterrupt: the crew must see it, or leaving would wait.
            self.stopping.set()
            self.crew.stop()
            raise

    def _drain(self, tasks: Iterator[Task]) -> None:
        running: dict[Future[Spans], tuple[Task, int]] = {}
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

    def _settle(self, future: Future[Spans], task: Task, attempt: int) -> bool:
        """Tell the outcome of a task; return whether it is to be tried again."""
        error = future.exception()
        if error is None:
            self.done += 1
            self.pixels += task.pixels
            spans = future.result()
            for span in spans:
                self.seconds.update({span.step: span.seconds})
            self.cards.update(span.thread for span in spans if span.step == CARD)
            seconds = sum(span.seconds for span in spans if span.step != CARD)
            self.emit(TileDone(task.name, task.level, task.pixels, seconds, spans))
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
