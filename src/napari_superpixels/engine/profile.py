"""A trace of a run, for ``chrome://tracing`` or https://ui.perfetto.dev: who did what, and when.

Written as the run goes on, so it is there, but for its last bracket, when a run is killed; both
viewers read it so.
"""

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from napari_superpixels.engine.events import Event, Listener, RunStarted, Span, TileDone, TileFailed
from napari_superpixels.engine.records import check_folder
from napari_superpixels.errors import OutputError, TakenError

log = logging.getLogger(__name__)

MICRO = 1e6
"""Times are told in microseconds."""


@contextmanager
def profiled(path: str | os.PathLike[str] | None, listener: Listener) -> Iterator[Listener]:
    """Write the trace of what a listener is told, as long as the block lasts.

    Parameters
    ----------
    path
        A new JSON file, made when the run has started; None to write none.
    listener
        Is told everything as well.

    Raises
    ------
    OutputError
        If the file exists already, or cannot be written.
    """
    if path is None:
        yield listener
        return
    check_profile(Path(path))
    with closing(_Trace(Path(path))) as trace:

        def listen(event: Event) -> None:
            trace(event)
            listener(event)

        yield listen


def check_profile(path: Path) -> None:
    """Refuse a file that is there, or whose folder is not.

    Raises
    ------
    OutputError
        If it is so.
    """
    if path.exists():
        raise TakenError(f"{path} exists already; remove it or choose another name.")
    check_folder(path.parent)


class _Trace:
    """Writes events as they come, in the format of Chrome's traces."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._begin = time.time()
        self._rows: dict[str, int] = {}
        self._broken = False

    def close(self) -> None:
        """Write the end, where there was a beginning."""
        with self._giving_up():
            if self._file is not None:
                self._file.write("\n]\n")
                self._file.close()

    def __call__(self, event: Event) -> None:
        """Listen to an event, as long as the trace can be written."""
        if not self._broken:
            with self._giving_up():
                self._tell(event)

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        """Go on without a trace where its disk is full: a run is worth more."""
        try:
            yield
        except OSError as error:
            self._broken = True
            if self._file is not None:
                with suppress(OSError):
                    self._file.close()
                self._file = None
            log.warning(
                "The profile %s cannot be written any more (%s); the run goes on without.",
                self._path,
                error.strerror or error,
            )

    def _tell(self, event: Event) -> None:
        """Write what an event tells."""
        if isinstance(event, TileDone):
            for span in event.spans:
                self._step(event.tile, span)
        elif isinstance(event, RunStarted | TileFailed):
            about = {"place": event.place} if isinstance(event, TileFailed) else {}
            at = (time.time() - self._begin) * MICRO
            self._write(type(event).__name__, "i", s="g", tid=0, ts=at, args=about)

    def _step(self, tile: str, span: Span) -> None:
        if span.thread not in self._rows:
            row = self._rows[span.thread] = len(self._rows) + 1
            self._write("thread_name", "M", tid=row, args={"name": span.thread})
        times = {"ts": (span.begin - self._begin) * MICRO, "dur": span.seconds * MICRO}
        row = self._rows[span.thread]
        self._write(f"{span.step} {tile}", "X", cat=span.step, tid=row, **times)

    def _write(self, name: str, kind: str, **facts: Any) -> None:
        file = self._file or self._open()
        before = "," if file.tell() > 1 else ""
        file.write(f"{before}\n{json.dumps({'name': name, 'ph': kind, 'pid': 1, **facts})}")

    def _open(self) -> TextIO:
        try:
            self._file = self._path.open("x", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"{self._path} cannot be written ({error.strerror}); choose another file for the "
                f"profile."
            ) from None
        self._file.write("[")
        return self._file
