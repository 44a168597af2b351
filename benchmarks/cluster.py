"""A cluster of processes on this machine: what its client holds, and how workers and parts scale.

First many super-tiles that do nothing go through the window of a run, and what the client holds is
counted on the way: nothing of it may grow. Then one image is labelled by 1 and by 2 workers with a
thread each, and in as many parts; files that differ from those of a local run are counted.

    python benchmarks/cluster.py --tasks 100000 --size 6000
    python benchmarks/cluster.py --tasks 1000 --size 16000 --processes 1 2 4 --folder out
"""

import argparse
import gc
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import zarr
from scaling import Points, draw

import napari_superpixels as nsp
from napari_superpixels.engine.cluster import Cluster
from napari_superpixels.engine.events import Event, TileDone
from napari_superpixels.engine.output import begin_output
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.engine.stage import Pulse, Spans, Stage, Task, Work
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.mosaic import Mosaic, read_image
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.testing.local_cluster import different_files, do_nothing, local_cluster

PART = """
import sys
import napari_superpixels as nsp
image, out, window, number, count = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
plan = nsp.plan(nsp.open(image, axes="yxs"), window=window)
nsp.run(plan, out, part=(number, count), workers=1)
"""
ROWS = 10
"""How often what the client holds is counted."""


class Nothing(Work):
    """The work of a super-tile that is none."""

    def read(self, before: None, pulse: Pulse) -> None:
        """Read nothing."""

    def compute(self, before: None, pulse: Pulse) -> None:
        """Compute nothing."""

    def write(self, before: None, pulse: Pulse) -> None:
        """Write nothing."""


class Idle(Cluster):
    """A cluster whose super-tiles do nothing."""

    def start(self, task: Task, pulse: Pulse) -> Future[Spans]:
        """Hand out a super-tile."""
        return self.hand_out(do_nothing, task.name)


def tiny_plan(folder: Path) -> Plan:
    """Return a plan of an image on disk."""
    image = zarr.create_array(folder / "tiny.zarr", shape=(64, 64), chunks=(64, 64), dtype="u1")
    image[:] = 0
    return nsp.plan(folder / "tiny.zarr", iterations=1)


