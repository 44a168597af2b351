"""ASA and boundary recall of our methods beside scikit-image's SLIC, at equal actual counts.

Every annotation is a row, as in the papers. Each of our rows stands beside the baseline with the
clean-up of the same kind: our own rule (`native`) beside scikit-image's own, and the papers'
merging (`papers`) of the assignment before any clean-up beside the same merging of theirs. The
baseline is evaluated just below and above our count and interpolated.

    python benchmarks/quality.py --data FOLDER/bsds500/val
    python benchmarks/quality.py --data FOLDER/bsds500/train --limit 60 --compactness 5 10 15 20
"""

import argparse
from collections.abc import Sequence
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

import napari_superpixels as nsp
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.baselines import skimage_slic
from napari_superpixels.evaluation.bsds import Samples
from napari_superpixels.evaluation.ours import raw_labels
from napari_superpixels.evaluation.protocol import Curve, Method, evaluate, merged
from napari_superpixels.evaluation.scores import Scores
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.labels.merge import merge_small
from napari_superpixels.labels.metrics import Labels
from napari_superpixels.models.protocol import Method as Settings
from napari_superpixels.models.registry import make_method
from napari_superpixels.tiling import Lattice

STEPS = {"native": (23, 16), "papers": (28, 20)}
"""Steps that give about 300 and 600 superpixels on 481 x 321 pixels."""

SHOWN = ("superpixels", "asa", "br", "bp", "ue_np", "co", "ev", "br_thin")
"""The measures in the table."""


def native(settings: Settings, image: NDArray[np.uint8], _target: int) -> Labels:
    """Label an image as the software does."""
    labels: Labels = nsp.superpixels(image, settings, axes="yxs").compute(scheduler="synchronous")
    return labels


def papers(settings: Settings, image: NDArray[np.uint8], _target: int) -> Labels:
    """Label an image and clean up as the papers do; the target is the number of cells."""
    lattice = Lattice(image.shape[:2], (settings.step, settings.step))
    return merge_small(raw_labels(image, settings), target=lattice.cells_per_plane)


RULES = {"native": native, "papers": papers}


def baselines(samples: Samples, compactness: float, workers: int) -> dict[str, Curve]:
    """Return scikit-image's SLIC with both kinds of clean-up."""
    own: Method = partial(skimage_slic, compactness=compactness)
    raw: Method = partial(skimage_slic, compactness=compactness, connected=False)
    return {
        "native": Curve(own, samples, workers=workers),
        "papers": Curve(merged(raw), samples, workers=workers),
    }


def cells_of(name: Sequence[str], ours: Scores, theirs: Scores | None) -> list[str]:
    """Return one line of the table."""
    line = [*name, f"{ours.superpixels:.0f}"]
    line += [f"{getattr(ours, measure):.4f}" for measure in SHOWN[1:]]
    if theirs is None:
        return [*line, "", "", "", ""]
    gains = (ours.asa - theirs.asa, ours.br - theirs.br)
    return [*line, f"{theirs.asa:.4f}", f"{theirs.br:.4f}", *(f"{gain:+.4f}" for gain in gains)]


def rows(options: argparse.Namespace) -> list[list[str]]:
    """Evaluate everything that was asked for."""
    samples = Samples(options.data, limit=options.limit)
    workers = options.workers
    curves = {} if options.alone else baselines(samples, options.baseline_compactness, workers)
    lines = []
    for rule, method, compactness in product(options.rules, options.methods, options.compactness):
        for step in options.steps or STEPS[rule]:
            given = {"step": step} | ({} if compactness is None else {"compactness": compactness})
            settings = make_method(method, given)
            ours = evaluate(partial(RULES[rule], settings), samples, 0, workers=workers)
            theirs = curves[rule].at(ours.superpixels) if curves else None
            shown = f"{getattr(settings, 'compactness', float('nan')):.2f}"
            lines.append(cells_of([method, rule, str(step), shown], ours, theirs))
    return lines


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of images with NAME.npz beside them")
    parser.add_argument("--limit", type=int, help="use that many images, evenly spread")
    parser.add_argument("--methods", nargs="+", default=["slic"])
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=list(RULES))
    parser.add_argument("--steps", nargs="+", type=int, help="cell sizes, in pixels")
    parser.add_argument("--compactness", nargs="+", type=float, default=[None])
    parser.add_argument("--baseline-compactness", type=float, default=20.0)
    parser.add_argument("--alone", action="store_true", help="leave the baseline out")
    parser.add_argument("--workers", type=int, default=hardware.cores())
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = arguments(given)
    names = ["K", "ASA", "BR", "BP", "UE_NP", "CO", "EV", "BR thin"]
    header = ["method", "clean-up", "step", "compactness", *names]
    header += ["skimage ASA at K", "skimage BR at K", "ASA gain", "BR gain"]
    print(f"{hardware.description(('numpy', 'scikit-image'))}\n")
    print(markdown(header, rows(options)))


if __name__ == "__main__":
    main()
