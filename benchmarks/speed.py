"""Speed of `slic` beside other implementations: a fresh image each call, everything included.

Every contender gets the same kind of input, an RGB image of real pixels that no cache has seen, and
does all of its work: conversion to Lab, the iterations, its own clean-up. They run in turns in one
process; figures are medians, and only ratios within one run mean something.

    python benchmarks/speed.py
    python benchmarks/speed.py --size 2048 --repeats 5
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import napari_superpixels as nsp
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.baselines import FAST_SLIC_LIMIT, baseline, is_installed
from napari_superpixels.evaluation.mosaic import fresh_image, read_image
from napari_superpixels.evaluation.ours import codes_of
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.models.slic import Slic
from napari_superpixels.tiling import Lattice

SLIDE = nsp.sample_path("slide")
"""The real slide that comes with the package."""

PACKAGES = ("numpy", "numba", "scikit-image", "fast-slic", "opencv-contrib-python-headless")

Image = NDArray[np.uint8]
Call = Callable[[Image], Any]


def lazy(image: Image, *, step: int, iterations: int) -> Any:
    """Label through the public lazy array, ids included."""
    labels = nsp.superpixels(image, "slic", axes="yxs", step=step, iterations=iterations)
    return labels.compute()


def ours(options: argparse.Namespace) -> Iterator[tuple[str, Call]]:
    """Yield our own contenders."""
    step, iterations = options.step, options.iterations
    yield "slic, lazy array", partial(lazy, step=step, iterations=iterations)
    model = partial(codes_of, method=Slic(step=step, iterations=iterations))
    yield f"slic, model, {options.threads} threads", partial(model, threads=options.threads)
    if options.threads > 1:
        yield "slic, model, 1 thread", partial(model, threads=1)


def others(options: argparse.Namespace) -> Iterator[tuple[str, Call]]:
    """Yield the contenders that are installed, at the same number of superpixels."""
    cells = Lattice((options.size, options.size), (options.step, options.step)).cells_per_plane
    common = {"compactness": 10.0, "iterations": options.iterations}
    yield "skimage", partial(baseline("skimage", **common), target=cells)
    if is_installed("fast-slic"):
        target = min(cells, FAST_SLIC_LIMIT)
        for threads in sorted({1, options.threads}):
            call = baseline("fast-slic", **common, threads=threads)
            yield f"fast-slic AVX2, {threads} threads", partial(call, target=target)
    if is_installed("opencv-slic"):
        yield "opencv SLIC", partial(baseline("opencv-slic", **common), target=cells)


def rows(options: argparse.Namespace) -> list[list[str]]:
    """Time everybody in turns."""
    pixels = read_image(options.image)
    rng = np.random.default_rng(options.seed)
    calls = dict([*ours(options), *others(options)])
    warm = fresh_image(pixels, min(options.size, 256), rng, square=options.square)
    for name, call in calls.items():
        if name.startswith("slic"):
            call(warm)  # compiles, or loads what was compiled before
    fresh = partial(fresh_image, pixels, options.size, rng, square=options.square)
    seconds = hardware.interleave(calls, fresh, options.repeats)
    middle = hardware.medians(seconds)
    area = options.size**2 / 1e6
    best_fast = min((middle[n] for n in middle if n.startswith("fast-slic")), default=float("nan"))
    return [
        [
            name,
            f"{middle[name]:.2f}",
            f"{min(seconds[name]):.2f} to {max(seconds[name]):.2f}",
            f"{area / middle[name]:.2f}",
            f"{middle['skimage'] / middle[name]:.1f}",
            f"{best_fast / middle[name]:.2f}",
        ]
        for name in calls
    ]


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4096, help="side of the image, in pixels")
    parser.add_argument("--step", type=int, default=16)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=hardware.cores())
    parser.add_argument("--square", type=int, default=256, help="side of the pieces, in pixels")
    parser.add_argument("--image", default=SLIDE, help="what the images are made of")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = arguments(given)
    print(f"{hardware.description(PACKAGES)}\n")
    print(
        f"{options.size} x {options.size} RGB, fresh each call, step {options.step}, "
        f"{options.iterations} iterations, medians of {options.repeats} rounds in turns; "
        f"fast-slic visits a third of the rows in each iteration.\n"
    )
    header = ["what", "s", "range", "Mpx/s", "x skimage", "x fast-slic (its best)"]
    print(markdown(header, rows(options)))


if __name__ == "__main__":
    main()