def client_rows(tasks: int, folder: Path) -> list[list[str]]:
    """Let so many super-tiles through, and count what the client and the scheduler hold."""
    plan, state = tiny_plan(folder), RunState(partial_path(folder / "idle.zarr"))
    rows: list[list[str]] = []
    done, begin = 0, time.perf_counter()
    with local_cluster(workers=1) as processes, processes.client(workers=1) as client:

        def count(event: Event) -> None:
            nonlocal done
            done += isinstance(event, TileDone)
            if done % max(1, tasks // ROWS) == 0:
                rows.append(held(client, done, time.perf_counter() - begin))

        state.make_folder()
        with state.lock():
            begin_output(state, plan)
            with Idle(client, plan, state) as crew:
                stage = Stage(crew, cancel=threading.Event(), emit=count)
                stage.run(Task(f"0/{n}", 0, "", 0, Nothing()) for n in range(tasks))
    return rows


def held(client: Any, done: int, seconds: float) -> list[str]:
    """Return what there is after so many super-tiles."""
    on_scheduler = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
    gc.collect()
    objects = f"{len(gc.get_objects()) / 1e3:.0f}"
    memory = f"{psutil.Process().memory_info().rss / 1e6:.0f}"
    pace = f"{1e3 * seconds / done:.1f}"
    row = (done, len(client.futures), on_scheduler, objects, memory, pace)
    return list(map(str, row))


def write_image(size: int, path: Path) -> None:
    """Write a mosaic of a real slide, shape (Y, X, 3)."""
    mosaic = Mosaic(read_image(nsp.sample_path("slide")), size, 500)
    chunk = (min(500, size),) * 2
    array = zarr.create_array(path, shape=(size, size, 3), chunks=(*chunk, 3), dtype=np.uint8)
    for row in range(-(-size // 500)):
        for column in range(-(-size // 500)):
            array.blocks[row, column, 0] = mosaic.block((row, column, 0))


def run_parts(image: Path, out: Path, window: int, count: int) -> None:
    """Label an image in parts, all at once, and finish it."""
    fixed = [sys.executable, "-c", PART, str(image), str(out), str(window)]
    numbers = range(1, count + 1)
    parts = [subprocess.Popen([*fixed, str(number), str(count)]) for number in numbers]
    codes = [part.wait() for part in parts]
    if any(codes):
        raise RuntimeError("a part failed")
    nsp.finish(out, workers=1)


def run_workers(plan: Plan, out: Path, count: int) -> float:
    """Label an image on workers; return the seconds without their start."""
    with local_cluster(workers=count) as processes, processes.client(workers=count) as client:
        begin = time.perf_counter()
        nsp.run(plan, out, client=client)
        return time.perf_counter() - begin


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


@dataclass(frozen=True)
class Labelling:
    """One way to label the image."""

    way: str
    """What the processes are: workers or parts; what it is called where there are none."""
    processes: int
    seconds: float
    differing: int
    """Files that differ from those of a local run."""

    def row(self, megapixels: float) -> list[str]:
        """Return its row of the table."""
        way = f"{self.processes} {self.way}" if self.processes else self.way
        speed = f"{megapixels / self.seconds:.2f}"
        return [way, f"{self.seconds:.1f}", speed, str(self.differing)]


def labellings(options: argparse.Namespace, folder: Path) -> Iterator[Labelling]:
    """Label one image in every way."""
    image = folder / "mosaic.zarr"
    write_image(options.size, image)
    plan = nsp.plan(nsp.open(image, axes="yxs"), window=options.window)

    def place(name: str) -> Path:
        (folder / name).mkdir()
        return folder / name / "out.zarr"

    def parts(out: Path, count: int) -> float:
        return timed(lambda: run_parts(image, out, options.window, count))

    local = place("local")
    yield Labelling("this process, 1 thread", 0, timed(lambda: nsp.run(plan, local, workers=1)), 0)
    ways = {"workers": partial(run_workers, plan), "parts": parts}
    for (way, run), count in product(ways.items(), options.processes):
        out = place(f"{way}-{count}")
        seconds = run(out, count)
        yield Labelling(way, count, seconds, len(different_files(local, out)))


def curves(labelled: Sequence[Labelling], megapixels: float) -> dict[str, Points]:
    """Return megapixels a second by the number of workers, and of parts."""
    return {
        way: {each.processes: megapixels / each.seconds for each in labelled if each.way == way}
        for way in ("workers", "parts")
    }


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100_000, help="that do nothing")
    parser.add_argument("--size", type=int, default=6000, help="side of the image, in pixels")
    parser.add_argument("--window", type=int, default=1024, help="edge of a window, in pixels")
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--folder", type=Path, help="where the pictures go; none without it")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print both tables and draw the curves."""
    options = arguments(sys.argv[1:] if given is None else given)
    print(f"{hardware.description(('numpy', 'numba', 'zarr', 'distributed'))}\n")
    with tempfile.TemporaryDirectory() as scratch:
        header = ["tasks done", "futures of the client", "tasks of the scheduler"]
        header += ["thousand objects of the client", "client MB", "ms/task"]
        rows = client_rows(options.tasks, Path(scratch))
        print(markdown(header, rows), end="\n\n")
        header = ["way", "s", "Mpx/s", "files that differ"]
        labelled, megapixels = list(labellings(options, Path(scratch))), options.size**2 / 1e6
        print(markdown(header, [each.row(megapixels) for each in labelled]))
    if options.folder is not None:
        print("", *draw(curves(labelled, megapixels), options.folder), sep="\n")


if __name__ == "__main__":
    main()
