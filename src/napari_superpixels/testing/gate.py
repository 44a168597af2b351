"""A reader that waits: what happens meanwhile is decided by a test and not by time."""

import threading
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.io import Source

PATIENCE_SECONDS = 60.0
"""After so long a test has gone wrong."""


@dataclass
class Gate:
    """Passes reads on while it is open, and tells of every read that has begun."""

    reader: Any
    opened: threading.Event = field(default_factory=threading.Event)
    begun: "SimpleQueue[tuple[slice, ...]]" = field(default_factory=SimpleQueue)
    """The boxes that were asked for."""
    free: int = 0
    """How many reads still pass while it is closed."""
    threads: set[int] = field(default_factory=set)
    """Which threads have read."""

    _counting: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes as stored."""
        shape: tuple[int, ...] = self.reader.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        dtype: np.dtype[Any] = self.reader.dtype
        return dtype

    @property
    def chunks(self) -> tuple[int, ...]:
        """Sizes of the blocks that are cheap to read."""
        chunks: tuple[int, ...] = self.reader.chunks
        return chunks

    def read(self, box: tuple[slice, ...]) -> NDArray[Any]:
        """Return a box of samples when the gate is open."""
        self.threads.add(threading.get_ident())
        self.begun.put(box)
        with self._counting:
            passes, self.free = self.free > 0, self.free - 1
        assert passes or self.opened.wait(PATIENCE_SECONDS), "nobody opened the gate"
        samples: NDArray[Any] = self.reader.read(box)
        return samples


def gated(source: Source, *, is_open: bool = False, free: int = 0) -> tuple[Source, Gate]:
    """Return a source behind a gate, and the gate."""
    gate = Gate(source.reader, free=free)
    if is_open:
        gate.opened.set()
    return replace(source, reader=gate), gate
