"""Whether each network learns: accuracy on one annotated image, before and after a few steps.

Every network is trained on the image that it is measured on, in cells of 39 pixels; the table says
after how many steps its ASA is .02 above that of its untrained start, and where it ends.

    python benchmarks/learns.py FOLDER/100075.jpg --steps 60
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.training.data import Crops, TrainingSet
from napari_superpixels.training.events import Event, Validated
from napari_superpixels.training.loop import Running, train
from napari_superpixels.training.objectives import SsnLoss, grid_logits, ssn_logits
from napari_superpixels.training.pairs import Pair, find_pairs
from napari_superpixels.training.recipe import Cosine, Recipe
from napari_superpixels.training.recipes import recipe
from napari_superpixels.training.validate import Validation

STEP = 39
"""Size of a cell, in pixels."""
GAIN = 0.02
"""Of ASA, that counts as learned."""
RATE = 2e-3
"""First learning rate of Adam; it falls to a tenth."""
BATCH = 4
"""Crops of a step. Of one alone the deepest map has 144 pixels, too few for batch normalisation:
AINet, which adds what cells say to every pixel, then learns nothing."""
NETWORKS = {"ssn": 117, "hcssn": 117, "scn": 192, "ainet": 192, "pcnet": 192}
"""Sides of their crops, in pixels: whole cells of SSN's, strides of the others."""


def short(name: str, steps: int) -> Recipe:
    """Return a network's recipe, made short and for cells of `STEP` pixels."""
    made, cell = recipe(f"{name}-cpu"), (STEP, STEP)
    crops = tuple(Crops(size=NETWORKS[name], at_border=each.at_border) for each in made.crops)
    made = replace(
        made, step=STEP, steps=steps, batch=BATCH, rate=Cosine(RATE, RATE / 10), crops=crops
    )
    if name in ("ssn", "hcssn"):
        return replace(made, loss=SsnLoss(cell), logits=partial(ssn_logits, step=cell))
    return replace(made, logits=partial(grid_logits, step=cell), align=STEP)


def learned(name: str, pairs: list[Pair], steps: int, every: int) -> Iterator[tuple[int, float]]:
    """Yield the ASA of the untrained start as that of step 0, then that of every few steps."""
    made, measure = short(name, steps), Validation.of(pairs)
    torch.manual_seed(0)
    yield 0, measure(recipe(name).network(), made)["asa"]
    found: list[Event] = []
    running = Running(save_every=steps, validate_every=every)
    with tempfile.TemporaryDirectory() as folder:
        data = TrainingSet(pairs, seed=0)
        train(made, data, folder, validation=measure, running=running, listener=found.append)
    yield from ((e.step, e.scores["asa"]) for e in found if isinstance(e, Validated))


def row(name: str, pairs: list[Pair], steps: int, every: int) -> list[str]:
    """Train and measure one network."""
    begin = time.process_time()
    (_, start), *later = learned(name, pairs, steps, every)
    seconds = time.process_time() - begin
    enough = next((str(step) for step, asa in later if asa >= start + GAIN), "none")
    end = later[-1][1]
    return [name, f"{start:.4f}", f"{end:.4f}", f"{end - start:+.4f}", enough, f"{seconds:.0f}"]


def main(given: Sequence[str] | None = None) -> None:
    """Train every network and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    options = parser.parse_args(given)
    pairs = find_pairs(options.image, options.labels)
    head = ["network", "ASA untrained", "ASA", "gain", f"steps to +{GAIN}", "CPU s"]
    rows = [row(name, pairs, options.steps, options.every) for name in options.networks]
    print(f"{options.steps} steps, measured on {hardware.description(('torch',))}.\n")
    print(markdown(head, rows))


if __name__ == "__main__":
    main()
