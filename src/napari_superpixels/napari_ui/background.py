"""Work off napari's main thread, whose outcome is told on it.

Each job has a thread of its own: Qt's pool has as many as the machine has processors, and a run
that takes hours would keep one of them from other plugins. No thread keeps Python from its end:
when it ends, jobs are told so and given a moment.
"""

import atexit
import errno
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, TypeVar

from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]

from napari_superpixels.errors import Cancelled, SuperpixelsError

T = TypeVar("T")
Work = Callable[[threading.Event], T]
"""Work that ends early when the event is set."""
AT_EXIT_SECONDS = 2.0
"""How long the end of Python waits for a job that was told to stop."""
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
    cancel
        Set when the job is dropped or Python ends, for the work to look at.
    """

    def __init__(
        self,
        work: Callable[[], T],
        then: Callable[[T], None],
        otherwise: Callable[[BaseException], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        self._cancel = cancel or threading.Event()
        self._then: Callable[[T], None] | None = then
        self._otherwise: Callable[[BaseException], None] = otherwise or show
        self._courier = _Courier()
        # Queued even where the work is done by now: nobody is told before the caller has the job.
        self._courier.arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._thread = threading.Thread(
            target=self._do, args=(work,), name="superpixels-job", daemon=True
        )
        atexit.register(self._end)
        self._thread.start()

    def drop(
        self,
        late: Callable[[T], None] | None = None,
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Let nobody be told, and the work end as soon as it looks.

        Parameters
        ----------
        late
            Given a result that comes nevertheless, to close what it holds.
        failed
            Given the error in place of a result.
        """
        self._cancel.set()
        self._then, self._otherwise = late, failed or _unheard

    def _do(self, work: Callable[[], T]) -> None:
        """Be the thread."""
        future: Future[T] = Future()
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - told on the main thread, whatever it is
            future.set_exception(error)
        # The job goes along, so that it is there when the word is, whether or not anybody keeps it.
        self._courier.arrived.emit(self, future)
        atexit.unregister(self._end)

    def _end(self) -> None:
        """Python ends: a thread that stops by itself now is not torn away in the middle."""
        self._cancel.set()
        self._thread.join(AT_EXIT_SECONDS)

    def _deliver(self, _job: "Job[T]", future: "Future[T]") -> None:
        then, otherwise = self._then, self._otherwise
        self._then, self._otherwise = None, _unheard  # what it would tell may hold widgets
        error = future.exception()
        if error is not None:
            otherwise(error)
        elif then is not None:
            then(future.result())


class Latest(Generic[T]):
    """One job at a time; of those that are asked for meanwhile, the last alone is begun.

    Parameters
    ----------
    late
        Given a result that nobody wants any more, to close what it holds.
    """

    def __init__(self, late: Callable[[T], None] | None = None) -> None:
        self._late = late
        self._job: Job[T] | None = None
        self._next: Callable[[], Job[T]] | None = None
        self._wanted = False

    @property
    def busy(self) -> bool:
        """Whether a result is waited for."""
        return self._wanted or self._next is not None

    def begin(
        self,
        work: Work[T],
        then: Callable[[T], None],
        otherwise: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Do some work in place of what was asked for before; the callables are as of `Job`."""
        self.drop()
        self._next = partial(self._job_of, work, then, otherwise or show)
        if self._job is None:
            self._begin_next()

    def drop(self) -> None:
        """Let nobody be told of what was asked for last."""
        self._next, self._wanted = None, False
        if self._job is not None:
            self._job.drop(self._too_late, self._over)

    def _begin_next(self) -> None:
        following, self._next = self._next, None
        if following is not None:
            self._job, self._wanted = following(), True

    def _job_of(
        self, work: Work[T], then: Callable[[T], None], otherwise: Callable[[BaseException], None]
    ) -> Job[T]:
        cancel = threading.Event()

        def told(outcome: T) -> None:
            self._job, self._wanted = None, False
            then(outcome)

        def failed(error: BaseException) -> None:
            self._job, self._wanted = None, False
            otherwise(error)

        return Job(partial(work, cancel), told, failed, cancel)

    def _too_late(self, outcome: T) -> None:
        if self._late is not None:
            self._late(outcome)
        self._over()

    def _over(self, _: BaseException | None = None) -> None:
        self._job = None
        self._begin_next()


def _unheard(_error: BaseException) -> None:
    """Tell nobody."""


def show(error: BaseException) -> None:
    """Show an error as one sentence; what nobody foresaw also goes to the log, with its trace."""
    if isinstance(error, Cancelled):
        return
    show_error(sentence_of(error))


_REPAIRS = {
    errno.ENOSPC: "make room on the disk, or choose another folder",
    errno.EDQUOT: "make room on the disk, or choose another folder",
    errno.EROFS: "choose another folder for the output",
    errno.ENOENT: "look whether it was moved or removed",
    errno.EACCES: "ask for the right to use it, or choose another",
    errno.EPERM: "ask for the right to use it, or choose another",
}
_ANY_REPAIR = "look whether the file and its disk can be used"
"""What can be done about an error of the system, which does not tell reading from writing."""


def sentence_of(error: BaseException) -> str:
    """Return one sentence for a person; no traceback."""
    if isinstance(error, SuperpixelsError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; {_REPAIRS.get(error.errno or 0, _ANY_REPAIR)}."
    if isinstance(error, MemoryError):
        return "There is not enough memory for this; close other images, or choose a coarser level."
    log.error("An error that nobody foresaw", exc_info=error)
    text: Any = " ".join(str(error).split())
    return f"Something went wrong ({type(error).__name__}: {text}); the log tells more."
