"""Instances of a class image of any size: objects found tile by tile, joined, numbered, written.

Passes, each done tile by tile but those that say otherwise::

    0 census     objects of each tile as if the image ended there, and which lie along its sides
    1 seams      objects that touch sides joined by exact union-find (one task)
    2 objects    those that begin in a tile, counted whole: split, and sorted out by their size
    3 ranks      ids by the first pixel in raster order, and the table (one task)
    4 labels     the ids written, with the levels that lie over a tile; then the coarser levels

The smallest raster pixel of an object, its pixels and its bounding box are the same however the
image is cut; a split looks at one whole object; an id is a rank. So nothing depends on tiles,
threads or their order. A pass is resumed like a run: by its records.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import zarr

from napari_superpixels.engine.cost import available_bytes, default_workers, fit_lanes
from napari_superpixels.engine.events import (
    Listener,
    Report,
    RunFinished,
    RunStarted,
    TilesLost,
    ignore,
)
from napari_superpixels.engine.instance_files import (
    CENSUS,
    LABELS,
    OBJECTS,
    RANKS,
    SEAMS,
    InstanceFiles,
)
from napari_superpixels.engine.instance_objects import ObjectsWork
from napari_superpixels.engine.instance_output import InstanceOutput
from napari_superpixels.engine.instance_plan import InstancePlan
from napari_superpixels.engine.instance_ranks import TABLE, RanksWork
from napari_superpixels.engine.instance_seams import SeamsWork
from napari_superpixels.engine.instance_work import CensusWork, LabelsWork
from napari_superpixels.engine.line import Line
from napari_superpixels.engine.manifest import check_libraries, judge, manifest_of
from napari_superpixels.engine.output import refuse_changed, refuse_lost, refuse_unfinished
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.engine.run import (
    check_name,
    check_place,
    closing_handles,
    failure_sentence,
    noting,
    pulse_of,
    refuse_finished,
)
from napari_superpixels.engine.stage import Pulse, Stage, Task, Work
from napari_superpixels.errors import IncompleteRunError, PlanError


@dataclass(frozen=True, slots=True)
class InstancesResult:
    """Finished instances."""

    path: Path
    """The OME-Zarr."""
    count: int
    """How many there are; ids are 1 to that."""
    whole: int
    """Objects that were too large to be split, and stayed whole."""
    report: Report
    """What was done."""

    @property
    def labels(self) -> "zarr.Array[Any]":
        """The ids of the finest level."""
        return zarr.open_array(self.path / "0", mode="r")

    @property
    def table(self) -> Path:
        """The table of them, one row each in the order of ids."""
        return self.path / TABLE


def run_instances(
    plan: InstancePlan,
    out: Path,
    *,
    workers: int | None = None,
    listener: Listener = ignore,
    cancel: threading.Event | None = None,
    resume: bool = False,
) -> InstancesResult:
    """Find the instances of a class image, into a multiscale OME-Zarr label image.

    Parameters
    ----------
    plan
        What to find.
    out
        Where; must not exist. Until it is whole the output lies beside it, as ``OUT.partial``.
    workers
        Processors to use; all that this process may by default. Never changes the result.
    listener
        Is told what happens.
    cancel
        Set it, from any thread, to stop.
    resume
        Whether to go on with an unfinished output of the same plan.

    Raises
    ------
    OutputError
        If the output exists, is in use, or belongs to another plan.
    PlanError
        If a tile does not fit into memory, or an object is too large to be split.
    IncompleteRunError
        If tiles failed twice; the others are done and kept.
    Cancelled
        If it was cancelled; what is done is kept.
    """
    cancel = cancel or threading.Event()
    check_name(out)
    state = RunState(partial_path(out))
    check_place(out, state, resume=resume)
    lanes = fit_lanes(plan.cost, workers or default_workers(), plan.tiles, available_bytes())
    if not resume:
        state.make_folder()
    with state.lock(), closing_handles():
        refuse_finished(out, state)
        run = _Run(plan, out, state, Line(lanes))
        run.prepare(resume=resume, listener=listener, pulse=pulse_of(cancel))
        try:
            with run.crew:
                report = run.execute(listener, cancel)
        except PlanError:  # the same plan would be refused again
            state.discard()
            raise
        if not report.failed:
            state.publish(out)
    listener(RunFinished(report))
    if report.failed:
        raise IncompleteRunError(failure_sentence(report, f"resume {out}"))
    return InstancesResult(out, run.count, run.whole, report)


@dataclass
class _Run:
    """One run of a plan into a partial output."""

    plan: InstancePlan
    out: Path
    state: RunState
    crew: Line
    count: int = 0
    """Instances; known at the end."""
    whole: int = 0
    """Objects that were too large to be split; known at the end."""
    pixels: int = 0
    """Pixels of the finest level that were written."""

    def prepare(self, *, resume: bool, listener: Listener, pulse: Pulse) -> None:
        """Begin the output, or check that the one there is whole and belongs to the plan."""
        if not resume:
            self._begin()
            return
        begun, name = self.state.read_manifest(), str(self.state.partial)
        check_libraries(begun, self.plan, name)
        manifest = judge(begun, self.plan, self.state.read_failures(), name)
        self.state.write_manifest(manifest)
        lost = self.state.check(pulse)
        if lost:
            listener(TilesLost(tuple(lost)))

    def _begin(self) -> None:
        refuse_unfinished(self.state)
        self.state.write(self.state.clear)
        self.state.write_manifest(manifest_of(self.plan))

    def execute(self, listener: Listener, cancel: threading.Event) -> Report:
        """Do what is not done yet."""
        begin = time.perf_counter()
        done, tiles = self.state.done(), self._count()
        listener(RunStarted(tiles, len(done), prod(self.plan.shape), "step"))
        stage = Stage(self.crew, cancel=cancel, emit=noting(self.state, listener))
        for tasks in self._each_pass(stage):
            stage.run(task for task in tasks if task.name not in done)
            if stage.failed:
                break
        self.state.write_failures([asdict(failure) for failure in stage.failed])
        if not stage.failed:
            self._finish(tiles)
        seconds = time.perf_counter() - begin
        return Report(
            tiles=tiles,
            computed=stage.done,
            failed=tuple(stage.failed),
            pixels=self.pixels,
            seconds=seconds,
            superpixels=self.count,
            things="instances",
            parts="steps",
            busy=stage.busy(seconds),
        )

    def _count(self) -> int:
        """Return how many tasks there are in all."""
        output = InstanceOutput(self.plan, self.state, 0)
        return 3 * self.plan.tiles + 2 + sum(map(output.size, output.coarser_levels))

    def _files(self) -> InstanceFiles:
        """Return the files as the passes up to now have left them."""
        return InstanceFiles(self.plan, self.state)

    def _each_pass(self, stage: Stage) -> Iterator[Iterator[Task]]:
        """Yield the tasks of each pass, when the stage has done those before."""
        yield self._tiled(CENSUS, CensusWork)
        yield iter([self._single(SEAMS, SeamsWork(self._files(), f"{SEAMS}/0"))])
        yield self._tiled(OBJECTS, ObjectsWork)
        yield iter([self._single(RANKS, RanksWork(self._files(), f"{RANKS}/0"))])
        files = self._files()
        output = InstanceOutput(self.plan, self.state, ranked(files))
        once, factors = output.layout.levels_at_once, output.layout.factors
        arrays = output.arrays[:once]
        make = partial(
            LabelsWork, arrays=arrays, factors=factors[: once - 1], threads=self.crew.threads
        )
        yield self._tiled(LABELS, make)
        self.pixels = stage.pixels
        for level in output.coarser_levels:
            yield output.coarser(level)

    def _tiled(self, level: int, make: Callable[..., Work]) -> Iterator[Task]:
        """Yield a task for each tile; the labels alone write pixels."""
        files = self._files()
        for number in range(self.plan.tiles):
            name, box = f"{level}/{number}", self.plan.box(number)
            y, x = box
            place = f"y {y.start}:{y.stop}, x {x.start}:{x.stop} px"
            pixels = prod(box.shape) if level == LABELS else 0
            yield Task(name, 0, place, pixels, make(files=files, name=name, number=number))

    def _single(self, level: int, work: Work) -> Task:
        return Task(f"{level}/0", 0, "the whole image", 0, work)

    def _finish(self, tiles: int) -> None:
        """Write the metadata that makes the output whole, and count."""
        refuse_changed(self.state, self.plan, "instances")
        self.state.check(lambda: None, quick=True)
        files = self._files()
        refuse_lost(self.state, self.out, len(files.facts), tiles)
        output = InstanceOutput(self.plan, self.state, ranked(files))
        self.state.write(lambda: output.finish(self.out.stem))
        self.count, self.whole = output.count, int(files.whole.sum())


def ranked(files: InstanceFiles) -> int:
    """Return how many instances there are, as the ranks say."""
    return int(files.facts[f"{RANKS}/0"]["instances"])
