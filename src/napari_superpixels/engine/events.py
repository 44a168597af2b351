"""What the engine tells its listeners: plain values, no bars.

A listener is any callable that takes one event. Progress bars, logs, widgets and tests are
listeners; the engine knows none of them. Listeners are called from the thread that called `run`.
"""

from collections.abc import Callable
from dataclasses import dataclass

LONG_COMPILING = 1.0
"""Seconds of compiling that are worth telling."""
SLOW_MPX = 0.1
"""Rates below that many million pixels a second are told with more digits."""

CARD_BOUNDS = 0.9
"""Share of the time of ``"compute"`` from which a graphics card's work is what bounds it."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The work is known and about to begin."""

    tiles: int
    """Number of super-tiles, all levels together."""
    done: int
    """How many of them an earlier run finished."""
    pixels: int
    """Pixels of the finest level."""
    things: str = "tile"
    """What one of them is called, where they are no super-tiles."""


@dataclass(frozen=True, slots=True)
class Span:
    """When a step of a super-tile was taken."""

    step: str
    """One of `engine.stage.STEPS`, or `engine.stage.CARD`."""
    thread: str
    """Name of the thread, or of the graphics card."""
    begin: float
    """When it began, in seconds since 1970."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True, slots=True)
class TileDone:
    """A super-tile is written and recorded."""

    tile: str
    """Its name, e.g. ``0/17``: level and number."""
    level: int
    """Of the output; 0 is the finest."""
    pixels: int
    """Pixels that it wrote."""
    seconds: float
    """How long its steps took, from read to record, waiting not counted."""
    spans: tuple[Span, ...] = ()
    """Its steps, in their order, and what a graphics card did meanwhile."""


@dataclass(frozen=True, slots=True)
class TileFailed:
    """A super-tile raised an error."""

    tile: str
    """Its name."""
    place: str
    """Where it lies in the image, in words."""
    message: str
    """What went wrong."""
    retrying: bool
    """Whether it will be tried once more."""


@dataclass(frozen=True, slots=True)
class TilesLost:
    """A resume found files of super-tiles missing or altered; they are computed again."""

    tiles: tuple[str, ...]
    """Their names."""


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run came to its end, whole or not."""

    report: "Report"
    """What was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The closing summary of a run."""

    tiles: int
    """Super-tiles of the whole output."""
    computed: int
    """Super-tiles that this run computed."""
    failed: tuple[TileFailed, ...]
    """Super-tiles that stayed undone."""
    pixels: int
    """Pixels of the finest level that this run computed."""
    seconds: float
    """Wall time of this run."""
    superpixels: int | None
    """Number of superpixels in the output, 0 until it is whole; None where it holds none."""
    things: str = "superpixels"
    """What these are, where they are something else."""
    parts: str = "tiles"
    """What is counted of the work, where it is no super-tiles."""
    compiling: float = 0.0
    """Seconds of this run in which kernels were compiled, which a machine does once."""
    busy: tuple[tuple[str, float], ...] = ()
    """By stage, the share of this run's time that its threads were at work, 0 to 1.

    Last, where one was used, that of the graphics cards, for which threads of ``"compute"`` wait.
    """

    @property
    def bound(self) -> str | None:
        """The stage that bounds the speed: the busiest; None where nothing was done.

        A graphics card that is at work nearly as long as those who wait for it bounds them.
        """
        stage, share = max(self.busy, key=lambda pair: pair[1], default=("", 0.0))
        card = dict(self.busy).get("card", 0.0)
        if stage == "compute" and card >= CARD_BOUNDS * share:
            return "card"
        return stage if share else None

    @property
    def megapixels_per_second(self) -> float:
        """Rate of this run, over its wall time."""
        return self.pixels / 1e6 / max(self.seconds, 1e-9)

    def __str__(self) -> str:
        """Return the summary as one line."""
        if self.failed:
            return f"{self._work}, {len(self.failed)} failed"
        shares = ", ".join(f"{stage} {share:.0%}" for stage, share in self.busy)
        bound = f"; {self.bound} bounds it ({shares} of the time)" if self._tells_bound else ""
        counted = "" if self.superpixels is None else f", {self.superpixels} {self.things}"
        return f"{self._work}{counted}{bound}"

    @property
    def _tells_bound(self) -> bool:
        """Whether the shares of the stages say something of the next run."""
        return self.bound is not None and self.pixels > 0 and self.compiling < self.seconds / 2

    @property
    def _work(self) -> str:
        """What was done, in words."""
        if not self.computed:
            return "all was done before"
        tiles = f"{self.computed} of {self.tiles} {self.parts}"
        if not self.pixels:
            return f"{tiles}, all of coarser levels, in {self.seconds:.1f} s"
        rate = speed(self.megapixels_per_second * 1e6)
        text = f"{tiles}, {self.pixels / 1e6:.1f} Mpx in {self.seconds:.1f} s ({rate})"
        if self.compiling < LONG_COMPILING:
            return text
        return f"{text} of which {self.compiling:.0f} s went into compiling, once a machine"


Event = RunStarted | TilesLost | TileDone | TileFailed | RunFinished
Listener = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Listen to nothing."""


def speed(pixels_per_second: float) -> str:
    """Return a rate as a person reads it: in Mpx/s, slow ones with the digits that count."""
    rate = pixels_per_second / 1e6
    return f"{rate:.1f} Mpx/s" if rate >= SLOW_MPX else f"{rate:.4f} Mpx/s"
