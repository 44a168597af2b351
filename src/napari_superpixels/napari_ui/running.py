"""A run: planned, asked for where it is long, computed and opened off the main thread."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from napari.utils import progress as ActivityBar  # noqa: N812 - a class, whatever its name
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer

from napari_superpixels import api
from napari_superpixels.engine.events import Report
from napari_superpixels.engine.live import CACHE_BYTES
from napari_superpixels.engine.manifest import Resumable
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import partial_path
from napari_superpixels.engine.tally import Progress, Tally
from napari_superpixels.errors import Cancelled, TakenError
from napari_superpixels.models.outputs import Superpixels
from napari_superpixels.napari_ui.background import Job, sentence_of
from napari_superpixels.napari_ui.live_borders import Borders
from napari_superpixels.napari_ui.outputs import Output, Place, place_for
from napari_superpixels.napari_ui.placement import labels_placement
from napari_superpixels.napari_ui.reader import LayerData, read
from napari_superpixels.napari_ui.resolve import Request
from napari_superpixels.napari_ui.wanted import plan_of

LONG_PX = 200_000_000
"""Pixels from which on a click on Run shows what would be done and asks first."""
POLL_MS = 100
"""How often the progress is looked at."""


P = TypeVar("P", bound=Resumable)
F = TypeVar("F")


class Wanted(Protocol[P, F]):
    """What a user wants to have computed and written, whatever it is."""

    @property
    def output(self) -> Output:
        """Where to write it."""
        ...

    @property
    def name(self) -> str:
        """What the run is called."""
        ...

    def plan(self, cancel: threading.Event) -> P:
        """Return what will be done; not called on the main thread."""
        ...

    def asks(self, plan: P) -> bool:
        """Whether to ask before it is begun."""
        ...

    def write(self, plan: P, place: Place, tally: Tally, cancel: threading.Event) -> F:
        """Compute, write and open it; not called on the main thread."""
        ...

    def step(self, plan: P) -> int | None:
        """Return the step of superpixels in pixels, where superpixels are counted."""
        ...

    def outcome(self, finished: F) -> str:
        """Return in a sentence what came of it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Errand:
    """What a user wants to run."""

    request: Request
    """What to compute."""
    output: Output
    """Where to write it."""
    name: str
    """Image, method and step."""
    ask: bool
    """Whether to ask before a long run."""
    boundaries: bool = False
    """Whether to show borders of the finished labels too."""
    cache_bytes: int = CACHE_BYTES
    """Memory that their tiles may be kept in."""

    def plan(self, cancel: threading.Event) -> Plan:
        """Return the plan of the request, its kernels ready."""
        return plan_of(self.request, cancel)

    def asks(self, plan: Plan) -> bool:
        """Whether the run is long, and a person is there to be asked."""
        return self.ask and pixels_of(plan) > LONG_PX

    def write(self, plan: Plan, place: Place, tally: Tally, cancel: threading.Event) -> "Finished":
        """Run, and open the output."""
        result = api.run(plan, place.path, listener=tally, cancel=cancel, resume=place.resume)
        layers = tuple(placed(one, self, plan) for one in read(str(result.path)))
        bordered = self.boundaries and plan.output.labels
        borders = Borders(result.path, self.cache_bytes) if bordered else None
        return Finished(plan, result.path, result.report, layers, borders)

    def step(self, plan: Plan) -> int | None:
        """Return the step of superpixels; None of other outputs."""
        return plan.method.step if plan.output.kind == Superpixels.kind else None

    def outcome(self, finished: "Finished") -> str:
        """Return what was written, and where."""
        count, noun = finished.report.superpixels, finished.plan.output.noun
        found = noun if count is None else f"{count:,} superpixels"
        return f"Run: {found} in {finished.path.name}."


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A run that came to its end."""

    plan: Plan
    """What was computed."""
    path: Path
    """Where it lies."""
    report: Report
    """What was done."""
    layers: tuple[LayerData, ...]
    """What to add to the viewer: one of labels, or those of an image."""
    borders: Borders | None
    """The boundaries to add over labels."""


class Answer(Protocol):
    """Told whether to go on."""

    def __call__(self, *, go_on: bool) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Listeners(Generic[P, F]):
    """Who is told of a run, all on the main thread."""

    moved: Callable[[Progress, int | None], None]
    """How far it is, and the step of superpixels in pixels."""
    asked: "Callable[[P, Answer], Callable[[], None]]"
    """Shows a plan, and passes on what the user answers; returns what takes the question away."""
    finished: Callable[[F], None]
    """The outcome."""
    ended: Callable[[str], None]
    """That nothing runs any more, and the outcome in a sentence; empty where there is none."""


class Run(Generic[P, F]):
    """One run, from the click to the layer.

    Parameters
    ----------
    errand
        What to run.
    listeners
        Who is told.
    """

    def __init__(self, errand: Wanted[P, F], listeners: Listeners[P, F]) -> None:
        self.errand, self._listeners = errand, listeners
        self._cancel = threading.Event()
        self._tally = Tally()
        self._plan: P | None = None
        self._place: Place | None = None
        self._reason = ""
        self._take_away: Callable[[], None] | None = None
        self._bar: ActivityBar | None = None
        self._timer = QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._look)
        self._job: Job[Any] = Job(
            partial(errand.plan, self._cancel),
            self._planned,
            self._failed,
            self._cancel,
        )
        listeners.moved(Progress(), None)

    def cancel(self, reason: str = "The run was cancelled") -> None:
        """Stop; the user is told why, and how to go on."""
        self._reason = reason
        self._cancel.set()
        if self._bar is None:  # nothing is computed yet, so nothing has to come to an end
            self._job.drop()
            self._failed(Cancelled(reason))

    def abandon(self) -> None:
        """Stop, and tell nobody: who would be told is about to go."""
        self._cancel.set()
        self._job.drop()
        self._close()

    def _planned(self, plan: P) -> None:
        self._plan = plan
        if self.errand.asks(plan):
            self._take_away = self._listeners.asked(plan, self._answered)
        else:
            self._start()

    def _answered(self, *, go_on: bool) -> None:
        if self._take_away is None:  # it is taken away
            return
        self._take_away = None
        if go_on:
            self._start()
        else:
            self._end("")

    def _start(self) -> None:
        assert self._plan is not None, "planned first"
        # Making a bar lets Qt deliver what waits: before there is anything to be delivered.
        bar = ActivityBar(total=0, desc=f"Run of {self.errand.name}")
        if self._cancel.is_set():
            bar.close()
            return
        self._bar = bar
        self._timer.start()
        self._job = Job(partial(self._work, self._plan), self._finished, self._failed, self._cancel)

    def _work(self, plan: P) -> F:
        """Run; where another took the proposed place in between, at the next.

        The only method that is not called on the main thread.
        """
        taken: set[Path] = set()
        while True:
            self._place = place = place_for(self.errand.output, plan, taken)
            try:
                return self.errand.write(plan, place, self._tally, self._cancel)
            except TakenError:
                if self.errand.output.typed:
                    raise
                taken.add(place.path)

    def _look(self) -> None:
        assert self._plan is not None, "planned first"
        progress = self._tally.progress
        if self._bar is not None and progress.tiles:
            self._bar.total = progress.tiles
            self._bar.update(progress.done - self._bar.n)
        self._listeners.moved(progress, self.errand.step(self._plan))

    def _finished(self, finished: F) -> None:
        self._close()
        self._listeners.finished(finished)
        self._end(self.errand.outcome(finished))

    def _failed(self, error: BaseException) -> None:
        self._close()
        if isinstance(error, Cancelled):
            sentence = cancelled_sentence(self._reason, self._place)
            show_info(sentence)
        else:
            sentence = sentence_of(error)
            show_error(sentence)
        self._end(sentence)

    def _end(self, outcome: str) -> None:
        self._close()
        self._listeners.ended(outcome)

    def _close(self) -> None:
        self._timer.stop()
        if self._take_away is not None:
            take_away, self._take_away = self._take_away, None
            take_away()
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def placed(layer: LayerData, errand: Errand, plan: Plan) -> LayerData:
    """Return a finished layer that lies on the layer of its image."""
    data, keywords, kind = layer
    where = labels_placement(errand.request.images[0], errand.request.level, plan)
    return data, keywords | where.as_layer_kwargs(), kind


def pixels_of(plan: Plan) -> int:
    """Return how many pixels a plan writes at its finest level."""
    return prod(plan.pixels.shape) * len(plan.planes)


def cancelled_sentence(reason: str, place: Place | None) -> str:
    """Return where what is done lies, and how to go on."""
    if place is None or not partial_path(place.path).exists():
        return f"{reason} before anything was done; press Run to begin anew."
    return (
        f"{reason}; what is done lies in {partial_path(place.path)}: press Run with the same "
        f"settings to go on."
    )
