"""The promise, counted: labels are the same however the work was cut.

For each image, number of iterations and step, everything is compared with one window over the
whole image, pixel by pixel: windows of several sizes, several chunkings of a dask source, crops
(with shifted ids, as far from the cut as a label can depend on), a run, and a run that was killed
half-way and resumed.

`halo short` is the same comparison with a halo that lacks cells. Influence over the whole halo is
rare in pictures, so it is looked for in noise too, black and white with one iteration and windows
of four cells: where that differs, the comparison is able to fail.

    python benchmarks/equality.py --images src/napari_superpixels/sample_data/*.{png,svs,tif}
"""

import argparse
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, cast

import dask.array as da
import numpy as np
from numpy.typing import NDArray
from skimage.io import imsave

import napari_superpixels as nsp
from napari_superpixels.engine.events import Event, TileDone
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.plan import Plan
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.models.protocol import Method
from napari_superpixels.models.slic import Slic
from napari_superpixels.testing.short_halo import ShortHalo
from napari_superpixels.tiling import Box, Lattice

Labels = NDArray[Any]

CHUNKINGS = ((256, 256), (512, 512), (300, 500), (10**6, 100), (128, 10**6))
"""Chunks of the dask source along y and x, in pixels; cut to the image."""


@dataclass(frozen=True)
class Case:
    """One image with one setting of the method, and the labels that all others must equal."""

    path: str
    """The image."""
    method: Method
    """The settings."""
    window: int | None = None
    """Edge of the windows that all others are compared with; one for the whole image by default."""

    @cached_property
    def plan(self) -> Plan:
        """The plan that all others are compared with."""
        source = nsp.open(self.path)
        return nsp.plan(source, self.method, window=self.window or max(source.axes.plane_shape))

    @cached_property
    def expected(self) -> Labels:
        """Its labels."""
        return compute(self.plan)

    @cached_property
    def pixels(self) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """The image in memory, shape (C, Y, X), and which pixels hold data."""
        source = self.plan.source
        block = source.read(0, Box.whole(source.axes.plane_shape))
        return np.ascontiguousarray(block.pixels), block.valid

    def with_window(self, window: int) -> Plan:
        """Plan the same with other windows."""
        return nsp.plan(self.plan.source, self.method, window=window)

    def of_array(self, array: Any, valid: NDArray[np.bool_] | None) -> Plan:
        """Plan an array with the statistics of the whole image."""
        source = nsp.open(array, axes="cyx", rgb=self.plan.source.rgb, mask=valid)
        made = nsp.plan(source, self.method, window=self.window or 512)
        return replace(made, statistics=self.plan.statistics)


def compute(plan: Plan) -> Labels:
    """Compute all labels of a plan."""
    return np.asarray(lazy_labels(plan).compute())


def differing(first: Labels, second: Labels) -> str:
    """Return how many pixels differ, as text."""
    if first.shape != second.shape:
        return f"shapes {first.shape}, {second.shape}"
    return str(int((first != second).sum()))


