"""What networks that average over all they see lose by patches: pixels that get another class.

Each image is segmented with patches of several sizes, and once with larger ones; the share of
pixels whose class differs is told, and the largest change of a probability. An image that is no
longer than the larger patch is seen as a whole there. Networks without weights in the command get
random ones, in which no class stands for anything.

    python benchmarks/segmentation_mismatch.py --images SLIDE --weights FILE
    python benchmarks/segmentation_mismatch.py --images SLIDE --networks HCPSPNet --crop 2048
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import napari_superpixels as nsp
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.mosaic import read_image
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.testing.weights import write_random_segmentation

PACKAGES = ("numpy", "torch")
POOLED = ("PSPNet", "HCPSPNet", "DeepLabv3", "HCDeepLabv3")


def shares(image: NDArray[np.uint8], weights: Path, patch: int) -> NDArray[np.float32]:
    """Return the probabilities of an image, (classes, Y, X)."""
    method = nsp.Segment(weights=str(weights), exact=False, patch=patch, probabilities=True)
    source = nsp.open(image, axes="yxs", rgb=True)
    lazy = nsp.superpixels(source, method, window=max(image.shape))
    found: NDArray[np.float32] = lazy.compute(scheduler="synchronous").astype(np.float32)
    return found


def rows(options: argparse.Namespace, weights: Sequence[Path]) -> Iterator[list[str]]:
    """Yield one line for each network, image and size of patches."""
    for file in weights:
        for path in options.images:
            image = middle(read_image(path), options.crop)
            whole = shares(image, file, options.against)
            for patch in options.patches:
                found = shares(image, file, patch)
                differs = found.argmax(axis=0) != whole.argmax(axis=0)
                yield [
                    file.stem,
                    Path(path).stem,
                    f"{image.shape[0]} x {image.shape[1]}",
                    f"{patch}",
                    f"{differs.mean():.4%}",
                    f"{np.abs(found - whole).max():.3f}",
                ]


def middle(image: NDArray[Any], edge: int | None) -> NDArray[Any]:
    """Return the middle of an image, at most so many pixels long."""
    if edge is None:
        return image
    starts = [max(0, (size - edge) // 2) for size in image.shape[:2]]
    return image[starts[0] : starts[0] + edge, starts[1] : starts[1] + edge]


def main(given: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", nargs="+", required=True)
    parser.add_argument("--weights", nargs="+", type=Path, default=[])
    parser.add_argument("--networks", nargs="+", choices=POOLED, default=[])
    parser.add_argument("--patches", nargs="+", type=int, default=[512, 1024])
    parser.add_argument("--against", type=int, default=2048, help="the larger patch, in pixels")
    parser.add_argument("--crop", type=int, default=None, help="use the middle of images alone")
    options = parser.parse_args(given)
    print(f"{hardware.description(PACKAGES)}; against patches of {options.against} px\n")
    header = ["weights", "image", "px", "patch", "other class", "largest change"]
    with tempfile.TemporaryDirectory() as folder:
        random = [write_random_segmentation(Path(folder), name) for name in options.networks]
        print(markdown(header, list(rows(options, [*options.weights, *random]))))


if __name__ == "__main__":
    main()
