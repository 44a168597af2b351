"""Bands: a range of rows cut into pieces that threads work on, with a pulse between them."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

BANDS_A_THREAD = 4
"""Pieces a thread: enough that one slow core does not keep the others waiting for long."""


@dataclass(frozen=True, slots=True)
class Bands:
    """Runs a task over bands of a range, in this thread or in a pool's."""

    pool: Executor | None
    """Where to run; None for the calling thread."""
    pieces: int
    """Into how many bands a range is cut."""
    pulse: Callable[[], None]
    """Called, in the calling thread, after every band; what it raises ends the work."""

    def cut(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Cut a range into bands of nearly equal length; none is empty."""
        pieces = max(1, min(self.pieces, stop - start))
        edges = [start + (stop - start) * i // pieces for i in range(pieces + 1)]
        return [(a, b) for a, b in pairwise(edges) if a < b]

    def run(self, task: Callable[[int, int], None], start: int, stop: int) -> None:
        """Call ``task(first, last)`` for every band and wait for all of them."""
        if self.pool is None:
            for band in self.cut(start, stop):
                task(*band)
                self.pulse()
            return
        futures = [self.pool.submit(task, *band) for band in self.cut(start, stop)]
        try:
            for future in as_completed(futures):
                future.result()
                self.pulse()
        finally:
            for future in futures:
                future.cancel()


@contextmanager
def banded(threads: int, pulse: Callable[[], None]) -> Iterator[Bands]:
    """Open the threads for as long as the work lasts; none are started for a single one."""
    if threads <= 1:
        yield Bands(None, BANDS_A_THREAD, pulse)
        return
    with ThreadPoolExecutor(threads, "napari-superpixels-slic") as pool:
        yield Bands(pool, BANDS_A_THREAD * threads, pulse)