def windows(case: Case, sizes: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Compare windows of several sizes."""
    for size in sizes:
        yield f"window {size}", differing(compute(case.with_window(size)), case.expected)


def chunkings(case: Case, given: Sequence[tuple[int, int]]) -> Iterator[tuple[str, str]]:
    """Compare chunkings of a dask source."""
    pixels, valid = case.pixels
    for chunks in given:
        sizes = tuple(map(min, chunks, pixels.shape[1:]))
        array = da.from_array(pixels, chunks=(1, *sizes))
        yield (
            f"dask {sizes[0]} x {sizes[1]}",
            differing(compute(case.of_array(array, valid)), case.expected),
        )


def shifted(labels: Labels, lattice: Lattice, crop: Lattice, cut: tuple[int, int]) -> Labels:
    """Turn the labels of a crop into those of the whole image."""
    cell = labels.astype(np.int64) - 1
    row = cell // crop.cells[1] + cut[0] // crop.step[0]
    column = cell % crop.cells[1] + cut[1] // crop.step[1]
    return np.where(labels == 0, 0, row * lattice.cells[1] + column + 1)


def crops(case: Case) -> Iterator[tuple[str, str]]:
    """Compare crops that start at another cell, beyond the reach of the cut."""
    pixels, valid = case.pixels
    step, reach = case.method.step, case.method.halo_cells * case.method.step
    for wanted in ((256, 512), (step, 3 * step)):
        cut = (round(wanted[0] / step) * step, round(wanted[1] / step) * step)
        at = np.s_[cut[0] :, cut[1] :]
        name = f"crop [{cut[0]}:, {cut[1]}:]"
        if min(np.subtract(pixels.shape[1:], cut)) <= reach:
            yield name, "too small"
            continue
        part = np.ascontiguousarray(pixels[:, *at])
        plan = case.of_array(part, None if valid is None else valid[at])
        found = shifted(compute(plan), case.plan.lattice, plan.lattice, cut)
        away = np.s_[reach:, reach:]
        same = case.expected[at][away]
        yield name, f"{differing(found[away], same)} of {same.size}"


def die_after(count: int) -> Callable[[Event], None]:
    """Return a listener that kills its process after some super-tiles."""
    seen = []

    def listen(event: Event) -> None:
        seen.extend([event] if isinstance(event, TileDone) else [])
        if len(seen) >= count:
            os.kill(os.getpid(), signal.SIGKILL)

    return listen


def run_until_killed(case: Case, window: int, out: Path, count: int) -> None:
    """Run, in a process of its own, until it is killed."""
    nsp.run(case.with_window(window), out, workers=1, listener=die_after(count))


def runs(case: Case, window: int, folder: Path) -> Iterator[tuple[str, str]]:
    """Compare a run, and one that was killed and resumed."""
    plan = case.with_window(window)
    result = nsp.run(plan, folder / "whole.zarr")
    yield "run", differing(np.asarray(result.labels[...]), case.expected)
    out, half = folder / "killed.zarr", max(1, plan.tiles // 2)
    context = multiprocessing.get_context("spawn")
    fresh = Case(case.path, case.method, case.window)
    child = context.Process(target=run_until_killed, args=(fresh, window, out, half))
    child.start()
    child.join()
    if child.exitcode != -signal.SIGKILL:
        yield "killed and resumed", f"not killed ({child.exitcode})"
        return
    result = nsp.run(plan, out, resume=True)
    done = result.report.tiles - result.report.computed
    count = differing(np.asarray(result.labels[...]), case.expected)
    yield "killed and resumed", f"{count} ({done} of {result.report.tiles} were done)"


def short_halos(case: Case, window: int, lacking: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Compare halos that lack cells."""
    for missing in lacking:
        # Statistics are those of the whole image, so only the halo differs.
        plan = case.with_window(window)
        plan = replace(plan, method=cast("Method", ShortHalo(case.method, missing)))
        yield f"halo short by {missing}", differing(compute(plan), case.expected)


def noise(folder: Path, size: int, step: int) -> Case:
    """Return a case in which labels depend on pixels that are far away."""
    rng = np.random.default_rng(1)
    plane = (rng.random((size, size, 1)) < 0.5).astype(np.uint8) * 255
    path = folder / "noise.png"
    imsave(path, plane.repeat(3, axis=2), check_contrast=False)
    return Case(str(path), Slic(step=step, iterations=1, compactness=0.5))


def noise_rows(options: argparse.Namespace) -> Iterator[list[str]]:
    """Compare windows and short halos in noise."""
    with tempfile.TemporaryDirectory() as folder:
        for step in options.steps:
            case = noise(Path(folder), options.noise, step)
            parts = [windows(case, [4 * step]), short_halos(case, 4 * step, options.lacking)]
            for name, text in (pair for part in parts for pair in part):
                yield [f"noise {options.noise}", "1", str(step), name, text]


def rows(options: argparse.Namespace) -> Iterator[list[str]]:
    """Compare everything for every image and setting."""
    for path, iterations, step in product(options.images, options.iterations, options.steps):
        compactness = {} if options.compactness is None else {"compactness": options.compactness}
        case = Case(path, Slic(step=step, iterations=iterations, **compactness))
        with tempfile.TemporaryDirectory() as folder:
            parts = [
                windows(case, options.windows),
                chunkings(case, CHUNKINGS),
                crops(case),
                runs(case, options.windows[0], Path(folder)),
                short_halos(case, options.windows[0], options.lacking),
            ]
            for name, text in (pair for part in parts for pair in part):
                yield [Path(path).name, str(iterations), str(step), name, text]


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", nargs="+", required=True)
    parser.add_argument("--iterations", nargs="+", type=int, default=[5, 10])
    parser.add_argument("--steps", nargs="+", type=int, default=[16, 24])
    parser.add_argument("--windows", nargs="+", type=int, default=[256, 512, 1024])
    parser.add_argument("--lacking", nargs="+", type=int, default=[2, 4, 8])
    parser.add_argument("--compactness", type=float)
    parser.add_argument("--noise", type=int, default=2048, help="side of the noise, in pixels")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = arguments(given)
    header = ["image", "iterations", "step", "what", "differing pixels"]
    print(f"{hardware.description(('numpy', 'numba', 'dask', 'zarr'))}\n")
    print(markdown(header, [*rows(options), *noise_rows(options)]))


if __name__ == "__main__":
    main()
