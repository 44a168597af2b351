"""How a run is followed: a bar on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import typer

from napari_superpixels.engine.events import (
    Event,
    RunStarted,
    TileDone,
    TileFailed,
    TilesLost,
    speed,
)
from napari_superpixels.engine.tally import Tally, duration

if TYPE_CHECKING:
    from rich.console import Console

    from napari_superpixels.engine.events import Listener

FIRST_USE = "The first run compiles for this machine, which may take some minutes."
PLAIN_SECONDS = 30.0
"""How often a run tells how far it is, where there is no terminal for a bar."""


def progress(*, quiet: bool) -> "AbstractContextManager[Listener | None]":
    """Return a listener that shows the run on standard error, as long as it is entered."""
    if quiet:
        return nullcontext(None)
    from rich.console import Console

    console = Console(stderr=True)
    return _bar(console) if console.is_terminal else nullcontext(PlainLines(_complain))


class PlainLines:
    """Tells how far a run is, one line about every half minute.

    Parameters
    ----------
    tell
        Is given each line.
    clock
        Returns seconds.
    """

    def __init__(
        self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._tally = Tally(clock)
        self._told = clock()
        self._things = "tile"

    def __call__(self, event: Event) -> None:
        """Listen to an event."""
        self._tally(event)
        if isinstance(event, RunStarted):
            self._start(event)
        elif isinstance(event, TileDone):
            self._count()
        elif isinstance(event, TileFailed):
            self._tell(failure_line(event))
        elif isinstance(event, TilesLost):
            self._tell(loss_line(event))

    def _start(self, event: RunStarted) -> None:
        self._told = self._clock()
        known = f", {event.done} of them done" if event.done else ""
        self._things = event.things
        self._tell(f"Working on {_counted(event.tiles, event.things)}{known}.")
        if _is_first_use():
            self._tell(FIRST_USE)

    def _count(self) -> None:
        now = self._clock()
        if now - self._told < PLAIN_SECONDS:
            return
        self._told = now
        progress = self._tally.progress
        rate = progress.pixels_per_second
        self._tell(
            f"{progress.done} of {_counted(progress.tiles, self._things)}, "
            f"{f'{speed(rate)}, ' if rate else ''}"
            f"about {duration(progress.seconds_left or 0.0)} left"
        )


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"


def failure_line(event: TileFailed) -> str:
    """Return what failed as one line."""
    again = "trying again" if event.retrying else "given up"
    return f"{event.place}: {event.message} ({again})"


def loss_line(event: TilesLost) -> str:
    """Return what was found lost as one line."""
    count = len(event.tiles)
    what = "1 finished tile was" if count == 1 else f"{count} finished tiles were"
    return f"{what} altered or lost on disk (tile {event.tiles[0]}); what it touches is done again."


def _is_first_use() -> bool:
    from napari_superpixels.engine.warm import is_first_use  # not loaded to print a help text

    return is_first_use()


def _complain(line: str) -> None:
    typer.echo(line, err=True)


@contextmanager
def _bar(console: "Console") -> "Iterator[Listener]":
    """Show a bar with the time left."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}s"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        bar = shown.add_task("tile")

        def listen(event: Event) -> None:
            if isinstance(event, RunStarted):
                shown.update(bar, description=event.things, total=event.tiles, completed=event.done)
                if _is_first_use():
                    shown.console.print(FIRST_USE)
            elif isinstance(event, TileDone):
                shown.advance(bar)
            elif isinstance(event, TileFailed):
                shown.console.print(failure_line(event), style="red", markup=False)
            elif isinstance(event, TilesLost):
                shown.console.print(loss_line(event), style="yellow", markup=False)

        yield listen
