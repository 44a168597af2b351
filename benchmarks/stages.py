"""Where the time of `slic` goes: processor time of one thread, stage by stage.

Each stage is wrapped where it is looked up and timed in calls on fresh images; shown is the least
of all calls, in nanoseconds a pixel, which a busy machine disturbs least. Another checkout is
measured by putting its `src` on PYTHONPATH.

    python benchmarks/stages.py
    python benchmarks/stages.py --data FOLDER/bsds500/val --size 2048
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.mosaic import fresh_image, pixels_of
from napari_superpixels.evaluation.ours import codes_of
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.kernels import cells, components, growth, slic_kernels
from napari_superpixels.kernels.ids import expand_ids
from napari_superpixels.kernels.mode import mode_downsample
from napari_superpixels.labels.boundaries import find_boundaries
from napari_superpixels.models import clustering
from napari_superpixels.models.slic import Slic
from napari_superpixels.tiling import Lattice

STAGES: dict[str, tuple[Any, str]] = {
    "Lab": (clustering, "rgb_to_lab"),
    "storing by cells": (cells, "_store"),
    "centres": (slic_kernels, "update"),
    "association": (slic_kernels, "associate"),
    "merging sums": (slic_kernels, "merge"),
    "codes as an image": (cells, "_unpack"),
    "connectivity, rules 1 to 3": (components, "keep"),
    "connectivity, rule 4": (growth, "grow"),
    "of that, distances": (slic_kernels, "cost"),
}
"""Where the function of each stage is looked up."""

WHOLE = "model, all of it"

Image = NDArray[np.uint8]
Seconds = dict[str, float]


def timed(call: Callable[..., Any], name: str, seconds: Seconds) -> Callable[..., Any]:
    """Return a function that adds what it takes to the seconds of a stage."""

    def run(*args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        result = call(*args, **kwargs)
        seconds[name] = seconds.get(name, 0.0) + time.process_time() - start
        return result

    return run


@contextmanager
def watched(seconds: Seconds) -> Iterator[None]:
    """Time the stages while the block runs."""
    with ExitStack() as stack:
        for name, (place, attribute) in STAGES.items():
            call = timed(getattr(place, attribute), name, seconds)
            stack.enter_context(patch.object(place, attribute, call))
        yield


def after(codes: Image, step: int) -> dict[str, Callable[[], Any]]:
    """Return what a run does with codes: ids, a coarser level, borders."""
    grid = Lattice(codes.shape, (step, step)).cells
    ids = partial(expand_ids, codes, (0, 0), (step, step), (grid[0], grid[1]), 0)
    labels = ids(np.dtype(np.uint32))
    return {
        "ids": partial(ids, np.dtype(np.uint32)),
        "mode, 2 x 2": partial(mode_downsample, labels, (2, 2)),
        "mode, 3 x 3": partial(mode_downsample, labels, (3, 3)),
        "borders, thin": partial(find_boundaries, labels),
        "borders, thick": partial(find_boundaries, labels, mode="thick"),
    }


def stages_of(make: Callable[[], Image], options: argparse.Namespace) -> Seconds:
    """Return the least seconds of each stage over some fresh images."""
    method = Slic(step=options.step, iterations=options.iterations)
    best: Seconds = {}
    for _ in range(options.repeats + 1):
        image, seconds = make(), dict[str, float]()
        with watched(seconds):
            codes = timed(codes_of, WHOLE, seconds)(image, method, threads=1)
        for name, call in after(codes, options.step).items():
            call()
            timed(call, name, seconds)()
        # The first round may compile; the least leaves it out by itself.
        best = {name: min(best.get(name, spent), spent) for name, spent in seconds.items()}
    return best


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024, help="side of the image, in pixels")
    parser.add_argument("--step", type=int, default=16)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--square", type=int, default=256, help="side of the pieces, in pixels")
    parser.add_argument(
        "--images", nargs="+", default=["slide", "photographs"], help="these, or files"
    )
    parser.add_argument("--data", help="folder of photographs instead of scikit-image's")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = arguments(given)
    print(f"{hardware.description()}\n")
    columns = []
    for name in options.images:
        rng = np.random.default_rng(options.seed)
        pixels = pixels_of(name, options.data)
        make = partial(fresh_image, pixels, options.size, rng, square=options.square)
        columns.append(stages_of(make, options))
    area = options.size**2
    lines = [
        [stage, *(f"{column.get(stage, 0.0) / area * 1e9:.2f}" for column in columns)]
        for stage in columns[0]
    ]
    print(markdown(["ns a pixel", *options.images], lines))


if __name__ == "__main__":
    main()
