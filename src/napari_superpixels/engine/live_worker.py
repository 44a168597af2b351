"""The one thread in which live views make their tiles."""

import threading
import weakref
from queue import SimpleQueue
from typing import Protocol

NAME = "napari-superpixels-live"


class Work(Protocol):
    """Somebody who has tiles to make."""

    def newest(self) -> int | None:
        """Return when the tile to be made next was asked for, None where there is none."""
        ...

    def work(self) -> None:
        """Make that tile; raises nothing."""
        ...


class Worker:
    """A thread that makes tiles, those that were asked for last first.

    It is there from the first request on until the last view is closed or forgotten; views are
    held weakly. Daemonic: it never keeps a process alive.
    """

    def __init__(self) -> None:
        self._views: weakref.WeakSet[Work] = weakref.WeakSet()
        self._lock = threading.Lock()
        # Something is put here whenever there may be something to do. A SimpleQueue can be filled
        # by the garbage collector at any moment, where a lock could not be taken.
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def thread(self) -> threading.Thread | None:
        """The thread, None while there is none."""
        return self._thread

    def wake(self, view: Work) -> None:
        """Tell that a view has something to do."""
        with self._lock:
            if view not in self._views:
                self._views.add(view)
                weakref.finalize(view, self._bell.put, None).atexit = False
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=NAME, daemon=True)
                self._thread.start()
        self._bell.put(None)

    def forget(self, view: Work) -> None:
        """Tell that a view has nothing to do any more."""
        with self._lock:
            self._views.discard(view)
        self._bell.put(None)

    def _run(self) -> None:
        while not self._unused():
            if not self._work():
                self._bell.get()

    def _unused(self) -> bool:
        with self._lock:
            if not list(self._views):  # its length may count what is just being forgotten
                self._thread = None
            return self._thread is None

    def _work(self) -> bool:
        """Let the view with the newest request make a tile; whether there is one."""
        with self._lock:
            views = list(self._views)
        asked = [(number, view) for view in views if (number := view.newest()) is not None]
        if not asked:
            return False
        max(asked, key=lambda pair: pair[0])[1].work()
        return True


WORKER = Worker()
"""Shared by all live views of the process, for one tile takes all processors."""
