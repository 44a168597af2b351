"""What SSN sees of a pixel's place: the paper's absolute position beside what tiles allow.

Trains SSN_deep once for each variant with the same seed, crops and steps, and measures it on other
images; the last column is how far a shift of the image moves the learned features, against their
mean.

    python benchmarks/positions.py --images FOLDER/train --val-images FOLDER/val --steps 500
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import torch
from torch import nn

from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.networks.ssn import Position, Ssn, normalise, positions
from napari_superpixels.training.checkpoint import Checkpoint, load_network
from napari_superpixels.training.data import TrainingSet, read_whole
from napari_superpixels.training.loop import Running, train
from napari_superpixels.training.pairs import Pair, find_pairs
from napari_superpixels.training.recipe import Recipe
from napari_superpixels.training.recipes import HeInitialised, recipe
from napari_superpixels.training.validate import Validation

SHIFT_PX = 4096


def variant(position: Position, steps: int, crop: int) -> Recipe:
    """Return the short recipe of SSN with a variant of its network."""
    made = recipe("ssn-cpu")
    crops = tuple(replace(each, size=crop) for each in made.crops)
    network = HeInitialised(partial(Ssn, "deep", position))
    return replace(made, network=network, steps=steps, crops=crops)


@torch.no_grad()
def moved(network: nn.Module, pair: Pair) -> float:
    """Return the mean change of the learned features over their mean, after a shift."""
    assert isinstance(network, Ssn)
    image = normalise(torch.from_numpy(read_whole(pair)).float()[None] / 255)
    image = image[..., : image.shape[-2] // 4 * 4, : image.shape[-1] // 4 * 4]
    here = network.eval().learned(image, (16, 16))[:, :-3]
    if network.position != "absolute":
        there = network.learned(image, (16, 16), (SHIFT_PX, SHIFT_PX))[:, :-3]
    else:
        far = positions(image, (16, 16)) + SHIFT_PX * 2.5 / 16
        there = network.network(torch.cat((image, far), dim=1))
    return float((there - here).abs().mean() / here.abs().mean().clamp(min=1e-9))


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
    return [
        position,
        str(seed),
        f"{scores['superpixels']:.0f}",
        f"{scores['asa']:.4f}",
        f"{scores['br']:.4f}",
        f"{moved(network, held.pairs[0]):.2f}",
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
    head = ["position", "seed", "K", "ASA", "BR", f"moved by {SHIFT_PX} px"]
    rows = [row(p, seed, options) for seed in options.seeds for p in get_args(Position)]
    print(f"{options.steps} steps, measured on {hardware.description(('torch',))}.\n")
    print(markdown(head, rows))


if __name__ == "__main__":
    main()
