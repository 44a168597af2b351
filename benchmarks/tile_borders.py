"""The picture of the promise: where tiles meet, exact tiling beside naive divide and conquer.

Annotated photographs are laid side by side into one large image. SCN labels it through the engine,
whose windows never show; then tile by tile, each on its own, the results put side by side (what the
PCNet paper's section IV-D does with SCN); and PCNet, where there are weights of it, labels it
through the engine. Each is compared with the annotations, over the whole image and near the naive
tiles' borders only, and its own boundaries are counted on those borders and elsewhere.

The seams of the mosaic, where photographs meet, are boundaries in the annotation; the photographs
are cut to squares that do not divide the tiles, so seams and tile borders rarely meet.

    python benchmarks/tile_borders.py --data FOLDER/bsds500/val --picture tile-borders.png
    python benchmarks/tile_borders.py --data FOLDER/bsds500/val --scn scn.safetensors
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.io import imsave

import napari_superpixels as nsp
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.bsds import Samples
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.labels.metrics import (
    Labels,
    achievable_segmentation_accuracy,
    boundary_map,
    count_superpixels,
    widen,
)
from napari_superpixels.models.registry import needs_weights

LATTICE_PX = 64
"""What the lattices of both networks repeat after; naive tiles are multiples of it."""

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

RADIUS = 1
"""Tolerance of boundaries in pixels: what Stutz et al. have for photographs of this size."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """A large image of photographs, with one annotation of each."""

    image: Image
    """Shape (Y, X, 3)."""
    truth: Labels
    """Segments, shape (Y, X)."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well boundaries fit those of the annotation, in some part of the image."""

    recall: float
    """Of the annotation's boundary pixels, how many have a superpixel boundary near."""
    precision: float
    """As papers have it: those found, over them and the superpixel boundaries near none."""


