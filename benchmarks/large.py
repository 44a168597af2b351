"""The proof on large images: memory that does not grow, and labels that keep their promises.

Labels a mosaic of real pixels, made block by block when it is read, into an OME-Zarr, in a process
of its own whose peak memory is measured. Then reads the labels back window by window and counts
what must not be: labels in several pieces (4-connected) and pixels outside the 3 x 3 cells.

    python benchmarks/large.py --sizes 5000 20000
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

import napari_superpixels as nsp
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.mosaic import Mosaic, read_image
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.labels.check import pixels_outside_cells, split_labels
from napari_superpixels.tiling import Box, Lattice, Windows, WindowShape

SLIDE = nsp.sample_path("slide")
"""The real slide that comes with the package."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run took."""

    seconds: float
    """Wall time of `run`."""
    peak: int
    """Largest resident size of its process, in bytes."""
    projected: int
    """What the plan projected for two windows in work, in bytes, beside the libraries."""
    superpixels: int
    """How many there are."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What must not be."""

    split: int
    """Labels in more than one 4-connected piece."""
    outside: int
    """Pixels outside the 3 x 3 cells around the cell of their label."""
    unlabelled: int
    """Pixels without a label."""


def label_here(options: argparse.Namespace, size: int, out: Path) -> Measured:
    """Label the mosaic in this process."""
    mosaic = Mosaic(read_image(options.image), size, options.square)
    plan = nsp.plan(
        nsp.open(mosaic.lazy(), axes="yxs", rgb=True),
        options.method,
        window=options.window,
        step=options.step,
        iterations=options.iterations,
    )
    start = time.perf_counter()
    result = nsp.run(plan, out)
    seconds = time.perf_counter() - start
    return Measured(
        seconds, hardware.peak_memory(), plan.projected_bytes(2), result.report.superpixels
    )


def label_in_process(given: Sequence[str], size: int, out: Path) -> Measured:
    """Label the mosaic in a fresh process, so that its peak memory is its own."""
    command = [sys.executable, __file__, *given, "--child", str(size), str(out)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Measured(**json.loads(ended.stdout.splitlines()[-1]))


def check(labels: zarr.Array[Any], step: int, cells: int) -> Faults:
    """Count what must not be, window by window; a label is judged in its own cell's window."""
    lattice = Lattice((labels.shape[0], labels.shape[1]), (step, step))
    shape = WindowShape(cells, halo=1)
    split = outside = unlabelled = 0
    for window in Windows.over(lattice.cells, Box.whole(lattice.cells), (shape, shape)):
        read, core = lattice.to_pixels(window.read), lattice.to_pixels(window.core)
        part = np.asarray(labels[read.slices])
        own = part[core.relative_to(read).slices]
        split += len(split_labels(part, lattice, window.read, window.core))
        outside += pixels_outside_cells(own, lattice, (core[0].start, core[1].start))
        unlabelled += int((own == 0).sum())
    return Faults(split, outside, unlabelled)


def row(options: argparse.Namespace, given: Sequence[str], size: int, folder: Path) -> list[str]:
    """Label and check one size."""
    out = folder / f"mosaic-{size}.zarr"
    run = label_in_process(given, size, out)
    faults = check(zarr.open_array(out / "0", mode="r"), options.step, options.check_cells)
    return [
        f"{size} x {size}",
        f"{run.seconds:.0f}",
        f"{size**2 / 1e6 / run.seconds:.2f}",
        f"{run.peak / 1e6:.0f}",
        f"{run.projected / 1e6:.0f}",
        str(run.superpixels),
        str(faults.split),
        str(faults.outside),
        str(faults.unlabelled),
    ]


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[5000, 20000])
    parser.add_argument("--method", default="slic")
    parser.add_argument("--step", type=int, default=16)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--window", type=int, help="edge of a window, in pixels")
    parser.add_argument("--image", default=SLIDE, help="what the mosaic is made of")
    parser.add_argument("--square", type=int, default=500, help="side of its pieces, in pixels")
    parser.add_argument("--check-cells", type=int, default=128, help="cells checked at once")
    parser.add_argument("--folder", help="where outputs stay; else they are removed")
    parser.add_argument("--child", nargs=2, metavar=("SIZE", "OUT"), help=argparse.SUPPRESS)
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table, or be the process that labels."""
    given = sys.argv[1:] if given is None else given
    options = arguments(given)
    if options.child:
        size, out = options.child
        measured = label_here(options, int(size), Path(out))
        fields = {name: getattr(measured, name) for name in Measured.__slots__}
        print(json.dumps(fields))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(options.folder or scratch)
        rows = [row(options, given, size, folder) for size in options.sizes]
    header = ["mosaic", "s", "Mpx/s", "peak MB", "projected MB beside libraries", "superpixels"]
    header += ["in several pieces", "pixels outside 3 x 3", "pixels without label"]
    print(f"{hardware.description(('numpy', 'numba', 'dask', 'zarr'))}\n")
    print(f"{options.method}, step {options.step}, {options.iterations} iterations.\n")
    print(markdown(header, rows))


if __name__ == "__main__":
    main()
