"""The proof on large images: memory that does not grow, and labels that keep their promises.

Writes a mosaic of real pixels into a zarr, and labels it with the shell command in a process of its
own whose peak memory is measured. Then reads the labels back window by window and counts what must
not be: labels in several pieces (4-connected) and pixels outside the 3 x 3 cells.

    python benchmarks/large.py --sizes 5000 20000
    python benchmarks/large.py --sizes 5000 20000 --method ssn
    python benchmarks/large.py --sizes 5000 20000 --method scn --weights scn.safetensors
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from scaling import draw

import napari_superpixels as nsp
from napari_superpixels import cli
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
    processor: float
    """Processor time of its process, all threads and imports counted, in seconds."""
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


def write_mosaic(options: argparse.Namespace, size: int, path: Path) -> None:
    """Write the mosaic, shape (Y, X, 3), one square after the other."""
    mosaic = Mosaic(read_image(options.image), size, options.square)
    square = (options.square, options.square, 3)
    array = zarr.create_array(path, shape=(size, size, 3), chunks=square, dtype=np.uint8)
    places = range(-(-size // options.square))
    for row, column in product(places, places):
        array.blocks[row, column, 0] = mosaic.block((row, column, 0))


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the method is given beside its name."""
    names = ("step", "iterations", "weights", "window")
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def shell_command(options: argparse.Namespace, image: Path, out: Path) -> list[str]:
    """Return what one types after `napari-superpixels`."""
    given = [f"--{name}={value}" for name, value in settings_of(options).items()]
    command = ["run", str(image), str(out), "--json", "--axes=yxs", "--rgb"]
    return [*command, f"--method={options.method}", *given]


def label_here(command: Sequence[str]) -> None:
    """Be the shell command, and print peak memory and processor time after what it prints."""
    sys.argv = ["napari-superpixels", *command]
    cli.main()
    print(hardware.peak_memory(), time.process_time())


def label(options: argparse.Namespace, image: Path, out: Path) -> Measured:
    """Label the mosaic in a fresh process, so that its peak memory is its own."""
    source = nsp.open(image, axes="yxs", rgb=True)
    plan = nsp.plan(source, options.method, **settings_of(options))
    command = [sys.executable, __file__, "--child", *shell_command(options, image, out)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    told, used = ended.stdout.splitlines()[-2:]
    run, (peak, processor) = json.loads(told), used.split()
    return Measured(
        run["seconds"], float(processor), int(peak), plan.projected_bytes(2), run["superpixels"]
    )


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


def row(options: argparse.Namespace, size: int, folder: Path) -> list[str]:
    """Label and check one size; the third column is its speed."""
    image, out = folder / f"mosaic-{size}.zarr", folder / f"{options.method}-{size}.zarr"
    if not image.exists():
        write_mosaic(options, size, image)
    run = label(options, image, out)
    faults = check(zarr.open_array(out / "0", mode="r"), options.step, options.check_cells)
    return [
        f"{size} x {size}",
        f"{run.seconds:.0f}",
        f"{size**2 / 1e6 / run.seconds:.2f}",
        f"{run.processor / (size**2 / 1e6):.2f}",
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
    parser.add_argument("--iterations", type=int, help="the method's own by default")
    parser.add_argument("--weights", help="of a learned method: a name, or a file")
    parser.add_argument("--window", type=int, help="edge of a window, in pixels")
    parser.add_argument("--image", default=SLIDE, help="what the mosaic is made of")
    parser.add_argument("--square", type=int, default=500, help="side of its pieces, in pixels")
    parser.add_argument("--check-cells", type=int, default=128, help="cells checked at once")
    parser.add_argument("--folder", help="where outputs stay; else they are removed")
    parser.add_argument("--pictures", type=Path, help="folder of a curve over pixels; none without")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table, or be the process that labels."""
    given = sys.argv[1:] if given is None else given
    if given and given[0] == "--child":
        label_here(given[1:])
        return
    options = arguments(given)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(options.folder or scratch)
        rows = [row(options, size, folder) for size in options.sizes]
    header = [
        "mosaic",
        "s",
        "Mpx/s",
        "CPU s/Mpx",
        "peak MB",
        "projected MB beside libraries",
        "superpixels",
    ]
    header += ["in several pieces", "pixels outside 3 x 3", "pixels without label"]
    print(f"{hardware.description(('numpy', 'numba', 'torch', 'zarr'))}\n")
    settings = ", ".join(f"{name} {value}" for name, value in settings_of(options).items())
    print(f"{options.method}, {settings}.\n")
    print(markdown(header, rows))
    if options.pictures is not None:
        speeds = zip(options.sizes, rows, strict=True)
        curve = {size**2 / 1e6: float(row[2]) for size, row in speeds}
        print("", *draw({"megapixels": curve}, options.pictures), sep="\n")


if __name__ == "__main__":
    main()