def mosaic(samples: Samples, size: int, square: int) -> Annotated:
    """Lay photographs side by side, each cut to its middle square, turned on the next round."""
    image = np.empty((size, size, 3), np.uint8)
    truth = np.empty((size, size), np.int64)
    across = -(-size // square)
    for place in range(across**2):
        round_, number = divmod(place, len(samples))
        sample = samples[number]
        y, x = (place // across * square, place % across * square)
        at = np.s_[y : y + square, x : x + square]
        shape = truth[at].shape
        segments = sample.segmentations[0].astype(np.int64) + (place << 16)
        for whole, part in ((image, sample.image), (truth, segments)):
            whole[at] = np.rot90(_middle(part, square), round_)[: shape[0], : shape[1]]
    return Annotated(image, truth)


def _middle(pixels: NDArray[Any], square: int) -> NDArray[Any]:
    """Return the middle square of a photograph; the shorter side must have that many pixels."""
    assert min(pixels.shape[:2]) >= square, "choose smaller squares"
    y, x = ((n - square) // 2 for n in pixels.shape[:2])
    return pixels[y : y + square, x : x + square]


def exact(image: Image, method: Any) -> Labels:
    """Label an image through the engine, in its own windows."""
    labels: Labels = nsp.superpixels(image, method, axes="yxs", rgb=True).compute()
    return labels


def naive(image: Image, method: Any, tile: int) -> Labels:
    """Label every tile on its own, as if it were an image, and put the results side by side."""
    out = np.zeros(image.shape[:2], np.int64)
    for y in range(0, image.shape[0], tile):
        for x in range(0, image.shape[1], tile):
            at = np.s_[y : y + tile, x : x + tile]
            labels = exact(np.ascontiguousarray(image[at]), method)
            out[at] = labels + out.max()
    return out


def near_borders(shape: tuple[int, int], tile: int, reach: int) -> Mask:
    """Return the pixels at most `reach` away from a border between tiles."""
    near = []
    for n in shape:
        place = np.arange(n)
        border = np.round(place / tile) * tile
        inside = (border > 0) & (border < n)
        near.append(inside & (place >= border - reach) & (place < border + reach))
    return near[0][:, None] | near[1]


def fit(found: Labels, truth: Labels, part: Mask) -> Fit:
    """Compare boundaries, counting those of some part of the image."""
    ours, theirs = boundary_map(found), boundary_map(truth)
    total = np.count_nonzero(theirs & part)
    hits = np.count_nonzero(theirs & part & widen(ours, RADIUS))
    misses = np.count_nonzero(ours & part & ~widen(theirs, RADIUS))
    return Fit(hits / max(total, 1), hits / max(hits + misses, 1))


def accuracy(found: Labels, truth: Labels, part: Mask) -> float:
    """Return the achievable segmentation accuracy over some part of the image."""
    flat = (labels[part][None] for labels in (found, truth))
    return achievable_segmentation_accuracy(*flat)


def boundaries_on_borders(labels: Labels, tile: int) -> tuple[int, float, float]:
    """Return how many pairs of pixels across tile borders differ, their share, and that elsewhere.

    Elsewhere are the other lines of `LATTICE_PX`: a network may well prefer borders of its cells.
    """
    on, off = [], []
    for turned in (labels, labels.T):
        for place in range(LATTICE_PX, len(turned), LATTICE_PX):
            differ = turned[place] != turned[place - 1]
            (off if place % tile else on).append(differ)
    return int(np.sum(on)), float(np.mean(on)), float(np.mean(off))


def row(name: str, found: Labels, scene: Annotated, options: argparse.Namespace) -> list[str]:
    """Measure one result."""
    everywhere = np.ones(scene.truth.shape, np.bool_)
    line = [name, str(count_superpixels(found))]
    for part in (everywhere, near_borders(scene.truth.shape, options.tile, options.near)):
        scores = fit(found, scene.truth, part)
        asa = accuracy(found, scene.truth, part)
        line += [f"{value:.4f}" for value in (scores.recall, scores.precision, asa)]
    count, on, off = boundaries_on_borders(found, options.tile)
    return [*line, str(count), f"{on:.4f}", f"{off:.4f}"]


def panel(image: Image, labels: Labels, box: tuple[slice, slice], options: Any) -> Image:
    """Draw boundaries, thin and yellow, over a part of the image, with ticks at tile borders."""
    shown = np.where(boundary_map(labels, thin=True)[..., None], (255, 255, 0), image)[box]
    big = shown.astype(np.uint8).repeat(options.zoom, axis=0).repeat(options.zoom, axis=1)
    tick = max(2, 3 * options.zoom)
    framed = np.full((big.shape[0] + 2 * tick, big.shape[1] + 2 * tick, 3), 255, np.uint8)
    framed[tick:-tick, tick:-tick] = big
    for turned, side in ((framed, box[0]), (framed.swapaxes(0, 1), box[1])):
        for place in range(side.start, side.stop):
            if place % options.tile == 0:
                at = tick + (place - side.start) * options.zoom
                turned[at - 1 : at + 1, :tick] = turned[at - 1 : at + 1, -tick:] = (200, 0, 0)
    return framed


def corner(found: Labels, options: argparse.Namespace) -> tuple[slice, slice]:
    """Return the place to show: around the tile corner nearest to the middle of the image."""
    places = [max(1, round(n / 2 / options.tile)) * options.tile for n in found.shape]
    starts = [max(0, min(p, n) - options.view // 2) for p, n in zip(places, found.shape)]
    top, left = starts
    return slice(top, top + options.view), slice(left, left + options.view)


def draw(scene: Annotated, results: dict[str, Labels], options: argparse.Namespace) -> None:
    """Write the same place of all results side by side."""
    box = corner(scene.truth, options)
    panels = [panel(scene.image, labels, box, options) for labels in results.values()]
    imsave(options.picture, np.concatenate(panels, axis=1), check_contrast=False)


def results_of(scene: Annotated, options: argparse.Namespace) -> Iterator[tuple[str, Labels]]:
    """Label the mosaic in every way."""
    scn = nsp.Scn(step=16, weights=options.scn)
    yield "scn, exact tiles", exact(scene.image, scn)
    yield f"scn, naive tiles of {options.tile}", naive(scene.image, scn, options.tile)
    if options.pcnet or not needs_weights("pcnet"):
        yield "pcnet, exact tiles", exact(scene.image, nsp.Pcnet(step=16, weights=options.pcnet))


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="annotated photographs, as in bsds500/val")
    parser.add_argument("--size", type=int, default=4200, help="side of the mosaic, in pixels")
    parser.add_argument("--square", type=int, default=300, help="side of its pieces, in pixels")
    parser.add_argument("--tile", type=int, default=512, help="side of a naive tile, in pixels")
    parser.add_argument("--near", type=int, default=8, help="what is near a border, in pixels")
    parser.add_argument("--scn", default="", help="weights of SCN; by default the shipped ones")
    parser.add_argument(
        "--pcnet", default="", help="weights of PCNet; by default the shipped ones, if any"
    )
    parser.add_argument("--picture", help="PNG to write")
    parser.add_argument("--view", type=int, default=192, help="pixels of the picture, a side")
    parser.add_argument("--zoom", type=int, default=2, help="pixels of the PNG for one")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table, and write the picture."""
    options = arguments(given)
    scene = mosaic(Samples(options.data), options.size, options.square)
    results = dict(results_of(scene, options))
    rows = [row(name, labels, scene, options) for name, labels in results.items()]
    near = f"within {options.near} px:"
    header = ["result", "superpixels", "BR", "BP", "ASA", f"{near} BR", "BP", "ASA"]
    header += ["boundary pairs on tile borders", "share there", "share on other lines"]
    print(f"{hardware.description(('numpy', 'torch'))}\n")
    print(markdown(header, rows))
    if options.picture:
        draw(scene, results, options)
        print(f"\n{Path(options.picture).name}, from left to right: {', '.join(results)}.")


if __name__ == "__main__":
    main()
