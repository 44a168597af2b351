"""One output computed in parts, by processes that need not know of one another.

Each part is a share of the finest level's super-tiles, computed into the common ``OUT.partial``.
The first part makes it, whichever that is. When all are done, what is left is for one process to
finish::

    OUT.partial/.run/parts/count.json   into how many parts it is cut
    OUT.partial/.run/parts/3-of-64/     lock, holder and failures of a part
"""

import operator
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from napari_superpixels.engine.events import Listener, Report, RunFinished, RunStarted, TilesLost
from napari_superpixels.engine.files import read_json, write_json
from napari_superpixels.engine.manifest import check_libraries, judge
from napari_superpixels.engine.output import begin_output, check_output, superpixels_of
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import PARTS, RunState, check_folder, partial_path
from napari_superpixels.engine.run import (
    RunResult,
    check_free,
    check_name,
    closing_handles,
    failure_sentence,
    local_crew,
    measured,
    noting,
    pulse_of,
    refuse_finished,
)
from napari_superpixels.engine.stage import Crew, Stage
from napari_superpixels.engine.tasks import Tasks
from napari_superpixels.errors import IncompleteRunError, InputError, OutputError
from napari_superpixels.kernels.jit import timed_compilation

COUNT = "count.json"


@dataclass(frozen=True, slots=True)
class Part:
    """One of several parts of a run."""

    number: int
    """Counted from 1."""
    count: int
    """How many there are."""

    @classmethod
    def of(cls, value: Any) -> "Part":
        """Return the part that a pair of numbers means.

        Raises
        ------
        InputError
            If it means none.
        """
        try:
            number, count = map(operator.index, value)
        except (TypeError, ValueError):
            raise InputError(f"part is {value!r}; give a pair such as (3, 64).") from None
        if count < 1:
            raise InputError(f"part is {number}/{count}; there must be 1 part or more, e.g. 1/2.")
        if not 1 <= number <= count:
            raise InputError(f"part is {number}/{count}; give one of 1/{count} to {count}/{count}.")
        return cls(number, count)

    def __str__(self) -> str:
        """Return it as the shell takes it."""
        return f"{self.number}/{self.count}"

    @property
    def folder(self) -> str:
        """What its folder is called."""
        return f"{self.number}-of-{self.count}"

    def share(self, tiles: int) -> range:
        """Return the numbers of its super-tiles: contiguous, and as many as any other, +- 1."""
        return range((self.number - 1) * tiles // self.count, self.number * tiles // self.count)

    def names(self, tiles: int) -> list[str]:
        """Return the names of its super-tiles."""
        return [f"0/{number}" for number in self.share(tiles)]


def run_part(
    plan: Plan,
    out: Path,
    part: Part,
    *,
    workers: int | None,
    listener: Listener,
    cancel: threading.Event | None,
) -> RunResult:
    """Compute one part of a plan into the unfinished output, as far as it is not done yet.

    Parameters
    ----------
    plan, out, workers, listener, cancel
        As for `run_plan`.
    part
        Which one.

    Returns
    -------
    RunResult
        Its path is the unfinished output, its report that of the part.

    Raises
    ------
    OutputError
        If the output is finished, or of another plan or other parts, or the part is in work.
    IncompleteRunError
        If super-tiles failed twice.
    Cancelled
        If it was cancelled.
    """
    cancel = cancel or threading.Event()
    plan = measured(plan)
    check_name(out)
    check_folder(out.parent)
    check_free(out)
    state = RunState(partial_path(out), part.folder)
    names = part.names(plan.tiles)
    crew = local_crew(plan, state, workers=workers, tasks=len(names))
    crew.make_ready()
    state.make_folder()
    with state.lock_part(lambda: _begin(state, plan, out, part)), closing_handles():
        judge(state.read_manifest(), plan, state.read_failures(), str(state.partial))
        check_libraries(state.read_manifest(), plan, str(state.partial))
        lost = state.check(pulse_of(cancel), among=frozenset(names))
        if lost:
            listener(TilesLost(tuple(lost)))
        with crew:
            report = _compute(plan, state, crew, names, listener, cancel)
    listener(RunFinished(report))
    if report.failed:
        raise IncompleteRunError(failure_sentence(report, f"start part {part} again"))
    return RunResult(state.partial, report)


def _begin(state: RunState, plan: Plan, out: Path, part: Part) -> None:
    """Make the empty output, if no other part has, and say how many parts there are."""
    refuse_finished(out, state)
    if not state.manifest_path.exists():
        begin_output(state, plan)
    elif state.read_manifest()["hash"] != plan.hash:  # another plan, or a repaired image
        check_output(state, plan)
    count = _count(state)
    if count is None:
        state.write(lambda: write_json(state.folder / PARTS / COUNT, {"count": part.count}))
    elif count != part.count:
        raise OutputError(
            f"{state.partial} is made in {count} parts, but part {part} was asked for; give one of "
            f"1/{count} to {count}/{count}."
        )


def _count(state: RunState) -> int | None:
    facts = read_json(state.folder / PARTS / COUNT)
    return int(facts["count"]) if facts else None


def _compute(
    plan: Plan,
    state: RunState,
    crew: Crew,
    names: list[str],
    listener: Listener,
    cancel: threading.Event,
) -> Report:
    """Do what is not done yet of some super-tiles."""
    begin = time.perf_counter()
    tasks = Tasks(plan, state, crew.threads)
    done = state.done().keys() & set(names)
    pixels = sum(tasks.named(name).pixels for name in names)
    listener(RunStarted(len(names), len(done), pixels))
    stage = Stage(crew, cancel=cancel, emit=noting(state, listener))
    with timed_compilation() as compiling:
        stage.run(tasks.named(name) for name in names if name not in done)
    state.write_failures([asdict(failure) for failure in stage.failed])
    records = state.done()
    seconds = time.perf_counter() - begin
    return Report(
        tiles=len(names),
        computed=stage.done,
        failed=tuple(stage.failed),
        pixels=stage.pixels,
        seconds=seconds,
        superpixels=superpixels_of(records.get(name, {}) for name in names),
        compiling=compiling(),
        busy=stage.busy(seconds),
    )


def check_parts(plan: Plan, out: Path) -> None:
    """Refuse to finish an output some of whose parts are not done.

    Raises
    ------
    IncompleteRunError
        With those that are missing.
    OutputError
        If it is not made in parts.
    """
    state = RunState(partial_path(out))
    count = _count(state)
    if count is None:
        raise OutputError(f"{state.partial} is not made in parts; resume {out} instead.")
    done = state.done()
    parts = (Part(number, count) for number in range(1, count + 1))
    missing = [p.number for p in parts if not done.keys() >= set(p.names(plan.tiles))]
    if missing:
        what = "Part" if len(missing) == 1 else "Parts"
        verb = "is" if len(missing) == 1 else "are"
        raise IncompleteRunError(
            f"{what} {', '.join(_runs(missing))} of {count} {verb} not done; wait, or start again, "
            f"e.g. with --part {missing[0]}/{count}, and then finish {out}."
        )


def _runs(numbers: list[int]) -> Iterator[str]:
    """Yield rising numbers as a person writes them: ``3``, ``7 to 9``."""
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        some = [number for _, number in run]
        yield str(some[0]) if len(some) == 1 else f"{some[0]} to {some[-1]}"
