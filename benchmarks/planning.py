"""What a million windows cost before any is computed: a plan, its tasks, a view of a lazy array.

An image without chunks (only its metadata are on disk) is planned with ever more windows. Asked
for are less than a second and 50 MB for a million, and a view that costs what it does in a small
image.

    python benchmarks/planning.py
    python benchmarks/planning.py --windows 100 1000000
"""

import argparse
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import zarr

import napari_superpixels as nsp
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.tasks import layout_of
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.tables import markdown

WINDOW_PX, STEP = 64, 16
VIEWS = 5
"""A view is timed so often; the best counts."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took."""

    seconds: float
    peak: int
    """Largest memory that Python held for it at once, in bytes."""


def cost(call: Callable[[], Any]) -> tuple[Any, Cost]:
    """Return what a call returns, and what it took: timed once, then once more with memory seen."""
    begin = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - begin
    tracemalloc.start()
    call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return result, Cost(seconds, peak)


def make_image(path: Path, windows: int) -> Path:
    """Write the metadata of an image of that many windows, without any chunk."""
    edge = isqrt(windows) * WINDOW_PX
    zarr.create_array(path, shape=(edge, edge, 3), chunks=(512, 512, 3), dtype="u1")
    return path


def plan_of(path: Path) -> Plan:
    """Open an image and plan it, with all that a run asks of a plan before it begins."""
    source = nsp.open(path, axes="yxs", rgb=True)
    plan = nsp.plan(source, "slic", step=STEP, iterations=2, window=WINDOW_PX)
    facts = (plan.hash, plan.cost, plan.tiles, layout_of(plan).levels_at_once, str(plan))
    assert all(facts), "everything is known"
    return plan


def view(labels: Any) -> Cost:
    """Cut one window out of the middle of a lazy array, and compute it; the best of some."""
    middle = labels.shape[0] // 2 // WINDOW_PX * WINDOW_PX
    part = slice(middle, middle + WINDOW_PX)
    found = [cost(lambda: labels[part, part].compute())[1] for _ in range(VIEWS)]
    return min(found, key=lambda one: one.seconds)


def row(folder: Path, windows: int) -> list[str]:
    """Measure one size."""
    path = make_image(folder / f"{windows}.zarr", windows)
    plan, planning = cost(lambda: plan_of(path))
    labels, building = cost(lambda: lazy_labels(plan))
    looking = view(labels)
    return [
        f"{len(plan.windows):,}",
        f"{plan.lattice.shape[0]:,} x {plan.lattice.shape[1]:,}",
        *(f"{one.seconds:.3f}" for one in (planning, building, looking)),
        *(f"{one.peak / 1e6:.2f}" for one in (planning, building, looking)),
    ]


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", nargs="+", type=int, default=[100, 10_000, 1_000_000])
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = arguments(given)
    with tempfile.TemporaryDirectory() as name:
        row(Path(name) / "first", 16)  # imports, and compiles
        rows = [row(Path(name), windows) for windows in options.windows]
    print(f"{hardware.description(('dask', 'zarr', 'numpy'))}\n")
    steps = ("plan", "lazy array", "view of one window")
    header = ["windows", "image", *(f"{s}, s" for s in steps), *(f"{s}, MB" for s in steps)]
    print(markdown(header, rows))


if __name__ == "__main__":
    main()
