"""The promise of the learned methods, counted on real images.

For each method and image: the same plan computed again, from a dask array in other chunks, by a run
and by a run that was killed half-way and resumed; windows with other cores; an image that starts at
another cell; and windows with a halo that lacks cells, which must differ.

Equal plans give equal labels. Networks that give the association themselves compute in floats, so
in windows of another size a pixel may choose another cell where its two best logits are nearly
equal: these raw choices are counted, before connectivity, with the largest such margin. Sampling
networks end in integers on blocks that do not depend on the windows: their labels are compared.

    python benchmarks/network_equality.py --images SLIDE NUCLEI EM --photographs FOLDER/bsds500/val
    python benchmarks/network_equality.py --images SLIDE --methods scn --weights scn=scn.safetensors

Methods without weights in the package or in the command get random ones, and the table says so.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from equality import Case, chunkings, compute, runs, shifted
from numpy.typing import NDArray
from skimage.io import imsave
from tile_borders import mosaic

from napari_superpixels.engine.plan import Plan, make_plan
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.bsds import Samples
from napari_superpixels.evaluation.mosaic import read_image
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.kernels.connectivity import HALO_CELLS
from napari_superpixels.models.learned import load
from napari_superpixels.models.registry import make_method, needs_weights
from napari_superpixels.models.weights import find
from napari_superpixels.testing.logits import LARGEST_MARGIN, Difference, difference, raw_logits
from napari_superpixels.testing.reach import reach_of
from napari_superpixels.testing.short_halo import ShortHalo
from napari_superpixels.testing.weights import write_random_weights

METHODS = ("ssn", "hcssn", "scn", "ainet", "pcnet")
CHUNKS = ((300, 500), (10**6, 128))
"""Chunks of the dask source along y and x, in pixels; cut to the image."""
SHIFT = (5, 9)
"""Cells, in multiples of a method's alignment, that another start lies away."""
SHORT_BY = 2
"""Cells that a halo lacks, or a method's alignment where that is more."""
NOISE_ITERATIONS = 2
"""Associations in noise: with more of them a cell's influence fades before it has gone so far."""

Found = tuple[str, Difference | str]
"""What was compared, and what was found; in words where `equality` has counted."""


def counted(one: NDArray[Any], other: NDArray[Any]) -> Difference:
    """Compare labels, which have no margin."""
    return Difference(int((one != other).sum()), one.size, 0.0)


def total(parts: Sequence[Found]) -> Difference:
    """Add up what was found."""
    found = [part for _, part in parts if isinstance(part, Difference)]
    count, pixels = sum(each.count for each in found), sum(each.pixels for each in found)
    return Difference(count, pixels, max(each.margin for each in found))


def cells_of(found: Difference | str) -> list[str]:
    """Return pixels that differ, their share, and the largest margin, as text."""
    if isinstance(found, str):
        return [found, "-", "-"]
    margin = f"{found.margin:.1e}" if found.margin else "-"
    return [f"{found.count} of {found.pixels}", f"{found.share:.1e}", margin]


@dataclass(frozen=True)
class Learned(Case):
    """One image, one learned method."""

    short_window: int = 256
    """Edge of windows whose halo lacks cells, in pixels."""

    @property
    def grid(self) -> bool:
        """Whether the network gives the association itself."""
        return self.method.fixed_windows

    @cached_property
    def logits(self) -> NDArray[np.float32]:
        """The raw logits that all others are compared with."""
        return raw_logits(self.plan)

    @property
    def cut(self) -> tuple[int, int]:
        """Where the image starts that starts at another cell, in pixels."""
        cell = self.method.step * (self.method.align_cells if self.grid else 1)
        return SHIFT[0] * cell, SHIFT[1] * cell

    def lacking(self, missing: int, window: int) -> Plan:
        """Plan small windows with a halo that lacks cells."""
        method = cast("Any", ShortHalo(self.method, missing))
        plan = make_plan(self.plan.source, method, window=window)
        return replace(plan, statistics=self.plan.statistics)


def same_plan(case: Learned, folder: Path) -> Iterator[Found]:
    """Compare ways to compute one plan, label by label."""
    yield "again", counted(compute(case.plan), case.expected)
    assert case.window is not None
    for part in (chunkings(case, CHUNKS), runs(case, case.window, folder)):
        yield from part


def other_cores(case: Learned, cores: Sequence[int]) -> Iterator[Found]:
    """Compare windows with other cores."""
    for core in cores:
        plan = case.with_window(core)
        if case.grid:
            yield f"core {core}, raw", difference(raw_logits(plan), case.logits)
        else:
            yield f"core {core}", counted(compute(plan), case.expected)


def another_start(case: Learned) -> Iterator[Found]:
    """Compare the image without its first cells, away from the cut."""
    pixels, valid = case.pixels
    method: Any = case.method
    at = np.s_[case.cut[0] :, case.cut[1] :]
    part = np.ascontiguousarray(pixels[:, *at])
    plan = case.of_array(part, None if valid is None else valid[at])
    reach = method.step * (method.network_halo if case.grid else method.halo_cells)
    away = np.s_[reach:, reach:]
    what = f"start at {case.cut[0]}, {case.cut[1]}"
    if min(part.shape[1:]) <= reach:
        yield what, "too small"
    elif case.grid:
        whole = case.logits[:, *at][:, *away]
        yield f"{what}, raw", difference(raw_logits(plan)[:, *away], whole)
    else:
        labels = shifted(compute(plan), case.plan.lattice, plan.lattice, case.cut)
        yield what, counted(labels[away], case.expected[at][away])


