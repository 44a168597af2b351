"""What a worker thread leaves for the main thread, to be fetched by a timer; no Qt."""

import threading
from collections import deque


class Mailbox:
    """A flag and some errors; any thread may leave them, and one fetches them."""

    def __init__(self) -> None:
        self._changed = threading.Event()
        self._errors: deque[Exception] = deque(maxlen=1)

    def changed(self) -> None:
        """Leave word that there is something new to see."""
        self._changed.set()

    def failed(self, error: Exception) -> None:
        """Leave an error; of several that nobody fetched the last one counts."""
        self._errors.append(error)

    def fetch_change(self) -> bool:
        """Return whether there is something new since this was asked last."""
        seen = self._changed.is_set()
        self._changed.clear()
        return seen

    def fetch_error(self) -> Exception | None:
        """Return an error once."""
        return self._errors.popleft() if self._errors else None
