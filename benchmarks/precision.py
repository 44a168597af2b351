"""What `precision="fast"` trades: pixels that get another label, and the change in accuracy.

Every annotated image is labelled exactly and fast, on one device. A label is another one already
where a border moves by a pixel, so the share is read beside the change in ASA.

    python benchmarks/precision.py --data FOLDER/bsds500/val --limit 40
    python benchmarks/precision.py --data FOLDER/bsds500/val --device cuda --methods scn ssn
"""

import argparse
from collections.abc import Iterator, Sequence
from statistics import mean

import numpy as np
from numpy.typing import NDArray

import napari_superpixels as nsp
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.bsds import Samples
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.labels.metrics import Labels, achievable_segmentation_accuracy

PACKAGES = ("numpy", "torch")


def labelled(image: NDArray[np.uint8], method: str, device: str, precision: str) -> Labels:
    """Label an image."""
    lazy = nsp.superpixels(image, method, axes="yxs", device=device, precision=precision)
    labels: Labels = lazy.compute(scheduler="synchronous")
    return labels


def compared(samples: Samples, method: str, device: str) -> Iterator[tuple[float, float, float]]:
    """Yield, for each image, the share of pixels that differ, and both accuracies."""
    for sample in samples:
        exact, fast = (labelled(sample.image, method, device, p) for p in ("exact", "fast"))
        scores = [
            mean(achievable_segmentation_accuracy(one, truth) for truth in sample.segmentations)
            for one in (exact, fast)
        ]
        yield float((exact != fast).mean()), scores[0], scores[1]


def rows(options: argparse.Namespace) -> Iterator[list[str]]:
    """Yield one line a method."""
    samples = Samples(options.data, limit=options.limit)
    for method in options.methods:
        found = np.array(list(compared(samples, method, options.device)))
        share, exact, fast = found.mean(axis=0)
        yield [
            method,
            str(len(found)),
            f"{share:.5f}",
            f"{found[:, 0].max():.5f}",
            f"{exact:.4f}",
            f"{fast - exact:+.5f}",
        ]


def main(given: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of annotated images")
    parser.add_argument("--limit", type=int, default=None, help="use that many images")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--methods", nargs="+", default=["scn", "ainet", "pcnet", "ssn", "hcssn"])
    options = parser.parse_args(given)
    print(f"{hardware.description(PACKAGES)}; device {options.device}\n")
    header = ["method", "images", "share differing", "largest", "ASA exact", "ASA change"]
    print(markdown(header, list(rows(options))))


if __name__ == "__main__":
    main()
