"""The local run: super-tiles on threads, level by level, then the metadata and the name."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import zarr

from napari_superpixels.engine.cost import available_bytes, default_workers, fit_lanes
from napari_superpixels.engine.device import check_device
from napari_superpixels.engine.events import (
    Event,
    Listener,
    Report,
    RunFinished,
    RunStarted,
    TileFailed,
    TilesLost,
    ignore,
)
from napari_superpixels.engine.line import Line
from napari_superpixels.engine.manifest import check_libraries
from napari_superpixels.engine.measure import measure
from napari_superpixels.engine.output import begin_output, check_output, finish_output
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import RunState, check_folder, partial_path
from napari_superpixels.engine.stage import Crew, Stage
from napari_superpixels.engine.tasks import Tasks
from napari_superpixels.errors import Cancelled, IncompleteRunError, OutputError, TakenError
from napari_superpixels.io import close_handles
from napari_superpixels.kernels.jit import timed_compilation

Hire = Callable[[Plan, RunState], Crew]
"""Makes the crew of a run."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run."""

    path: Path
    """The OME-Zarr."""
    report: Report
    """What was done."""

    @property
    def labels(self) -> zarr.Array[Any]:
        """The labels of the finest level."""
        return zarr.open_array(self.path / "0", mode="r")


def run_plan(
    plan: Plan,
    out: Path,
    *,
    workers: int | None = None,
    listener: Listener = ignore,
    cancel: threading.Event | None = None,
    resume: bool = False,
    hire: Hire | None = None,
) -> RunResult:
    """Compute a plan into a multiscale OME-Zarr label image.

    Parameters
    ----------
    plan
        What to compute.
    out
        Where; must not exist. Until it is whole the output lies beside it, as ``OUT.partial``.
    workers
        How many processors to use; by default all that this process may. Super-tiles in work at
        once are fewer where memory asks for it. Never changes the result.
    listener
        Is told what happens.
    cancel
        Set it, from any thread, to stop within two seconds, or with the blocks being read.
    resume
        Whether to go on with an unfinished output of the same plan.
    hire
        Makes the crew that does the work; by default threads of this process, `workers` many.

    Raises
    ------
    InputError
        If weights of the method are broken.
    OutputError
        If the output exists, is in use, or belongs to another plan.
    PlanError
        If one super-tile does not fit into memory, or its windows into the device's.
    IncompleteRunError
        If super-tiles failed twice; the others are done and kept.
    Cancelled
        If it was cancelled; what is done is kept.
    """
    cancel = cancel or threading.Event()
    plan = measured(plan)
    hire = hire or partial(local_crew, workers=workers)
    check_name(out)
    state = RunState(partial_path(out))
    check_place(out, state, resume=resume)
    crew = hire(plan, state)
    if not resume:
        crew.make_ready()
        state.make_folder()
    with state.lock(), closing_handles():
        refuse_finished(out, state)
        run = _Run(plan, out, state, crew)
        run.prepare(resume=resume, listener=listener, pulse=pulse_of(cancel))
        with crew:
            report = run.execute(listener, cancel)
        if not report.failed:
            state.publish(out)
    listener(RunFinished(report))
    if report.failed:
        raise IncompleteRunError(failure_sentence(report, f"resume {out}"))
    return RunResult(out, report)


@contextmanager
def closing_handles() -> Iterator[None]:
    """Close the image files that the block opened."""
    try:
        yield
    finally:
        close_handles()


def measured(plan: Plan) -> Plan:
    """Return a plan whose statistics are measured."""
    if not plan.deferred:
        return plan
    return replace(plan, statistics=measure(plan.source, projected=plan.projected))


def local_crew(
    plan: Plan, _state: RunState, *, workers: int | None, tasks: int | None = None
) -> Line:
    """Return threads of this process, as many as memory allows and there are tasks.

    Raises
    ------
    PlanError
        If one super-tile does not fit into memory; when it is made ready, if its windows do not
        fit into the device's, or there is no such device.
    """
    tiles = plan.tiles if tasks is None else tasks
    processors = workers or default_workers()
    lanes = fit_lanes(plan.cost, processors, tiles, available_bytes())

    def make_ready() -> None:
        plan.model.prepare()
        check_device(plan, lanes.compute)

    return Line(lanes, make_ready)


