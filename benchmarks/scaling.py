"""How the speed of `slic` grows with threads, windows and pixels: a table, and curves as pictures.

Threads work on one window that is the whole image; windows and pixels go through the lazy array,
ids and halos included. Images are mosaics of the slide that comes with the package, a fresh one
each call; figures are medians of rounds in turns.

    python benchmarks/scaling.py --folder out
    python benchmarks/scaling.py --folder out --megapixels 1 10 100 1000
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import napari_superpixels as nsp
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.mosaic import fresh_image, read_image
from napari_superpixels.evaluation.ours import codes_of
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.models.slic import Slic

SLIDE = nsp.sample_path("slide")

Image = NDArray[np.uint8]
Points = dict[float, float]
"""Megapixels a second, by what was varied."""


def lazy(image: Image, *, method: Slic, window: int | None = None) -> Any:
    """Label through the public lazy array."""
    return nsp.superpixels(image, method, axes="yxs", window=window).compute()


def megapixels_a_second(
    calls: dict[float, Callable[[Image], Any]], fresh: Callable[[], Image], repeats: int
) -> Points:
    """Time calls in turns, each on an image of its own."""
    area = 1.0

    def made() -> Image:
        nonlocal area
        image = fresh()
        area = image.shape[0] * image.shape[1] / 1e6
        return image

    named = {str(varied): call for varied, call in calls.items()}
    middle = hardware.medians(hardware.interleave(named, made, repeats))
    return {varied: area / middle[str(varied)] for varied in calls}


def curves(options: argparse.Namespace) -> dict[str, Points]:
    """Measure the three curves."""
    pixels, rng = read_image(options.image), np.random.default_rng(options.seed)
    method = Slic(step=options.step, iterations=options.iterations)
    fresh = partial(fresh_image, pixels, rng=rng, square=options.square)
    lazy(fresh(256), method=method)  # compiles, or loads what was compiled before
    codes_of(fresh(256), method, threads=2)
    image = partial(fresh, options.size)
    threads = {n: partial(codes_of, method=method, threads=n) for n in options.threads}
    windows = {n: partial(lazy, method=method, window=n) for n in options.windows}
    sizes = {size: round(size**0.5 * 1000) for size in options.megapixels}
    return {
        "threads": megapixels_a_second(threads, image, options.repeats),
        "window, px": megapixels_a_second(windows, image, options.repeats),
        "megapixels": {
            size: megapixels_a_second(
                {size: partial(lazy, method=method)}, partial(fresh, side), options.repeats
            )[size]
            for size, side in sizes.items()
        },
    }


def draw(points: dict[str, Points], folder: Path) -> list[Path]:
    """Draw each curve into a PNG of its own; needs matplotlib, of the extra `train`."""
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for varied, curve in points.items():
        figure = Figure(figsize=(4.5, 3.2), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(list(curve), list(curve.values()), "o-", color="black")
        axes.set(xlabel=varied, ylabel="Mpx/s", ylim=(0, None))
        if max(curve) > 10 * min(curve) or "px" in varied:
            axes.set_xscale("log")
        paths.append(folder / f"scaling-{varied.partition(',')[0]}.png")
        figure.savefig(paths[-1], dpi=120)
    return paths


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the pictures go; none without it")
    parser.add_argument("--size", type=int, default=4096, help="side of the image, in pixels")
    parser.add_argument("--threads", type=int, nargs="+", default=range(1, hardware.cores() + 1))
    parser.add_argument("--windows", type=int, nargs="+", default=[512, 1024, 1536, 2048, 4096])
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 3, 10, 30, 100])
    parser.add_argument("--step", type=int, default=16)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--square", type=int, default=256, help="side of the pieces, in pixels")
    parser.add_argument("--image", default=SLIDE, help="what the images are made of")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table and draw the curves."""
    options = arguments(given)
    print(f"{hardware.description()}\n")
    points = curves(options)
    lines = [
        [varied, f"{x:g}", f"{speed:.2f}"]
        for varied, curve in points.items()
        for x, speed in curve.items()
    ]
    print(markdown(["varied", "value", "Mpx/s"], lines))
    if options.folder is not None:
        print("", *draw(points, options.folder), sep="\n")


if __name__ == "__main__":
    main()
