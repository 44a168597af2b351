"""The local run: windows on threads, then the pyramid, then the metadata and the name."""

import json
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import zarr

from napari_superpixels.engine.cost import available_bytes, default_workers, fit_workers
from napari_superpixels.engine.events import (
    Event,
    Listener,
    Report,
    RunFinished,
    RunStarted,
    ignore,
)
from napari_superpixels.engine.measure import measure
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import RunState, check_folder, partial_path
from napari_superpixels.engine.stage import Stage, Task
from napari_superpixels.engine.tile import describe_place
from napari_superpixels.engine.work import LevelWork, WindowWork, open_arrays
from napari_superpixels.errors import IncompleteRunError, OutputError, TakenError
from napari_superpixels.io import close_handles
from napari_superpixels.io.ome_zarr_writer import LabelLayout, create_labels, finish_labels
from napari_superpixels.models.registry import weights_licence
from napari_superpixels.tiling import Box

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


def layout_of(plan: Plan) -> LabelLayout:
    """Return how the labels of a plan lie on disk."""
    chunk, cells = plan.chunk_px, plan.cells.shape
    return LabelLayout(
        axes=plan.axes,
        dtype=plan.dtype,
        chunk=(chunk[0], chunk[1]),
        factors=plan.level_factors,
        cells=(cells[0], cells[1]),
        cell_chunk=plan.core,
        channels=plan.source.channels,
    )


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
        If one window does not fit into memory.
    IncompleteRunError
        If super-tiles failed twice; the others are done and kept.
    Cancelled
        If it was cancelled; what is done is kept.
    """
    if plan.deferred:
        plan = replace(plan, statistics=measure(plan.source, projected=plan.projected))
    wanted = workers or default_workers()
    fitting = fit_workers(plan.cost.total, wanted, available_bytes())
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
        levels = range(1, len(self.plan.level_factors) + 1)
        tiles = self.plan.tiles + sum(prod(self.level_grid(level)) for level in levels)
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
        made = {**self.plan.provenance(), "hash": self.plan.hash}
        # Where the image lay, and with which versions, is told but no part of what it is.
        place = {"location": self.plan.source.location, "versions": versions()}
        licence = weights_licence(self.plan.method)
        terms = {"weights_licence": licence} if licence else {}
        finish_labels(self.state.partial, layout_of(self.plan), self.out.stem, made | place | terms)
        return sum(record.get("superpixels", 0) for record in self.state.done().values())

    def compute(
        self, emit: Callable[[Event], None], cancel: threading.Event, done: set[str]
    ) -> tuple[int, int, list[Any]]:
        """Run the finest level, then each coarser one; stop at a level with failures."""
        stage = Stage(workers=self.workers, cancel=cancel, emit=emit)
        stage.run(task for task in self.window_tasks() if task.name not in done)
        pixels = stage.pixels
        for level in range(1, len(self.plan.level_factors) + 1):
            if stage.failed:
                break
            stage.run(task for task in self.level_tasks(level) if task.name not in done)
        return pixels, stage.done, stage.failed

    def window_tasks(self) -> Iterator[Task]:
        """Yield the windows of every plane."""
        arrays = open_arrays(self.state.partial)
        windows = self.plan.windows
        for position, plane in enumerate(self.plan.planes):
            for number, window in enumerate(windows):
                name = f"0/{position * len(windows) + number}"
                core = self.plan.lattice.to_pixels(window.core)
                place = describe_place(self.plan, plane, core)
                work = WindowWork(self.plan, self.state, arrays, name, plane, window, self.threads)
                yield Task(name, 0, place, prod(core.shape), work)

    def level_grid(self, level: int) -> tuple[int, ...]:
        """Return how many super-tiles a coarser level has along each axis."""
        layout = layout_of(self.plan)
        shape, edge = layout.level_shapes[level], level_tile(layout, level)
        return tuple(-(-n // e) for n, e in zip(shape, edge, strict=True))

    def level_tasks(self, level: int) -> Iterator[Task]:
        """Yield the super-tiles of a coarser level."""
        layout = layout_of(self.plan)
        shape, edge = layout.level_shapes[level], level_tile(layout, level)
        fine = zarr.open_array(self.state.partial / str(level - 1), mode="r")
        coarse = zarr.open_array(self.state.partial / str(level), mode="r+")
        grid = self.level_grid(level)
        for number, index in enumerate(product(*map(range, grid))):
            bounds = [
                (i * e, min((i + 1) * e, n)) for i, e, n in zip(index, edge, shape, strict=True)
            ]
            box, name = Box.of(*bounds), f"{level}/{number}"
            work = LevelWork(self.state, name, fine, coarse, box, layout.factors[level - 1])
            place = f"level {level}, {box.slices}"
            yield Task(name, level, place, prod(box.shape), work)


def level_tile(layout: LabelLayout, level: int) -> tuple[int, ...]:
    """Return the shape of a super-tile of a coarser level, in its pixels: whole chunks."""
    pairs = zip(layout.chunk, layout.factors[level - 1], strict=True)
    edges = (chunk * max(1, LEVEL_READ_PX // (chunk * factor)) for chunk, factor in pairs)
    return (*((1,) * len(layout.leading)), *edges)


def versions() -> dict[str, str]:
    """Return the versions of what made the labels, by distribution."""
    found = {name: version(name) for name in ("napari-superpixels", "numba", "numpy", "zarr")}
    return {"python": platform.python_version(), **found}


def manifest_of(plan: Plan) -> dict[str, Any]:
    """Return what a resume needs to make the same plan again."""
    return {
        "hash": plan.hash,
        "provenance": plan.provenance(),
        "opened": plan.source.opened,
    }


def difference(one: Any, other: Any, path: str = "") -> str:
    """Return the first place where two provenances differ, in words."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            if one.get(key) != other.get(key):
                return difference(one.get(key), other.get(key), f"{path}.{key}".strip("."))
    if path == "source.identity":
        return "the image has changed since, or is another one: its source.identity differs"
    return f"its {path} is {one}, here it is {other}"
