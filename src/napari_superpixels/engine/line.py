"""The crew of a local run: a line of stages, each with threads of its own, that work side by side.

::

    read  ->  compute  ->  finish, write

A super-tile keeps its place in a stage until the next stage has one for it, so there are never more
in memory than there are places; a slow stage makes those before it wait, and none after it.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

from napari_superpixels.engine.cost import Lanes
from napari_superpixels.engine.events import Span
from napari_superpixels.engine.stage import POLL_SECONDS, Pulse, Spans, Task, timed_step


@dataclass(eq=False, slots=True)
class _Flight:
    """A super-tile on its way."""

    task: Task
    pulse: Pulse
    value: Any = None
    """What the last step returned."""
    spans: list[Span] = field(default_factory=list)
    future: Future[Spans] = field(default_factory=Future)

    def take(self, step: str) -> None:
        """Take one step."""
        self.pulse()
        self.value, spans = timed_step(self.task, step, self.value, self.pulse)
        self.spans.extend(spans)


class _Room:
    """The threads of one stage."""

    def __init__(self, steps: tuple[str, ...], places: int) -> None:
        self.steps = steps
        self.places = threading.Semaphore(places)
        self.pool = ThreadPoolExecutor(places, thread_name_prefix=f"superpixels-{steps[-1]}")

    def enter(self, work: Callable[[], None], pulse: Pulse) -> None:
        """Wait for a place, and let the work be done there; `leave` when it is."""
        while not self.places.acquire(timeout=POLL_SECONDS):
            pulse()
        self.pool.submit(work)

    def leave(self) -> None:
        """Give a place back."""
        self.places.release()


class Line:
    """Threads of this process.

    Parameters
    ----------
    lanes
        How many super-tiles are at each step at once.
    make_ready
        Loads what computes the finest level, or refuses to.
    """

    def __init__(self, lanes: Lanes, make_ready: Callable[[], None] = lambda: None) -> None:
        self.make_ready = make_ready
        self.threads = lanes.threads
        self.places = {"read": lanes.read, "compute": lanes.compute, "write": lanes.write}
        steps = (("read",), ("compute",), ("finish", "write"))
        pairs = zip(steps, self.places.values(), strict=True)
        self._rooms = [_Room(*pair) for pair in pairs]

    @property
    def width(self) -> int:
        """How many super-tiles are under way at once."""
        return sum(self.places.values())

    def __enter__(self) -> Self:
        """Begin; threads start when there is work."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the threads."""
        for room in self._rooms:
            room.pool.shutdown(wait=True)

    def start(self, task: Task, pulse: Pulse) -> Future[Spans]:
        """Hand out a task."""
        flight = _Flight(task, pulse)
        self._rooms[0].pool.submit(self._begin, flight)
        return flight.future

    def stop(self) -> None:
        """Take back what has not begun, and wait for the rest."""
        for room in self._rooms:
            room.pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self, flight: _Flight) -> None:
        """Wait for a place at the first stage, in one of its threads, and work there."""
        self._rooms[0].places.acquire()
        self._work(flight, 0)

    def _work(self, flight: _Flight, number: int) -> None:
        """Do the steps of a stage, and pass on what they gave."""
        try:
            for step in self._rooms[number].steps:
                flight.take(step)
            if number + 1 < len(self._rooms):
                onward = self._rooms[number + 1]
                onward.enter(lambda: self._work(flight, number + 1), flight.pulse)
            else:
                flight.future.set_result(tuple(flight.spans))
        except BaseException as error:  # noqa: BLE001 - it is raised where the run waits
            flight.value = None
            flight.future.set_exception(error)
        finally:
            self._rooms[number].leave()
