"""A crew of `dask.distributed` workers: super-tiles by name, a bounded number of them in flight.

Nothing here is needed by local runs, and `distributed` is imported when a cluster is asked for.
"""

import logging
import pickle
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from napari_superpixels.engine.cluster_facts import facts_here, facts_of
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import RunState
from napari_superpixels.engine.stage import Pulse, Spans, Task
from napari_superpixels.errors import IncompleteRunError, InputError
from napari_superpixels.models.compute import MISSING
from napari_superpixels.models.registry import weights_files

if TYPE_CHECKING:
    from distributed import Client

    from napari_superpixels.engine.run import Hire

TASKS_PER_THREAD = 2
"""Super-tiles in flight for each thread of the cluster: one at work, one that waits."""
CONNECT_SECONDS = 10
"""How long a scheduler may take to answer."""
COUNT_SECONDS = 1.0
"""How often workers are counted, at most."""
WANTED = "wanted"
"""Folder in the state of a run with the file that is there as long as super-tiles are wanted."""

log = logging.getLogger(__name__)


@contextmanager
def connected(address: str) -> Iterator["Client"]:
    """Connect to a scheduler.

    Parameters
    ----------
    address
        Host and port, e.g. ``tcp://10.0.0.1:8786``.

    Raises
    ------
    InputError
        If `distributed` is not installed, or nobody answers.
    """
    check_installed()
    from distributed import Client

    check_address(address)
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"No scheduler answers at {address!r} ({_first_line(error)}); start one with "
            f"'dask scheduler' and give the address that it prints."
        ) from None
    try:
        yield client
    finally:
        with suppress(OSError, TimeoutError):
            client.close(timeout=2)


def check_address(address: str) -> None:
    """Refuse what is no address, before anybody is asked.

    Raises
    ------
    InputError
        If it lacks a host or the number of a port.
    """
    _, _, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(
            f"The scheduler's address is {address!r}; give host and port as the scheduler prints "
            f"them, e.g. tcp://10.0.0.1:8786."
        )


def check_installed() -> None:
    """Refuse a cluster where its library is missing.

    Raises
    ------
    InputError
        If it is.
    """
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise InputError(
            "A cluster needs dask.distributed, which is not installed; "
            "run pip install 'napari-superpixels[cluster]'."
        ) from None


def crew_of(client: Any, plan: Plan) -> "Hire":
    """Return what makes a crew of the workers of a client.

    Raises
    ------
    InputError
        If it is no client, or workers cannot open the image.
    """
    check_installed()
    from distributed import Client

    if not isinstance(client, Client) or client.asynchronous:
        raise InputError(
            f"client is {client!r}; give a dask.distributed.Client that is not asynchronous."
        )
    if client.status != "running":
        raise InputError(f"The client is {client.status}; give one that is connected.")
    if plan.source.opened is None:
        raise InputError(
            "The image, or its mask, is an array in memory, which no worker can open; write it to "
            "a file that all workers see, as an OME-Zarr, and open that."
        )
    return partial(Cluster, client)