def short_halo(case: Learned) -> Iterator[Found]:
    """Compare windows whose halo lacks cells with the same windows whose halo is whole."""
    method: Any = case.method
    missing = max(SHORT_BY, method.align_cells) if case.grid else SHORT_BY
    what = f"halo short by {missing} cells"
    if not case.grid:
        # Blocks are read whole; what is cut are the cells that the clustering looks at. Of the
        # first window they end where a block does, or alignment would give back what is taken.
        align, halo = method.align_cells, method.cone_cells - missing
        window = (align - halo % align) * method.step
        plan = case.lacking(method.halo_cells - halo, window)
        yield what, counted(compute(plan), case.expected)
        return
    # One cell off the alignment, for the same reason.
    window = case.short_window + method.step * (method.align_cells > 1)
    whole, short = (raw_logits(case.lacking(HALO_CELLS + n, window)) for n in (0, missing))
    yield f"{what}, raw", difference(short, whole)
    with np.errstate(invalid="ignore"):  # what is no candidate has a logit of -inf in both
        changed = (np.abs(short - whole) > LARGEST_MARGIN).any(axis=0)
    yield f"{what}, logits", Difference(int(changed.sum()), changed.size, 0.0)


def seen(method: Any) -> str:
    """Return how many cells a NaN in one pixel spoils, and how many are declared."""
    network = load(find(method.weights, method.name))
    return f"{reach_of(network, method.step, method.network_halo + 1)} of {method.network_halo}"


@dataclass(frozen=True)
class Named:
    """A method, and where its weights come from."""

    method: Any
    origin: str


def methods_of(options: argparse.Namespace, folder: Path) -> Iterator[Named]:
    """Return the methods with their weights."""
    given = dict(pair.split("=", 1) for pair in options.weights)
    for name in options.methods:
        origin = Path(given[name]).name if name in given else "shipped"
        weights = given.get(name, "")
        if not weights and needs_weights(name):
            weights, origin = str(write_random_weights(folder, name)), "random"
        yield Named(make_method(name, {"step": options.step, "weights": weights}), origin)


def images_of(options: argparse.Namespace, folder: Path) -> Iterator[Path]:
    """Write a crop of every image, and of photographs side by side."""
    for number, path in enumerate(options.images):
        crop = read_image(path)[: options.size, : options.size]
        yield _written(folder / f"{number}-{Path(path).stem}.png", crop)
    if options.photographs:
        scene = mosaic(Samples(options.photographs), options.size, options.square)
        yield _written(folder / "photographs.png", scene.image)


def _written(path: Path, pixels: NDArray[Any]) -> Path:
    imsave(path, pixels[..., 0] if pixels.shape[2] == 1 else pixels, check_contrast=False)
    return path


def in_noise(named: Named, options: argparse.Namespace, folder: Path) -> Iterator[Found]:
    """Compare short halos in noise, where influence goes far."""
    rng = np.random.default_rng(0)
    path = _written(folder / "noise.png", rng.integers(0, 255, (options.noise,) * 2 + (3,), "u1"))
    method = named.method
    if not method.fixed_windows:
        method = replace(method, iterations=NOISE_ITERATIONS)
    yield from short_halo(Learned(str(path), method, options.core, options.short))


def image_rows(named: Named, path: Path, options: argparse.Namespace, folder: Path) -> list[Found]:
    """Compare everything on one image; short halos last."""
    case = Learned(str(path), named.method, options.core, options.short)
    out = folder / f"{named.method.name}-{path.stem}"
    out.mkdir()
    return [
        *same_plan(case, out),
        *other_cores(case, options.cores),
        *another_start(case),
        *short_halo(case),
    ]


def rows(options: argparse.Namespace, folder: Path) -> Iterator[list[str]]:
    """Compare everything, for every method and image."""
    images = list(images_of(options, folder))
    for named in methods_of(options, folder):
        start, across = [named.method.name, named.origin], list[Found]()
        for path in images:
            for what, found in image_rows(named, path, options, folder):
                yield [*start, path.stem, what, *cells_of(found)]
                across += [(what, found)] if what.startswith(("core", "start")) else []
        yield [*start, "all images", "other cores and starts", *cells_of(total(across))]
        for what, found in in_noise(named, options, folder):
            yield [*start, f"noise {options.noise}", what, *cells_of(found)]
        if named.method.fixed_windows:
            what = "cells that a NaN spoils, of those declared"
            yield [*start, "any", what, *cells_of(seen(named.method))]


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", nargs="+", default=[], help="images, of which a crop is used")
    parser.add_argument("--photographs", help="a folder of annotated ones, laid side by side")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--weights", nargs="+", default=[], metavar="METHOD=FILE")
    parser.add_argument("--size", type=int, default=1600, help="side of a crop, in pixels")
    parser.add_argument("--square", type=int, default=300, help="side of a photograph, in pixels")
    parser.add_argument("--step", type=int, default=16)
    parser.add_argument("--core", type=int, default=1024, help="core that others are compared with")
    parser.add_argument("--cores", nargs="+", type=int, default=[512, 1536])
    parser.add_argument("--short", type=int, default=256, help="core where the halo lacks cells")
    parser.add_argument("--noise", type=int, default=1600, help="side of the noise, in pixels")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = arguments(given)
    header = ["method", "weights", "image", "what", "differing pixels", "share", "largest margin"]
    print(f"{hardware.description(('numpy', 'torch', 'dask', 'zarr'))}\n")
    with tempfile.TemporaryDirectory() as folder:
        print(markdown(header, list(rows(options, Path(folder)))))


if __name__ == "__main__":
    main()
