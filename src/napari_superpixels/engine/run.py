"""The local run: super-tiles on threads, level by level, then the metadata and the name."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import zarr

from napari_superpixels.engine.cost import available_bytes, default_workers, fit_workers
from napari_superpixels.engine.device import check_device
from napari_superpixels.engine.events import (
    Event,
    Listener,
    Report,
    RunFinished,
    RunStarted,
    ignore,
)
from napari_superpixels.engine.manifest import difference, manifest_of, provenance_of
from napari_superpixels.engine.measure import measure
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import RunState, check_folder, partial_path
from napari_superpixels.engine.stage import Stage
from napari_superpixels.engine.tasks import Tasks, layout_of
from napari_superpixels.errors import IncompleteRunError, OutputError, TakenError
from napari_superpixels.io import close_handles
from napari_superpixels.io.ome_zarr_writer import create_labels, finish_labels

LEVEL_READ_PX = 2048
"""Edge of what a super-tile of a coarser level reads of the level before, where chunks allow."""


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
) -> RunResult:
    """Compute a plan into a multiscale OME-Zarr label image.

    Parameters
    ----------
    plan
        What to compute.
    out
        Where; must not exist. Until it is whole the output lies beside it, as ``OUT.partial``.
    workers
        How many windows are in work at once; by default one a processor. Fewer where memory
        asks for it. Never changes the result.
    listener
        Is told what happens.
    cancel
        Set it, from any thread, to stop within two seconds.
    resume
        Whether to go on with an unfinished output of the same plan.

    Raises
    ------
    InputError
        If weights of the method are broken.
    OutputError
        If the output exists, is in use, or belongs to another plan.
    PlanError
        If one window does not fit into memory, or into the device's.
    IncompleteRunError
        If super-tiles failed twice; the others are done and kept.
    Cancelled
        If it was cancelled; what is done is kept.
    """
    if plan.deferred:
        plan = replace(plan, statistics=measure(plan.source, projected=plan.projected))
    wanted = workers or default_workers()
    fitting = fit_workers(plan.cost.total, wanted, available_bytes())
    check_device(plan, fitting)
    _check_name(out)
    state = RunState(partial_path(out))
    _check_free(out, state, resume=resume)
    plan.model.prepare()
    if not resume:
        state.make_folder()
    with state.lock(), closing_handles():
        workers = min(fitting, plan.tiles)
        run = _Run(plan, out, state, workers, max(1, wanted // workers))
        run.prepare(resume=resume)
        report = run.execute(listener, cancel or threading.Event())
        if not report.failed:
            state.publish(out)
    listener(RunFinished(report))
    if report.failed:
        raise IncompleteRunError(_failure_sentence(report, out))
    return RunResult(out, report)


@contextmanager
def closing_handles() -> Iterator[None]:
    """Close the image files that the block opened."""
    try:
        yield
    finally:
        close_handles()


def _check_name(out: Path) -> None:
    if not out.name:
        raise OutputError(f"The output is {str(out)!r}; give the name of a folder to make.")


def _check_free(out: Path, state: RunState, *, resume: bool) -> None:
    if out.exists():
        raise TakenError(f"{out} exists already; remove it or choose another name.")
    if resume and not state.partial.exists():
        raise OutputError(f"There is no unfinished output {state.partial}; run without resume.")
    if not resume and state.manifest_path.exists():
        raise TakenError(
            f"{state.partial} holds an unfinished run; resume it, or remove it to start anew."
        )
    check_folder(out.parent)


def _failure_sentence(report: Report, out: Path) -> str:
    first = report.failed[0]
    return (
        f"{len(report.failed)} of {report.tiles} tiles failed, the first at {first.place} "
        f"({first.message}); repair the cause and resume {out}."
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a plan into a partial output."""

    plan: Plan
    out: Path
    state: RunState
    workers: int
    threads: int

    @property
    def tasks(self) -> Tasks:
        """The super-tiles."""
        return Tasks(self.plan, self.state, self.threads)

    def prepare(self, *, resume: bool) -> None:
        """Make the empty output, or check that the one there belongs to the plan."""
        if resume:
            manifest = self.state.read_manifest()
            if manifest["hash"] != self.plan.hash:
                here = json.loads(json.dumps(self.plan.provenance()))
                raise OutputError(
                    f"{self.state.partial} belongs to another plan "
                    f"({difference(manifest['provenance'], here)}); "
                    f"resume with that one, or remove it and run anew."
                )
            return
        self.state.clear()
        create_labels(self.state.partial, layout_of(self.plan))
        self.state.write_manifest(manifest_of(self.plan))

    def execute(self, listener: Listener, cancel: threading.Event) -> Report:
        """Do what is not done yet."""
        begin = time.perf_counter()
        done = set(self.state.done())
        tiles = self.tasks.count()
        height, width = self.plan.pixels.shape
        listener(RunStarted(tiles, len(done), height * width * len(self.plan.planes)))
        pixels, computed, failed = self.compute(listener, cancel, done)
        self.state.write_failures([asdict(failure) for failure in failed])
        superpixels = 0 if failed else self.finish()
        return Report(
            tiles=tiles,
            computed=computed,
            failed=tuple(failed),
            pixels=pixels,
            seconds=time.perf_counter() - begin,
            superpixels=superpixels,
        )

    def finish(self) -> int:
        """Write the metadata that makes the output whole; return the number of superpixels."""
        layout, made = layout_of(self.plan), provenance_of(self.plan)
        finish_labels(self.state.partial, layout, self.out.stem, made)
        return sum(record.get("superpixels", 0) for record in self.state.done().values())

    def compute(
        self, emit: Callable[[Event], None], cancel: threading.Event, done: set[str]
    ) -> tuple[int, int, list[Any]]:
        """Run the finest level, then each coarser one; stop at a level with failures."""
        stage = Stage(workers=self.workers, cancel=cancel, emit=emit)
        pixels = 0
        for level in self.tasks.levels:
            stage.run(task for task in self.tasks.of(level) if task.name not in done)
            if level == 0:
                pixels = stage.pixels
            if stage.failed:
                break
        return pixels, stage.done, stage.failed
