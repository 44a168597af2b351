"""How far a run is, kept up to date from its events: for bars, status lines and logs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from napari_superpixels.engine.events import Event, RunStarted, TileDone


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is, at one moment."""

    tiles: int = 0
    """Super-tiles of the whole output; 0 before the run has begun."""
    done: int = 0
    """Super-tiles that are done, by this run and those before it."""
    earlier: int = 0
    """Super-tiles that an earlier run finished."""
    pixels: int = 0
    """Pixels of the finest level that this run wrote."""
    seconds: float = 0.0
    """How long this run has worked."""

    @property
    def pixels_per_second(self) -> float | None:
        """Rate of this run; None before anything is done."""
        return self.pixels / self.seconds if self.pixels and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at this rate; None before anything is done."""
        fresh = self.done - self.earlier
        return self.seconds / fresh * (self.tiles - self.done) if fresh else None


class Tally:
    """A listener that counts.

    The run's thread tells it events; any thread may ask for `progress`, a value that is replaced
    and never changed.

    Parameters
    ----------
    clock
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begin = clock()
        self._latest = Progress()

    def __call__(self, event: Event) -> None:
        """Listen to an event."""
        if isinstance(event, RunStarted):
            self._begin = self._clock()
            self._latest = Progress(tiles=event.tiles, done=event.done, earlier=event.done)
        elif isinstance(event, TileDone):
            # Coarser levels hold the same pixels again.
            fresh = event.pixels if event.level == 0 else 0
            latest = self._latest
            self._latest = replace(latest, done=latest.done + 1, pixels=latest.pixels + fresh)

    @property
    def progress(self) -> Progress:
        """How far the run is now."""
        return replace(self._latest, seconds=self._clock() - self._begin)


def duration(seconds: float) -> str:
    """Return a time as a person says it, e.g. ``"40 s"``, ``"12 min"``, ``"2.5 h"``."""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
