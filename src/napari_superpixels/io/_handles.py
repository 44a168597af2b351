"""Open files and decoded blocks that a process keeps for a while: bounded, and closed at the end.

Readers hold paths. What they open lies here, is lent out, and is closed when too much is open,
when `close_handles` is called, or at the end of the process. Nothing of it is ever pickled.
"""

import atexit
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

MAX_OPEN = 32
"""Idle handles that are kept open."""

CACHE_BYTES = 64 * 2**20
"""Decoded tiles, strips and pictures that are kept, in bytes a process."""


class Closeable(Protocol):
    """Anything with a `close`."""

    def close(self) -> Any:
        """Let go of the file."""
        ...


Handle = TypeVar("Handle", bound=Closeable)


@dataclass(eq=False)
class _Entry:
    key: Hashable
    handle: Closeable
    users: int = 0
    doomed: bool = False


class Handles:
    """Open handles, lent to one or many threads; surplus idle ones are closed, oldest first."""

    def __init__(self, limit: int = MAX_OPEN) -> None:
        self._limit = limit
        self._lock = threading.RLock()
        self._entries: list[_Entry] = []
        self._leaves_at_exit = False

    def __len__(self) -> int:
        """Return the number of open handles."""
        return len(self._entries)

    @contextmanager
    def borrow(
        self, key: Hashable, opener: Callable[[], Handle], *, alone: bool = False
    ) -> Iterator[Handle]:
        """Lend the handle of a key, opened where there is none.

        Parameters
        ----------
        key
            What the handle is for. A forked process never sees its parent's handles.
        opener
            Opens it.
        alone
            Whether the borrower must be its only user; another one is opened where it is in use.
        """
        entry = self._take((os.getpid(), key), opener, alone=alone)
        try:
            yield entry.handle  # type: ignore[misc]
        finally:
            with self._lock:
                entry.users -= 1
                self._trim()

    def close(self) -> None:
        """Close all that is idle, and the rest when its last user is done."""
        with self._lock:
            for entry in self._entries:
                entry.doomed = True
            self._trim()

    def _take(self, key: Hashable, opener: Callable[[], Closeable], *, alone: bool) -> _Entry:
        with self._lock:
            entry = self._find(key, alone=alone)
            if entry is None:
                entry = _Entry(key, opener())
                self._close_at_exit()
            else:
                self._entries.remove(entry)
            self._entries.append(entry)
            entry.users += 1
            return entry

    def _find(self, key: Hashable, *, alone: bool) -> _Entry | None:
        for entry in self._entries:
            if entry.key == key and not entry.doomed and not (alone and entry.users):
                return entry
        return None

    def _trim(self) -> None:
        idle = [entry for entry in self._entries if not entry.users]
        surplus = len(self._entries) - self._limit
        doomed = [entry for i, entry in enumerate(idle) if entry.doomed or i < surplus]
        for entry in doomed:
            self._entries.remove(entry)
            entry.handle.close()

    def _close_at_exit(self) -> None:
        if not self._leaves_at_exit:
            self._leaves_at_exit = True
            atexit.register(self.close)


class BlockCache:
    """Decoded blocks, the least recently used forgotten first; all blocks are read-only."""

    def __init__(self, limit_bytes: int = CACHE_BYTES) -> None:
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._blocks: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """What is kept, in bytes."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return the block of a key, made where it is not kept."""
        with self._lock:
            block = self._blocks.get(key)
            if block is not None:
                self._blocks.move_to_end(key)
                return block
        block = make()
        block.flags.writeable = False
        self._keep(key, block)
        return block

    def clear(self) -> None:
        """Forget all blocks."""
        with self._lock:
            self._blocks.clear()
            self._bytes = 0

    def _keep(self, key: Hashable, block: NDArray[Any]) -> None:
        with self._lock:
            if key in self._blocks:
                return
            self._blocks[key] = block
            self._bytes += block.nbytes
            # The newest stays even if it alone is too large: a picture is decoded whole.
            while self._bytes > self._limit and len(self._blocks) > 1:
                self._bytes -= self._blocks.popitem(last=False)[1].nbytes


HANDLES = Handles()
BLOCKS = BlockCache()


def close_handles() -> None:
    """Close every file that this process holds open for reading, and forget decoded blocks."""
    HANDLES.close()
    BLOCKS.clear()


class RawFile:
    """Bytes of a file, read from many threads."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - it outlives this call
        self._lock = threading.Lock()

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from `offset`."""
        with self._lock:
            self._file.seek(offset)
            return self._file.read(count)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
