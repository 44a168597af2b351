"""What a worker of a cluster holds and does: one plan, sent once, and its super-tiles by name.

A `WorkerPlan` is a worker plugin, so the scheduler gives it to every worker there is and to every
one that joins later; it outlives any of them. What travels for a super-tile is its name alone.

Only those import this who have `dask.distributed`.
"""

import pickle
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import Worker, WorkerPlugin, get_worker

from napari_superpixels.engine.cluster_facts import difference_of, facts_here
from napari_superpixels.engine.stage import Spans, timed
from napari_superpixels.errors import Cancelled, IncompleteRunError, SuperpixelsError

if TYPE_CHECKING:
    from napari_superpixels.engine.plan import Plan
    from napari_superpixels.engine.tasks import Tasks

LOOK_SECONDS = 0.5
"""How often a super-tile looks whether it is still wanted, at most."""


class WorkerPlan(WorkerPlugin):
    """A plan as a worker holds it, made ready by the first super-tile.

    Parameters
    ----------
    name
        Of the run; no other has it.
    plan
        The pickled plan.
    weights
        Content of the files of its weights, by name, where they do not come with the package.
    partial
        The unfinished output, on a file system that client and workers share.
    wanted
        A file that is there as long as the run is; when it is gone super-tiles stop.
    facts
        What the worker must have in common with the client.
    """

    idempotent = True

    def __init__(
        self,
        name: str,
        plan: bytes,
        weights: Mapping[str, bytes],
        partial: Path,
        wanted: Path,
        facts: Mapping[str, str],
    ) -> None:
        self.name = name
        self.plan = plan
        self.weights = dict(weights)
        self.partial = partial
        self.wanted = wanted
        self.facts = dict(facts)

    def setup(self, worker: Worker) -> None:
        """Take a place in a worker; cheap, for it happens where messages are answered."""
        self.folder = Path(worker.local_directory)
        self.width = worker.state.nthreads
        self.limit = worker.memory_manager.memory_limit
        self.address = worker.address
        self.lock = threading.Lock()
        self.tasks: Tasks | None = None

    def teardown(self, worker: Worker) -> None:
        """Let go of what was opened."""
        from napari_superpixels.io import close_handles

        close_handles()

    def work(self, name: str) -> Spans:
        """Do a super-tile; return its steps.

        Raises
        ------
        Cancelled
            If the run is over.
        IncompleteRunError
            If this worker cannot do any.
        """
        look = Look(self.wanted)
        look()
        tasks = self.ready()
        with self.room:
            look()
            return timed(tasks.named(name), look)

    def ready(self) -> "Tasks":
        """Return the super-tiles of the plan; what is wrong with this worker is told here."""
        with self.lock:
            if self.tasks is None:
                try:
                    self.tasks = self._made_ready()
                except SuperpixelsError as error:
                    why = str(error).rstrip(".")
                    raise IncompleteRunError(
                        f"The worker {self.address} cannot go on ({why}); repair or remove it, "
                        f"and resume."
                    ) from None
            return self.tasks

    def _made_ready(self) -> "Tasks":
        from napari_superpixels.engine.cost import available_bytes, fit_workers
        from napari_superpixels.engine.device import check_device
        from napari_superpixels.engine.records import RunState
        from napari_superpixels.engine.tasks import Tasks

        check_worker(self.facts, self.wanted)
        plan: Plan = unpacked(self.plan, self.weights, self.folder / f"weights-{self.name}")
        plan.model.prepare()
        free = min(available_bytes(), self.limit or available_bytes())
        at_once = fit_workers(plan.cost.total, self.width, free)
        check_device(plan, at_once)
        self.room = threading.BoundedSemaphore(at_once)
        state = RunState(self.partial, wanted=self.wanted)
        return Tasks(plan, state, max(1, self.width // at_once))


class Look:
    """A pulse that raises when a run is not wanted any more."""

    def __init__(self, wanted: Path) -> None:
        self._wanted = wanted
        self._looked = float("-inf")

    def __call__(self) -> None:
        """Look, but not more often than makes sense.

        Raises
        ------
        Cancelled
            If the run is over.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        if not self._wanted.exists():
            raise Cancelled("The run of this super-tile is over.")


def check_worker(facts: Mapping[str, str], wanted: Path) -> None:
    """Refuse a worker that would give other labels, or sees another disk.

    Raises
    ------
    SuperpixelsError
        With what differs.
    """
    here = facts_here(facts)
    if here != facts:
        raise SuperpixelsError(difference_of(facts, here))
    if not wanted.exists():
        raise SuperpixelsError(
            f"it does not see {wanted.parents[2]}, so give an output on a file system that all "
            f"workers share"
        )


def unpacked(pickled: bytes, weights: Mapping[str, bytes], folder: Path) -> "Plan":
    """Return a plan, whose weights lie in a folder here where they were sent along."""
    plan: Plan = pickle.loads(pickled)
    if not weights:
        return plan
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in weights.items():
        (folder / name).write_bytes(content)
    own: Any = plan.method
    return replace(plan, method=replace(own, weights=str(folder / next(iter(weights)))))


def complaint(facts: Mapping[str, str], wanted: Path) -> str:
    """Return what is wrong with this worker, "" for nothing."""
    try:
        check_worker(facts, wanted)
    except SuperpixelsError as error:
        return str(error)
    return ""


def do_tile(wanted: str, name: str) -> Spans:
    """Do a super-tile on this worker.

    Parameters
    ----------
    wanted
        The file that is there as long as the run is; called as the run.
    name
        The super-tile's.

    Returns
    -------
    tuple of Span
        Its steps.

    Raises
    ------
    Cancelled
        If the run is over.
    IncompleteRunError
        If this worker cannot do any.
    """
    worker, path = get_worker(), Path(wanted)
    plan = worker.plugins.get(path.name)
    if isinstance(plan, WorkerPlan):
        return plan.work(name)
    Look(path)()
    raise IncompleteRunError(
        f"The worker {worker.address} was not given the plan; restart or remove it, and resume."
    )
