"""Speed of `slic` beside other implementations: a fresh image each call, everything included.

Every contender gets the same kind of input, an RGB image of real pixels that no cache has seen, and
does all of its work: conversion to Lab, the iterations, its own clean-up. They run in turns in one
process; figures are medians, and only ratios within one run mean something. `slic` passes over
cells whose candidates rest, so beside a slide with smooth glass stands a mosaic of photographs.

With annotated images ASA and boundary recall stand beside the speed, with the very settings that
are timed, at the number of superpixels that the step gives.

    python benchmarks/speed.py
    python benchmarks/speed.py --data FOLDER/bsds500/val --quality-limit 20
    python benchmarks/speed.py --size 2048 --repeats 5 --images slide
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import napari_superpixels as nsp
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.baselines import (
    FAST_SLIC_LIMIT,
    baseline,
    is_installed,
    skimage_slic,
)
from napari_superpixels.evaluation.bsds import Samples
from napari_superpixels.evaluation.mosaic import fresh_image, pixels_of
from napari_superpixels.evaluation.ours import codes_of, run_native
from napari_superpixels.evaluation.protocol import Method, evaluate
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.models.slic import Slic
from napari_superpixels.tiling import Lattice

COMPACTNESS = {"skimage": 20.0, "fast-slic": 10.0, "opencv-slic": 10.0}
"""Of scikit-image the better one on BSDS500, of the others the default."""

PACKAGES = ("numpy", "numba", "scikit-image", "fast-slic", "opencv-contrib-python-headless", "dask")

Image = NDArray[np.uint8]
Call = Callable[[Image], Any]


@dataclass(frozen=True, slots=True)
class Contender:
    """Something that makes superpixels."""

    name: str
    call: Call
    """What is timed."""
    method: Method | None = None
    """The same with a wanted number of superpixels, for images of any size; None is not scored."""


def ours(options: argparse.Namespace) -> Iterator[Contender]:
    """Yield our own contenders."""
    method = Slic(step=options.step, iterations=options.iterations)

    def native(image: Image, _target: int) -> Any:
        return run_native(image, method)

    def lazy(image: Image) -> Any:
        return nsp.superpixels(image, method, axes="yxs").compute()

    yield Contender("slic, lazy array", lazy, native)
    for threads in sorted({1, options.threads}, reverse=True):
        call = partial(codes_of, method=method, threads=threads)
        yield Contender(f"slic, model, {threads} threads", call, native)


def others(options: argparse.Namespace) -> Iterator[Contender]:
    """Yield the contenders that are installed, at the same number of superpixels."""
    cells = Lattice((options.size, options.size), (options.step, options.step)).cells_per_plane
    yield _other("skimage", "skimage", cells, options)
    tiles = {"chunk": options.chunk, "threads": options.threads, "iterations": options.iterations}
    yield Contender("dask map_overlap, skimage", partial(map_overlap, target=cells, **tiles))
    for threads in sorted({1, options.threads}):
        if is_installed("fast-slic"):
            target = min(cells, FAST_SLIC_LIMIT)
            name = f"fast-slic AVX2, {threads} threads"
            yield _other(name, "fast-slic", target, options, threads=threads)
    for kind in ("slic", "seeds", "lsc"):
        if is_installed(f"opencv-{kind}"):
            yield _other(f"opencv {kind.upper()}", f"opencv-{kind}", cells, options)


def _other(
    name: str, wanted: str, target: int, options: argparse.Namespace, **given: Any
) -> Contender:
    if wanted in COMPACTNESS:
        given["compactness"] = COMPACTNESS[wanted]
    method = baseline(wanted, iterations=options.iterations, **given)
    return Contender(name, partial(method, target=target), method)


def map_overlap(image: Image, target: int, *, chunk: int, threads: int, iterations: int) -> Any:
    """Label chunk by chunk with scikit-image, as is commonly done; seams and all."""
    import dask.array as da

    share, depth = target / (image.shape[0] * image.shape[1]), 32

    def one(part: Image, block_id: tuple[int, ...]) -> NDArray[np.int64]:
        wanted = max(1, round(share * part.shape[0] * part.shape[1]))
        compactness = COMPACTNESS["skimage"]
        labels = skimage_slic(part, wanted, compactness=compactness, iterations=iterations)
        offset = (block_id[0] * 100_000 + block_id[1]) << 32
        return (labels + offset)[..., np.newaxis]

    pixels = da.from_array(image, chunks=(chunk, chunk, 3))
    map_overlap: Any = da.map_overlap
    labels = map_overlap(
        one, pixels, depth=(depth, depth, 0), boundary="none", dtype=np.int64, allow_rechunk=True,
        meta=np.empty((0, 0, 0), np.int64), chunks=(*pixels.chunks[:2], (1,)),
    )  # fmt: skip
    return labels.compute(scheduler="threads", num_workers=threads)


def seconds_of(
    contenders: Sequence[Contender], pixels: Image, options: argparse.Namespace
) -> dict[str, list[float]]:
    """Time everybody in turns on images made of some pixels."""
    rng = np.random.default_rng(options.seed)
    warm = fresh_image(pixels, min(options.size, 256), rng, square=options.square)
    for contender in contenders:
        if contender.name.startswith("slic"):
            contender.call(warm)  # compiles, or loads what was compiled before
    fresh = partial(fresh_image, pixels, options.size, rng, square=options.square)
    calls = {contender.name: contender.call for contender in contenders}
    return hardware.interleave(calls, fresh, options.repeats)


def scores_of(contenders: Sequence[Contender], options: argparse.Namespace) -> dict[str, list[str]]:
    """Return count, ASA and boundary recall of everybody; nothing without annotated images."""
    if not options.data:
        return {}
    samples = Samples(options.data, limit=options.quality_limit)
    step = (options.step, options.step)
    target = Lattice(samples[0].image.shape[:2], step).cells_per_plane
    found: dict[str, list[str]] = {}
    for contender in contenders:
        if contender.method is not None:
            scores = evaluate(contender.method, samples, target, workers=options.threads)
            numbers = f"{scores.superpixels:.0f}", f"{scores.asa:.4f}", f"{scores.br:.4f}"
            found[contender.name] = list(numbers)
    return found


def rows(
    seconds: dict[str, list[float]], scores: dict[str, list[str]], megapixels: float
) -> list[list[str]]:
    """Return the lines of the table."""
    middle = hardware.medians(seconds)
    best_fast = min((middle[n] for n in middle if n.startswith("fast-slic")), default=float("nan"))
    return [
        [
            name,
            f"{middle[name]:.2f}",
            f"{min(seconds[name]):.2f} to {max(seconds[name]):.2f}",
            f"{megapixels / middle[name]:.2f}",
            f"{middle['skimage'] / middle[name]:.1f}",
            f"{best_fast / middle[name]:.2f}",
            *scores.get(name, ["", "", ""]),
        ]
        for name in seconds
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
    parser.add_argument(
        "--images", nargs="+", default=["slide", "photographs"], help="these, or files"
    )
    parser.add_argument("--chunk", type=int, default=1024, help="chunks of dask, in pixels")
    parser.add_argument("--data", help="folder of images with NAME.npz beside them, to score on")
    parser.add_argument("--quality-limit", type=int, help="score on that many of them")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print a table for each kind of image."""
    options = arguments(given)
    print(f"{hardware.description(PACKAGES)}\n")
    print(
        f"{options.size} x {options.size} RGB, fresh each call, step {options.step}, "
        f"{options.iterations} iterations, medians of {options.repeats} rounds in turns; "
        f"fast-slic visits a third of the rows in each iteration.\n"
    )
    contenders = [*ours(options), *others(options)]
    scores = scores_of(contenders, options)
    header = ["what", "s", "range", "Mpx/s", "x skimage", "x fast-slic (its best)"]
    for name in options.images:
        seconds = seconds_of(contenders, pixels_of(name, options.data), options)
        print(f"Pixels of: {Path(name).name}\n")
        print(markdown([*header, "K", "ASA", "BR"], rows(seconds, scores, options.size**2 / 1e6)))
        print()


if __name__ == "__main__":
    main()