class Cluster:
    """The workers of a scheduler, as a crew.

    Parameters
    ----------
    client
        Connected to the scheduler.
    plan
        What to compute; sent to each worker once.
    state
        Where the output lies.
    """

    threads = 1

    def __init__(self, client: "Client", plan: Plan, state: RunState) -> None:
        self.client = client
        self.plan = plan
        self.state = state
        self.run = f"superpixels-{uuid.uuid4().hex}"
        self._numbers = count()
        self._width = self._threads = 1
        self._counted = float("-inf")

    @property
    def wanted(self) -> Path:
        """The file that is there as long as super-tiles are wanted."""
        return self.state.folder.absolute() / WANTED / self.run

    @property
    def width(self) -> int:
        """How many super-tiles are to be in flight; follows the workers."""
        now = time.monotonic()
        if now - self._counted >= COUNT_SECONDS:
            self._counted = now
            with self._losing():
                threads = sum(self.client.nthreads().values())
            if not threads and self._threads:
                log.warning("The scheduler has no workers; waiting for them.")
            self._threads = threads
            self._width = max(1, TASKS_PER_THREAD * threads)
        return self._width

    @property
    def places(self) -> dict[str, int]:
        """How many super-tiles are at work at once; any may be at any stage."""
        return dict.fromkeys(("read", "compute", "write"), max(1, self._width // TASKS_PER_THREAD))

    def __enter__(self) -> Self:
        """Send the plan to the workers.

        Raises
        ------
        InputError
            If one of them would give other labels, or does not see the output.
        """
        self.state.write(self._want)
        with self._losing():
            self._check_workers()
            self.client.register_plugin(self._plan_of_workers(), name=self.run)
            self._executor = self.client.get_executor(pure=False)
        return self

    def __exit__(self, *_: object) -> None:
        """Tell the workers that it is over."""
        self.wanted.unlink(missing_ok=True)
        # Where the scheduler is gone, its workers are, too.
        with suppress(OSError, RuntimeError, TimeoutError):
            if self.client.status == "running":
                self.client.unregister_worker_plugin(self.run)

    def make_ready(self) -> None:
        """Load nothing: what can be computed is for the workers to say."""

    def start(self, task: Task, pulse: Pulse) -> Future[Spans]:
        """Hand out a super-tile."""
        from napari_superpixels.engine.cluster_worker import do_tile

        return self.hand_out(do_tile, str(self.wanted), task.name)

    def hand_out(self, function: Callable[..., Spans], *arguments: str) -> Future[Spans]:
        """Let some worker call a function, which nobody waits for in vain when it dies."""
        told: Future[Spans] = Future()
        key = "-".join(("super-tile", *arguments, str(next(self._numbers))))
        with self._losing():
            future = self._executor.submit(function, *arguments, key=key)
        future.add_done_callback(partial(self._tell, told))
        return told

    def stop(self) -> None:
        """Take back what has not begun; what has stops when it looks whether it is wanted."""
        self.wanted.unlink(missing_ok=True)
        with suppress(OSError, RuntimeError, TimeoutError):
            if self.client.status == "running":
                self._executor.shutdown(wait=False)

    def _tell(self, told: Future[Spans], future: Future[Spans]) -> None:
        """Pass an outcome on; a super-tile that nobody here cancelled tells of a lost scheduler."""
        error = self._lost() if future.cancelled() else future.exception()
        told.set_exception(error) if error else told.set_result(future.result())

    def _lost(self) -> IncompleteRunError:
        return IncompleteRunError(
            f"The scheduler {self._address} is gone; what is done is kept: start it again and "
            f"resume {str(self.state.partial).removesuffix('.partial')}."
        )

    @property
    def _address(self) -> str:
        return str(getattr(self.client.scheduler, "address", "of the cluster"))

    @contextmanager
    def _losing(self) -> Iterator[None]:
        """Say in a sentence that the scheduler is gone."""
        try:
            yield
        except (OSError, RuntimeError, TimeoutError, AttributeError):
            if self.client.status == "running":
                raise
            raise self._lost() from None
        if self.client.status != "running":
            raise self._lost()

    def _want(self) -> None:
        """Make the file that says so, and take away those of runs that died."""
        self.wanted.parent.mkdir(exist_ok=True)
        for old in self.wanted.parent.iterdir():
            old.unlink(missing_ok=True)
        self.wanted.touch()

    def _plan_of_workers(self) -> Any:
        from napari_superpixels.engine.cluster_worker import WorkerPlan

        # `replace` leaves behind what the plan has computed for this process.
        pickled = pickle.dumps(replace(self.plan))
        partial = self.state.partial.absolute()
        weights = weights_files(self.plan.method)
        return WorkerPlan(self.run, pickled, weights, partial, self.wanted, self._facts)

    @cached_property
    def _facts(self) -> dict[str, str]:
        """What workers must have: as this process, or where that has no card as one of theirs."""
        facts = facts_of(self.plan)
        lacking = [name for name, value in facts.items() if value == MISSING]
        asked = self.client.run(facts_here, lacking) if lacking else {}
        having = [found for found in asked.values() if MISSING not in found.values()]
        if lacking and not having:
            raise InputError(
                f"The plan computes on {self.plan.compute.device!r}, and neither this machine nor "
                f"a worker has such a device; start a worker with one, or plan for the processor."
            )
        return facts | having[0] if lacking else facts

    def _check_workers(self) -> None:
        from napari_superpixels.engine.cluster_worker import complaint

        asked = self.client.run(complaint, self._facts, self.wanted, on_error="return")
        for worker, answer in asked.items():
            if answer:
                what = answer if isinstance(answer, str) else f"it says: {_first_line(answer)}"
                raise InputError(
                    f"The worker {worker} cannot be used: {what}; repair or remove it."
                )


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
