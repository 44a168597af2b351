"""The machinery of a live view: levels whose bytes are there at once or come later."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.engine.live_tiles import (
    Requests,
    TileCache,
    TileKey,
    TileLevel,
    from_the_middle,
    pasted,
)
from napari_superpixels.engine.live_worker import WORKER
from napari_superpixels.errors import Cancelled
from napari_superpixels.tiling import Box

LOGGER = logging.getLogger(__name__)

CACHE_BYTES = 256 * 2**20
"""Tiles that a view keeps."""

RECENT = 8
"""Tiles whose mean time is told."""

_numbers = count()
"""Numbers of requests: of two, the newer has the larger."""


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """How far a live view is."""

    done: int
    """Tiles made so far."""
    waiting: int
    """Tiles that are to be made."""
    failed: int
    """Tiles that could not be made; they stay empty."""
    seconds_per_tile: float | None
    """Mean of the last few; None before the first."""
    closed: bool


@dataclass(eq=False, slots=True)
class _Job:
    key: TileKey
    cancelled: bool = False

    def pulse(self) -> None:
        if self.cancelled:
            raise Cancelled("The tile is not wanted any more.")


@dataclass(eq=False)
class _State:
    """What the asking threads and the worker share, under one lock."""

    cache: TileCache
    requests: Requests = field(default_factory=Requests)
    job: _Job | None = None
    failed: set[TileKey] = field(default_factory=set)
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    done: int = 0
    closed: bool = False

    @property
    def idle(self) -> bool:
        return self.job is None and self.requests.next() is None


def nothing() -> None:
    """Tell nobody."""


def log_error(error: Exception) -> None:
    """Write an error to the log."""
    LOGGER.error("%s", error)


class TileView:
    """Levels of tiles: `read` never blocks, what is missing comes later and `on_change` tells.

    Parameters
    ----------
    levels
        The finest first.
    cache_bytes
        What is kept of the tiles.
    on_change
        Called by the worker after each tile.
    on_error
        Called by the worker with the error of the first tile that could not be made.
    """

    def __init__(
        self,
        levels: Sequence[TileLevel],
        *,
        cache_bytes: int = CACHE_BYTES,
        on_change: Callable[[], None] = nothing,
        on_error: Callable[[Exception], None] = log_error,
    ) -> None:
        self.levels = tuple(levels)
        self._on_change, self._on_error = on_change, on_error
        self._capacities = tuple(
            max(1, cache_bytes // (level.dtype.itemsize * prod(level.grid.edge)))
            for level in self.levels
        )
        self._state = _State(TileCache(cache_bytes))
        self._changed = threading.Condition()

    def read(self, level: int, planes: Sequence[int], box: Box) -> NDArray[Any]:
        """Return the values of a box of some planes, shape (planes, Y, X), as far as known now.

        Tiles that are missing are asked for: the newest request goes first, and in it the middle.
        Where a request shows more than the cache holds, its outer tiles stay empty.
        """
        made_by = self.levels[level]
        out = np.full((len(planes), *box.shape), made_by.nothing, made_by.dtype)
        extent = made_by.grid.extent
        inside = box.clip(extent)
        shown = [plane for plane in dict.fromkeys(planes) if plane in made_by.planes]
        if not all(inside.shape) or not shown:
            return out
        blank = made_by.blank(inside)
        tiles = self._ask(level, shown, inside)
        for number, plane in enumerate(planes):
            if plane in made_by.planes:
                part = out[number][inside.relative_to(box).slices]
                part[...] = blank
                pasted(part, inside, tiles.get(plane, ()))
        return out

    def status(self) -> LiveStatus:
        """Return how far it is."""
        with self._changed:
            state = self._state
            mean = float(np.mean(state.seconds)) if state.seconds else None
            waiting = len(state.requests.waiting())
            return LiveStatus(state.done, waiting, len(state.failed), mean, state.closed)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is to be made; whether that came true in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._state.idle, timeout)

    def close(self) -> None:
        """Forget all tiles and requests; the tile in work is cancelled."""
        with self._changed:
            state = self._state
            state.closed = True
            state.requests.clear()
            state.cache.clear()
            if state.job is not None:
                state.job.cancelled = True
            self._changed.notify_all()
        WORKER.forget(self)

    def _ask(
        self, level: int, planes: Sequence[int], box: Box
    ) -> dict[int, list[tuple[Box, NDArray[Any]]]]:
        """Return the tiles that are there, by plane, and ask for the others."""
        made_by = self.levels[level]
        if not made_by.has_tiles:
            return {}
        ranges = made_by.grid.touching(box)
        wanted = from_the_middle(level, planes, ranges, self._capacities[level])
        with self._changed:
            state = self._state
            # The innermost is touched last, so it is the last that the cache forgets.
            there = {key: state.cache.get(key) for key in reversed(wanted)}
            if not state.closed:
                self._request((level, tuple(planes), box), wanted, there)
            pending = state.requests.next() is not None
        if pending:
            WORKER.wake(self)
            if self.status().closed:  # between the two lines above: the worker forgot it too early
                WORKER.forget(self)
        found: dict[int, list[tuple[Box, NDArray[Any]]]] = {}
        for key, tile in there.items():
            if tile is not None:
                place = made_by.grid.box(key.row, key.column)
                found.setdefault(key.plane, []).append((place, tile))
        return found

    def _request(
        self,
        place: tuple[int, tuple[int, ...], Box],
        wanted: Sequence[TileKey],
        there: dict[TileKey, NDArray[Any] | None],
    ) -> None:
        state = self._state
        request = state.requests.ask(
            place,
            next(_numbers),
            wanted,
            lambda key: there[key] is not None or key in state.failed,
        )
        if request.missing and state.job is not None and state.job.key not in request.wanted:
            state.job.cancelled = True  # it comes back when nothing newer is left

    # What the worker calls.

    def newest(self) -> int | None:
        """Return when the tile to be made next was asked for, None where there is none."""
        with self._changed:
            following = self._state.requests.next()
            return None if following is None else following[0]

    def work(self) -> None:
        """Make the next tile, and tell."""
        job = self._begin()
        if job is None:
            return
        begin = time.perf_counter()
        try:
            tile = self._make(job)
        except Cancelled:
            tell: Callable[[], None] = nothing
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the user's to know
            tell = self._fail(job, error)
        else:
            tell = self._keep(job, tile, time.perf_counter() - begin)
        try:
            tell()
        except Exception:
            LOGGER.exception("A listener of a live view failed.")
        finally:
            with self._changed:
                self._state.job = None
                self._changed.notify_all()

    def _begin(self) -> _Job | None:
        with self._changed:
            following = self._state.requests.next()
            self._state.job = None if following is None else _Job(following[1])
            return self._state.job

    def _make(self, job: _Job) -> NDArray[Any]:
        level, plane, row, column = job.key
        made_by = self.levels[level]
        job.pulse()
        return made_by.make(plane, made_by.grid.box(row, column), job.pulse)

    def _keep(self, job: _Job, tile: NDArray[Any], seconds: float) -> Callable[[], None]:
        with self._changed:
            state = self._state
            if state.closed:
                return nothing
            state.cache.put(job.key, tile, wanted=state.requests.wants(job.key))
            state.requests.made(job.key)
            state.seconds.append(seconds)
            state.done += 1
        return self._on_change

    def _fail(self, job: _Job, error: Exception) -> Callable[[], None]:
        with self._changed:
            state = self._state
            if state.closed:
                return nothing
            first = not state.failed
            state.failed.add(job.key)
            state.requests.made(job.key)
        return (lambda: self._on_error(error)) if first else nothing


class LiveTiles:
    """What all live views offer beside their levels."""

    _view: TileView

    def status(self) -> LiveStatus:
        """Return how far it is."""
        return self._view.status()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is to be made; whether that came true in time (seconds)."""
        return self._view.wait(timeout)

    def close(self) -> None:
        """Forget all tiles and requests; the tile in work is cancelled. May be called again."""
        self._view.close()
