"""Work off napari's main thread, whose outcome is told on it.

Each job has a thread of its own: Qt's pool has as many as the machine has processors, and a run
that takes hours would keep one of them from other plugins.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]

from napari_superpixels.errors import Cancelled, SuperpixelsError

T = TypeVar("T")
log = logging.getLogger(__name__)


class _Courier(QObject):
    """Carries finished jobs to the thread on which it was made."""

    arrived = Signal(object, object)


class Job(Generic[T]):
    """A function at work.

    Parameters
    ----------
    work
        What to do, off the main thread.
    then
        Told the result, on the main thread.
    otherwise
        Told the error, on the main thread; by default it is shown as one sentence.
    """

    def __init__(
        self,
        work: Callable[[], T],
        then: Callable[[T], None],
        otherwise: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._then: Callable[[T], None] | None = then
        self._otherwise: Callable[[BaseException], None] = otherwise or show
        self._courier = _Courier()
        # Queued even where the work is done by now: nobody is told before the caller has the job.
        self._courier.arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        pool = ThreadPoolExecutor(1, thread_name_prefix="superpixels-job")
        pool.submit(work).add_done_callback(self._arrive)
        pool.shutdown(wait=False)

    def drop(self, late: Callable[[T], None] | None = None) -> None:
        """Let nobody be told; what is at work goes on to its end, unheard.

        Parameters
        ----------
        late
            Given a result that comes nevertheless, to close what it holds.
        """
        self._then, self._otherwise = late, _unheard

    def _arrive(self, future: "Future[T]") -> None:
        # The job goes along, so that it is there when the word is, whether or not anybody keeps it.
        self._courier.arrived.emit(self, future)

    def _deliver(self, _job: "Job[T]", future: "Future[T]") -> None:
        then, otherwise = self._then, self._otherwise
        self.drop()  # what it would tell may hold widgets
        error = future.exception()
        if error is not None:
            otherwise(error)
        elif then is not None:
            then(future.result())


def _unheard(_error: BaseException) -> None:
    """Tell nobody."""


def show(error: BaseException) -> None:
    """Show an error as one sentence; what nobody foresaw also goes to the log, with its trace."""
    if isinstance(error, Cancelled):
        return
    show_error(sentence_of(error))


def sentence_of(error: BaseException) -> str:
    """Return one sentence for a person; no traceback."""
    if isinstance(error, SuperpixelsError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return (
            f"{where}{error.strerror}; look whether it can be written there and the disk has room."
        )
    if isinstance(error, MemoryError):
        return "There is not enough memory for this; close other images, or choose a coarser level."
    log.error("An error that nobody foresaw", exc_info=error)
    text: Any = " ".join(str(error).split())
    return f"Something went wrong ({type(error).__name__}: {text}); the log tells more."