def check_name(out: Path) -> None:
    """Refuse an output without a name.

    Raises
    ------
    OutputError
        If it has none.
    """
    if not out.name:
        raise OutputError(f"The output is {str(out)!r}; give the name of a folder to make.")


def check_free(out: Path) -> None:
    """Refuse an output whose name is taken.

    Raises
    ------
    TakenError
        If it is.
    """
    if out.exists():
        raise TakenError(f"{out} exists already; remove it or choose another name.")


def refuse_finished(out: Path, state: RunState) -> None:
    """Refuse an output that got its name while this process waited for the lock, which is held.

    Raises
    ------
    TakenError
        If it did; what this process made for it is removed, the work of others is not.
    """
    if out.exists() and not state.manifest_path.exists():
        state.discard()
    check_free(out)


def check_place(out: Path, state: RunState, *, resume: bool) -> None:
    """Refuse an output that is there, a resume of none, and a folder to write in that is none.

    Raises
    ------
    OutputError
        If it is so.
    """
    check_free(out)
    if resume and not state.partial.exists():
        raise OutputError(f"There is no unfinished output {state.partial}; run without resume.")
    check_folder(out.parent)


def pulse_of(cancel: threading.Event) -> Callable[[], None]:
    """Return what raises once the user has cancelled."""

    def pulse() -> None:
        if cancel.is_set():
            raise Cancelled("The run was cancelled; what is done is kept and can be resumed.")

    return pulse


def failure_sentence(report: Report, repair: str) -> str:
    """Return what failed, and the repair, as a sentence."""
    first = report.failed[0]
    return (
        f"{len(report.failed)} of {report.tiles} tiles failed, the first at {first.place} "
        f"({first.message}); repair the cause and {repair}."
    )


@dataclass(frozen=True)
class _Run:
    """One run of a plan into a partial output."""

    plan: Plan
    out: Path
    state: RunState
    crew: Crew

    @cached_property
    def tasks(self) -> Tasks:
        """The super-tiles."""
        return Tasks(self.plan, self.state, self.crew.threads)

    @cached_property
    def done(self) -> set[str]:
        """Names of the super-tiles that are done before this run."""
        return set(self.state.done())

    def prepare(self, *, resume: bool, listener: Listener, pulse: Callable[[], None]) -> None:
        """Make the empty output, or check that the one there is whole and belongs to the plan."""
        if not resume:
            begin_output(self.state, self.plan)
            return
        check_output(self.state, self.plan)
        lost = self.state.check(pulse)
        if lost:
            listener(TilesLost(tuple(lost)))
        finest = (f"0/{number}" for number in range(self.plan.tiles))
        if not self.done.issuperset(finest):
            check_libraries(self.state.read_manifest(), self.plan, str(self.state.partial))
            self.crew.make_ready()

    def execute(self, listener: Listener, cancel: threading.Event) -> Report:
        """Do what is not done yet."""
        begin = time.perf_counter()
        tiles = self.tasks.count()
        height, width = self.plan.pixels.shape
        listener(RunStarted(tiles, len(self.done), height * width * len(self.plan.planes)))
        stage = Stage(self.crew, cancel=cancel, emit=noting(self.state, listener))
        with timed_compilation() as compiling:
            pixels = self.compute(stage)
        self.state.write_failures([asdict(failure) for failure in stage.failed])
        failed = tuple(stage.failed)
        superpixels = 0 if failed else finish_output(self.state, self.plan, self.out, tiles)
        seconds = time.perf_counter() - begin
        return Report(
            tiles=tiles,
            computed=stage.done,
            failed=failed,
            pixels=pixels,
            seconds=seconds,
            superpixels=superpixels,
            compiling=compiling(),
            busy=stage.busy(seconds),
        )

    def compute(self, stage: Stage) -> int:
        """Run the finest level, then each coarser one; return the pixels of the finest.

        A level with failures is the last.
        """
        pixels = 0
        for level in self.tasks.levels:
            stage.run(task for task in self.tasks.of(level) if task.name not in self.done)
            if level == 0:
                pixels = stage.pixels
            if stage.failed:
                break
        return pixels


def noting(state: RunState, emit: Listener) -> Listener:
    """Return a listener that notes the first failure at once, for a run that is killed."""
    noted = False

    def listen(event: Event) -> None:
        nonlocal noted
        if isinstance(event, TileFailed) and not noted:
            noted = True
            state.write_failures([asdict(event)])
        emit(event)

    return listen
