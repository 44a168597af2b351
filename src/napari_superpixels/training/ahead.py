"""Batches that are read in threads while others are worked on, in order and never too many."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from napari_superpixels.training.data import Batch

AHEAD = 2
"""Batches that are read ahead for each thread that reads."""

Batches = tuple[Batch, ...]


@contextmanager
def read_ahead(
    read: Callable[[int], Batches], numbers: range, threads: int
) -> Iterator[Iterator[Batches]]:
    """Read batches in threads while others are worked on, in order and never too many.

    Parameters
    ----------
    read
        Number of a step -> its batches.
    numbers
        The steps.
    threads
        How many threads read.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        yield _ordered(lambda number: pool.submit(read, number), numbers, AHEAD * threads)
    finally:
        pool.shutdown(cancel_futures=True)


def _ordered(
    submit: Callable[[int], "Future[Batches]"], numbers: range, ahead: int
) -> Iterator[Batches]:
    waiting: list[Future[Batches]] = []
    for number in numbers:
        waiting.append(submit(number))
        if len(waiting) > ahead:
            yield waiting.pop(0).result()
    while waiting:
        yield waiting.pop(0).result()
