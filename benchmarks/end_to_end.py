"""From file to file beside in memory: what reading, tables, pyramid and writing cost.

An image of real pixels is written as an OME-Zarr of zstd chunks, and labelled twice in turns by the
same method: as an array that is in memory, and from that file into the labels' OME-Zarr with its
tables and its pyramid. The ratio of the two speeds is asked to be 60 % or more. On a machine that
others use as well the ratio of processor times says more than that of times.

    python benchmarks/end_to_end.py
    python benchmarks/end_to_end.py --size 8192 --repeats 5 --profile trace.json
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

import napari_superpixels as nsp
from napari_superpixels.engine.events import Report
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.plan import Plan
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.mosaic import fresh_image, read_image
from napari_superpixels.evaluation.tables import markdown

SLIDE = nsp.sample_path("slide")
"""The real slide that comes with the package."""
PACKAGES = ("numpy", "numba", "zarr", "numcodecs")
MEMORY, FILES = "in memory", "OME-Zarr to OME-Zarr"

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Taken:
    """What one call took."""

    seconds: float
    """By the clock."""
    processor: float
    """Of all threads of this process, in seconds."""


def write_image(image: Image, path: Path, chunk: int) -> None:
    """Write an RGB image, shape (Y, X, 3), as an OME-Zarr 0.5 of one level."""
    group = zarr.create_group(path)
    planes = np.moveaxis(image, -1, 0)
    array = group.create_array(
        "0",
        shape=planes.shape,
        chunks=(3, chunk, chunk),
        dtype=planes.dtype,
        compressors=ZstdCodec(level=3),
        dimension_names=["c", "y", "x"],
    )
    array[:] = planes
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space"} for name in "yx"]
    scale = {"type": "scale", "scale": [1.0, 1.0, 1.0]}
    datasets = [{"path": "0", "coordinateTransformations": [scale]}]
    multiscale = {"name": "slide", "axes": axes, "datasets": datasets}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}


def plan_of(image: Any, options: argparse.Namespace, axes: str | None = None) -> Plan:
    """Plan an array or a file."""
    names = ("step", "iterations", "weights", "window")
    settings = {name: value for name in names if (value := getattr(options, name)) is not None}
    return nsp.plan(nsp.open(image, axes=axes, rgb=True), options.method, **settings)


def taken(call: Callable[[], object]) -> Taken:
    """Time a call."""
    begin, used = time.perf_counter(), time.process_time()
    call()
    return Taken(time.perf_counter() - begin, time.process_time() - used)


def measure(options: argparse.Namespace, folder: Path) -> tuple[dict[str, list[Taken]], Report]:
    """Time both in turns, each round on an image of its own; return the last run's report too."""
    pixels, rng = read_image(options.image), np.random.default_rng(options.seed)
    found: dict[str, list[Taken]] = {MEMORY: [], FILES: []}
    reports: list[Report] = []
    for turn in range(-1, options.repeats):
        size = options.size if turn >= 0 else min(options.size, 256)  # the first one compiles
        image = fresh_image(pixels, size, rng, square=options.square)
        path, out = folder / f"image{turn}.zarr", folder / f"labels{turn}.zarr"
        write_image(image, path, options.chunk)
        trace = options.profile if turn == options.repeats - 1 else None

        def label_files(path: Path = path, out: Path = out, trace: str | None = trace) -> None:
            plan = plan_of(path, options)
            result = nsp.run(plan, out, workers=options.workers, profile=trace)
            reports.append(result.report)

        in_memory = lazy_labels(plan_of(image, options, "yxs"))
        rounds = {MEMORY: taken(in_memory.compute), FILES: taken(label_files)}
        if turn >= 0:
            for name, one in rounds.items():
                found[name].append(one)
            if options.check:
                same = np.array_equal(zarr.open_array(out / "0")[:], in_memory.compute())
                assert same, "the file holds what memory holds"
    return found, reports[-1]


def table(found: dict[str, list[Taken]], size: int) -> list[list[str]]:
    """Return speeds, and how they compare with those in memory."""
    memory, rows = found[MEMORY], []
    for name, rounds in found.items():
        seconds = median(one.seconds for one in rounds)
        processor = median(one.processor for one in rounds)
        pairs = list(zip(memory, rounds, strict=True))
        rows.append(
            [
                name,
                f"{seconds:.2f}",
                f"{size**2 / 1e6 / seconds:.2f}",
                f"{processor:.2f}",
                f"{median(m.seconds / one.seconds for m, one in pairs):.0%}",
                f"{median(m.processor / one.processor for m, one in pairs):.0%}",
            ]
        )
    return rows


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4096, help="side of the image, in pixels")
    parser.add_argument("--method", default="slic")
    parser.add_argument("--step", type=int, default=16)
    parser.add_argument("--iterations", type=int, help="the method's own by default")
    parser.add_argument("--weights", help="of a learned method: a name, or a file")
    parser.add_argument("--window", type=int, help="edge of a window, in pixels")
    parser.add_argument("--workers", type=int, default=hardware.cores())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--chunk", type=int, default=512, help="edge of the image's chunks")
    parser.add_argument("--square", type=int, default=256, help="side of the pieces, in pixels")
    parser.add_argument("--image", default=SLIDE, help="what the images are made of")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="where image and labels are written for a while")
    parser.add_argument("--profile", help="write a trace of the last run as this JSON file")
    parser.add_argument("--check", action="store_true", help="compare all labels")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = arguments(given)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found, report = measure(options, Path(folder))
    print(f"{hardware.description(PACKAGES)}\n")
    print(
        f"{options.method}, {options.size} x {options.size} RGB, fresh each round, step "
        f"{options.step}, {options.workers} processors, medians of {options.repeats} rounds in "
        f"turns.\n"
    )
    header = ["what", "s", "Mpx/s", "CPU s", "of memory's speed", "of its speed by CPU s"]
    print(markdown(header, table(found, options.size)))
    print(f"\nThe last run: {report}.")


if __name__ == "__main__":
    main()
