"""A graphics card as a place to work: who is on it, and how pixels get there and back.

A thread has a stream of its own while it is on the card, so that one tile is copied while another
is computed; and as at most `SLOTS` threads are on it at once, the memory used there has a bound.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Condition
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SLOTS = 2
"""Tiles on a card at once."""


class Slots:
    """Lets so many threads in at once, or one alone."""

    def __init__(self, count: int) -> None:
        self.free = self.count = count
        self.changed = Condition()

    @contextmanager
    def taken(self, *, alone: bool = False) -> Iterator[None]:
        """Wait for a slot, or for all of them."""
        needed = self.count if alone else 1
        with self.changed:
            self.changed.wait_for(lambda: self.free >= needed)
            self.free -= needed
        try:
            yield
        finally:
            with self.changed:
                self.free += needed
                self.changed.notify_all()


@lru_cache(maxsize=16)
def slots(device: str) -> Slots:
    """Return the slots of a card in this process."""
    return Slots(SLOTS)


@contextmanager
def on_card(device: str, *, alone: bool = False) -> Iterator[None]:
    """Wait for a slot of the card, or until nobody else is on it, and work on an own stream.

    Nothing is waited for on the processor, nor in Triton's interpreter there.
    """
    if torch.device(device).type != "cuda":
        yield
        return
    stream: Any = torch.cuda.Stream
    with slots(device).taken(alone=alone), torch.cuda.device(device):
        if alone:
            torch.cuda.empty_cache()
        with torch.cuda.stream(stream(device)):
            yield


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
    return host.pin_memory().to(there, non_blocking=True)


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
