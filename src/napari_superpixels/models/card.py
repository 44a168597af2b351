"""A graphics card as a place to work: who is on it, and how pixels get there and back.

At most `SLOTS` threads are on it at once, each on the stream of its slot, so that one tile is
copied while another is computed. Memory that is free again is kept for the stream that had it;
since the streams stay the same few, what a run takes has a bound.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from threading import Condition, Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_superpixels.models.visits import Visit, note

SLOTS = 2
"""Tiles on a card at once."""
HELD_BYTES = 4 << 30
"""Of what tiles leave on a card for connectivity on the processor, so much may be there at once."""


class Slots:
    """Lets so many threads in at once, or one alone."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.places = deque(range(count))
        self.changed = Condition()
        self.aside = [0] * count
        """By slot, bytes that the allocator keeps for its stream."""
        self.shortages = 0
        """How often the card was out of memory until it was last left empty."""

    @property
    def free(self) -> int:
        """How many are not taken."""
        return len(self.places)

    @contextmanager
    def taken(self, *, alone: bool = False) -> Iterator[int]:
        """Wait for a slot, or for all of them; give the number of one that nobody else has."""
        needed = self.count if alone else 1
        with self.changed:
            self.changed.wait_for(lambda: self.free >= needed)
            mine = [self.places.popleft() for _ in range(needed)]
        try:
            yield mine[0]
        finally:
            with self.changed:
                # First those that were used last: a run that needs one leaves the others alone.
                self.places.extendleft(reversed(mine))
                self.changed.notify_all()


class Room:
    """Lets in what fits beside what is in, and anything alone."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self.changed = Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Wait until so much fits."""
        with self.changed:
            self.changed.wait_for(lambda: not self.used or self.used + size <= self.size)
            self.used += size
        try:
            yield
        finally:
            with self.changed:
                self.used -= size
                self.changed.notify_all()


class Clock:
    """Cuts the time in which a card is at work, for several tiles at once, into pieces."""

    def __init__(self) -> None:
        self.active = 0
        self.mark = 0.0
        self.lock = Lock()

    def begin(self) -> None:
        """Another tile is there."""
        with self.lock:
            if not self.active:
                self.mark = time.perf_counter()
            self.active += 1

    def end(self) -> tuple[float, float]:
        """A tile is done; return begin, since 1970, and length of what no other was given."""
        with self.lock:
            now = time.perf_counter()
            seconds, self.mark = now - self.mark, now
            self.active -= 1
        return time.time() - seconds, seconds


@lru_cache(maxsize=16)
def clock(device: str) -> Clock:
    """Return the clock of a card in this process."""
    return Clock()


_running: ContextVar[list[Clock] | None] = ContextVar("running", default=None)
"""Clocks that run for the work on a card that this is."""


@contextmanager
def _timed(device: str) -> Iterator[None]:
    """Note when the card is at work: from the first pixels sent, for what is done before is not."""
    running: list[Clock] = []
    token = _running.set(running)
    try:
        yield
    finally:
        _running.reset(token)
        for each in running:
            note(Visit(device, *each.end()))


def _start_clock(device: str) -> None:
    """Begin to count, unless that is done already."""
    running = _running.get()
    if running == []:
        clock(device).begin()
        running.append(clock(device))


@lru_cache(maxsize=16)
def slots(device: str) -> Slots:
    """Return the slots of a card in this process."""
    return Slots(SLOTS)


@lru_cache(maxsize=16 * SLOTS)
def stream_of(device: str, slot: int) -> Any:
    """Return the stream of a slot, always the same; for who has the slot."""
    stream: Any = torch.cuda.Stream
    return stream(device)


@lru_cache(maxsize=16)
def room(device: str) -> Room:
    """Return the room for what stays on a card of this process."""
    return Room(HELD_BYTES)


@contextmanager
def held_on(device: str, size: int) -> Iterator[None]:
    """Wait until a tile may leave so many bytes on the card beyond `on_card`, which is inside.

    Nothing is waited for on the processor.
    """
    if torch.device(device).type != "cuda":
        yield
        return
    with room(device).taken(size):
        yield


@contextmanager
def on_card(device: str, *, alone: bool = False) -> Iterator[int]:
    """Wait for a slot of the card, or until nobody else is on it, and work on the slot's stream.

    Gives the number of the slot. Nothing is waited for on the processor, nor in Triton's
    interpreter there.
    """
    if torch.device(device).type != "cuda":
        yield 0
        return
    with slots(device).taken(alone=alone) as slot, torch.cuda.device(device):
        if alone:
            torch.cuda.empty_cache()
        with torch.cuda.stream(stream_of(device, slot)), _timed(device):
            yield slot


@contextmanager
def sufficing(device: str, slot: int, size: int) -> Iterator[None]:
    """Inside `on_card`: set memory aside for its slot, and see to it that none is ever short.

    Where a convolution's working memory cannot be had, cuDNN takes another algorithm, with other
    last bits, and remembers it; nothing is raised, but the allocator counts it.

    Parameters
    ----------
    device, slot
        What `on_card` was given, and gave.
    size
        Bytes that the work needs at most.

    Raises
    ------
    torch.OutOfMemoryError
        If the memory was short, before the work or in it, of this tile or of one beside it.
    """
    if torch.device(device).type != "cuda":
        yield
        return
    here = slots(device)
    with here.changed:
        if here.free == here.count - 1:
            here.shortages = _shortages(device)
    if here.aside[slot] < size:
        torch.empty(size, dtype=torch.uint8, device=device)  # kept for the stream when it is freed
        here.aside[slot] = size
    yield
    if _shortages(device) != here.shortages:
        raise torch.OutOfMemoryError(f"{device} was short of memory meanwhile.")


def _shortages(device: str) -> int:
    """Return how often the allocator found no memory, also where it was made do without."""
    return int(torch.cuda.memory_stats(device).get("num_ooms", 0))


OUT_OF_MEMORY = ("out of memory", "STATUS_ALLOC_FAILED", "unable to find an engine")
"""What errors say, of any class: the last is cuDNN's that has tried all algorithms."""


def is_shortage(error: RuntimeError) -> bool:
    """Return whether an error says that a card's memory does not suffice."""
    told = any(words in str(error) for words in OUT_OF_MEMORY)
    return told or isinstance(error, torch.OutOfMemoryError)


def to_device(array: NDArray[Any], device: str) -> Tensor:
    """Copy an array to a device, by way of memory that the card reads on its own.

    Booleans become bytes.
    """
    there = torch.device(device)
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    # Readers give read-only arrays, and torch warns of those; nothing is written here. It takes no
    # array that runs backwards either.
    plain = array.flags.writeable and min(array.strides, default=0) >= 0
    host = torch.from_numpy(array if plain else array.copy(order="K"))
    if there.type != "cuda":
        return host
    pinned = host.pin_memory()
    _start_clock(device)
    return pinned.to(there, non_blocking=True)


def to_host(tensor: Tensor) -> NDArray[Any]:
    """Copy a tensor back, and wait for it."""
    if tensor.device.type != "cuda":
        plain: NDArray[Any] = tensor.numpy()
        return plain
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    host.copy_(tensor, non_blocking=True)
    torch.cuda.current_stream(tensor.device).synchronize()
    array: NDArray[Any] = host.numpy()
    return array
