"""What networks that average over all they see lose by patches: pixels that get another class.

Each image is segmented with patches of several sizes, and those of each size are compared with all
larger ones; a patch that an image fits into sees it whole. Pixels count as near a border where a
smaller patch begins or ends at most `NEAR_PX` away. Networks of bounded reach have no patches: for
them windows of these sizes are compared, which must not differ.

    python benchmarks/segmentation_mismatch.py --images SLIDE --weights FILE
    python benchmarks/segmentation_mismatch.py --images SLIDE --networks HCPSPNet --crop 2048
    python benchmarks/segmentation_mismatch.py --images IMAGE --table OUT --set nuclei

Networks come from files of weights, from what `segmentation_table.py` has trained in OUT, or get
random weights, in which no class stands for anything.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from segmentation_table import CLASSES, results

import napari_superpixels as nsp
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.mosaic import fresh_image, read_image
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.networks.segmentation import PUBLISHED
from napari_superpixels.testing.weights import write_random_segmentation
from napari_superpixels.training.classes import parsed
from napari_superpixels.training.dense_recipes import SHORT
from napari_superpixels.training.export import export

PACKAGES = ("numpy", "torch")
NEAR_PX = 16
SEED = "0"
"""Of the trainings in a table, those with this seed."""


@dataclass(frozen=True)
class Case:
    """A network and an image."""

    weights: Path
    name: str
    image: NDArray[np.uint8]
    """(Y, X, channels)."""

    @cached_property
    def exact(self) -> bool:
        """Whether the network sees a bounded part of the image."""
        return self.method(64).patches is None

    def method(self, size: int) -> nsp.Segment:
        """Return the method with patches of a size, where it has any."""
        return nsp.Segment(weights=str(self.weights), exact=False, patch=size, probabilities=True)

    def shares(self, size: int) -> NDArray[np.float32]:
        """Return the probabilities, (classes, Y, X), by patches or windows of a size."""
        source = nsp.open(self.image, axes="yxs", rgb=self.image.shape[2] == 3)
        window = size if self.exact else max(self.image.shape)
        lazy = nsp.superpixels(source, self.method(size), window=window)
        found: NDArray[np.float32] = lazy.compute(scheduler="synchronous").astype(np.float32)
        return found

    def near(self, size: int) -> NDArray[np.bool_]:
        """Return which pixels lie near a border of patches or windows of a size, (Y, X)."""
        rows, columns = (self._near(size, length) for length in self.image.shape[:2])
        return rows[:, None] | columns

    def _near(self, size: int, length: int) -> NDArray[np.bool_]:
        borders = [each for each in self._borders(size, length) if 0 < each < length]
        near = np.zeros(length, np.bool_)
        for border in borders:
            near[max(0, border - NEAR_PX) : border + NEAR_PX] = True
        return near

    def _borders(self, size: int, length: int) -> list[int]:
        method = self.method(size)
        if method.patches is None:
            return list(range(0, length, size))
        cells = -(-length // method.step)
        patches = method.patches.along(cells, goes_on=False)
        return [method.step * end for each in patches for end in (each.start, each.stop)]


def rows(cases: Sequence[Case], sizes: Sequence[int]) -> Iterator[list[str]]:
    """Yield one line for each network, image and two sizes."""
    for case in cases:
        shape = case.image.shape[:2]
        found = {size: case.shares(size) for size in sizes}
        for one, other in combinations(sizes, 2):
            classes = found[other].argmax(axis=0)
            differs = found[one].argmax(axis=0) != classes
            near = case.near(one)
            yield [
                case.weights.stem,
                case.name,
                f"{shape[0]} x {shape[1]}",
                "windows" if case.exact else "patches",
                f"{one}",
                "whole" if other >= max(shape) else f"{other}",
                f"{differs.mean():.4%}",
                share(differs[near]),
                share(differs[~near]),
                f"{np.abs(found[one] - found[other]).max():.3f}",
                f"{np.bincount(classes.ravel()).max() / classes.size:.1%}",
            ]


HEADER = (
    "weights", "image", "px", "by", "edge", "against",
    "other class", "near borders", "elsewhere", "largest change", "commonest class",
)  # fmt: skip


def share(differs: NDArray[np.bool_]) -> str:
    """Return the share of pixels as a text, empty where there are none."""
    return f"{differs.mean():.4%}" if differs.size else ""


def images(options: argparse.Namespace) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield names and samples of the images, or of mosaics of their pixels."""
    for path in options.images:
        image = read_image(path)[..., :3]
        if options.mosaic:
            made = fresh_image(image, options.mosaic, np.random.default_rng(0))
            yield f"mosaic of {Path(path).stem}", made
        else:
            yield Path(path).stem, middle(image, options.crop)


def middle(image: NDArray[Any], edge: int | None) -> NDArray[Any]:
    """Return the middle of an image, at most so many pixels long."""
    if edge is None:
        return image
    starts = [max(0, (size - edge) // 2) for size in image.shape[:2]]
    return image[starts[0] : starts[0] + edge, starts[1] : starts[1] + edge]


def exported(options: argparse.Namespace, folder: Path) -> Iterator[Path]:
    """Write the weights of what a table of segmentation networks has trained; yield the files."""
    classes = parsed(CLASSES[options.set])
    done = {
        row["network"]
        for row in results(options.table / "results.csv")
        if (row["set"], row["seed"]) == (options.set, SEED)
    }
    asked = options.networks or list(PUBLISHED)
    for network in (name for name in asked if name in done):
        recipe = SHORT[f"{network.lower().removesuffix('-32')}-cpu"]().telling(classes)
        place = options.table / options.set / network / SEED
        yield export(recipe, place, folder / f"{network}.safetensors")
    missing = [name for name in asked if name not in done]
    if missing:
        print(f"Not trained yet: {', '.join(missing)}.\n")


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", nargs="+", required=True)
    parser.add_argument("--weights", nargs="+", type=Path, default=[])
    parser.add_argument("--networks", nargs="+", choices=PUBLISHED, default=[])
    parser.add_argument("--table", type=Path, help="the folder of segmentation_table.py")
    parser.add_argument("--set", choices=CLASSES, default="nuclei", help="of that table")
    parser.add_argument("--patches", nargs="+", type=int, default=[512, 1024, 2048])
    parser.add_argument("--crop", type=int, default=None, help="use the middle of images alone")
    parser.add_argument("--mosaic", type=int, help="side of a mosaic of each image's pixels")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = arguments(given)
    print(f"{hardware.description(PACKAGES)}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.table:
            made = list(exported(options, folder))
        else:
            made = [write_random_segmentation(folder, name) for name in options.networks]
        pixels = list(images(options))
        cases = [Case(file, *each) for file in (*options.weights, *made) for each in pixels]
        print(markdown(HEADER, list(rows(cases, sorted(options.patches)))))


if __name__ == "__main__":
    main()
