"""What SSN sees of a pixel's place: the paper's absolute position beside what tiles allow.

Trains SSN_deep once for each variant with the same seed, crops and steps, and measures it on other
images. Then the first of these is laid into a far larger image, so that its content lies 5 rows and
11 columns beside the cells of before: the last columns say how far that moves the learned features
of the same pixels, against their mean, and what it does to ASA over the same pixels.

    python benchmarks/positions.py --images FOLDER/train --val-images FOLDER/val --steps 500
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor, nn

from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.labels.metrics import Labels, achievable_segmentation_accuracy
from napari_superpixels.networks.association import soft_slic
from napari_superpixels.networks.ssn import POSITION_SCALE, Position, Ssn, normalise, positions
from napari_superpixels.tiling import Box
from napari_superpixels.training.checkpoint import Checkpoint, load_network
from napari_superpixels.training.data import TrainingSet, read_whole
from napari_superpixels.training.loop import Running, train
from napari_superpixels.training.pairs import Pair, find_pairs
from napari_superpixels.training.recipe import Recipe
from napari_superpixels.training.recipes import HeInitialised, recipe
from napari_superpixels.training.validate import Validation, hard_labels

STEP = (16, 16)
FAR_PX = 4096
"""Where in the larger image the shifted one begins: whole cells and pooled pixels."""
CUT_PX = (11, 5)
"""The first pixel of the content that lies there; no multiple of a cell or of what is pooled."""
EDGE_PX = 24
"""The network sees less far than this, so inside of it nothing but the position differs."""


def variant(position: Position, steps: int, crop: int) -> Recipe:
    """Return the short recipe of SSN with a variant of its network."""
    made = recipe("ssn-cpu")
    crops = tuple(replace(each, size=crop) for each in made.crops)
    network = HeInitialised(partial(Ssn, "deep", position))
    return replace(made, network=network, steps=steps, crops=crops)


def learned(network: Ssn, lab: Tensor, far: int) -> Tensor:
    """Return the learned features of an image that begins `far` pixels into another."""
    if network.position != "absolute":
        return network.learned(lab, STEP, (far, far))[:, :-3]
    place = positions(lab, STEP) + far * POSITION_SCALE / min(STEP)
    return network.network(torch.cat((lab, place), dim=1))


def labels_of(features: Tensor, lab: Tensor) -> Labels:
    """Return the cells that pixels choose; for clustering only differences of positions matter."""
    clustered = torch.cat((features, lab, positions(lab, STEP)), dim=1)
    return hard_labels(soft_slic(clustered, STEP, 10).logits[0].numpy(), STEP)


@torch.no_grad()
def moved(network: nn.Module, pair: Pair) -> tuple[float, float, float]:
    """Measure what a shift of the content does.

    Returns
    -------
    float, float, float
        Mean change of the learned features over their mean, ASA here, and ASA after the shift.
    """
    assert isinstance(network, Ssn)
    network.eval()
    lab = normalise(torch.from_numpy(read_whole(pair)).float()[None] / 255)
    lab = lab[..., : lab.shape[-2] // 4 * 4, : lab.shape[-1] // 4 * 4]
    top, left = CUT_PX
    images = lab, lab[..., top : top - 16, left : left - 16]
    features = [learned(network, *each) for each in zip(images, (0, FAR_PX), strict=True)]
    labels = [labels_of(*each) for each in zip(features, images, strict=True)]
    height, width = labels[1].shape
    frame = slice(top, top + height), slice(left, left + width)
    truths = [one.read(Box.whole(pair.shape))[frame] for one in pair.annotations]
    here, there = (
        float(np.mean([achievable_segmentation_accuracy(found, truth) for truth in truths]))
        for found in (labels[0][frame], labels[1])
    )
    inside = (..., slice(EDGE_PX, -EDGE_PX), slice(EDGE_PX, -EDGE_PX))
    before, after = features[0][(..., *frame)][inside], features[1][inside]
    return float((after - before).abs().mean() / before.abs().mean().clamp(min=1e-9)), here, there


def row(position: Position, seed: int, options: argparse.Namespace) -> list[str]:
    """Train and measure one variant."""
    made = variant(position, options.steps, options.crop)
    data = TrainingSet(find_pairs(options.images), seed=seed)
    held = Validation.of(find_pairs(options.val_images), options.val_limit)
    running = Running(save_every=options.steps, validate_every=options.steps, mixed=True)
    with tempfile.TemporaryDirectory() as folder:
        outcome = train(made, data, folder, validation=held, running=running)
        network = made.network()
        load_network(network, Checkpoint.load(outcome.checkpoint).network, folder)
    scores = outcome.scores
    change, here, there = moved(network, held.pairs[0])
    return [
        position,
        str(seed),
        f"{scores['superpixels']:.0f}",
        f"{scores['asa']:.4f}",
        f"{scores['br']:.4f}",
        f"{change:.3f}",
        f"{here:.4f}",
        f"{there - here:+.4f}",
    ]


def main(given: Sequence[str] | None = None) -> None:
    """Train all variants and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--val-images", type=Path, required=True)
    parser.add_argument("--val-limit", type=int, default=20)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--crop", type=int, default=160)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args(given)
    head = ["position", "seed", "K", "ASA", "BR", "moved", "ASA, one image", "after the shift"]
    rows = [row(p, seed, options) for seed in options.seeds for p in get_args(Position)]
    print(f"{options.steps} steps, measured on {hardware.description(('torch',))}.\n")
    print(markdown(head, rows))


if __name__ == "__main__":
    main()
