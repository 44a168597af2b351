"""Ordinal regression on our data: how far pixels lie from the border of their nucleus, in a table.

HCDORN, DORN and the same head on the plain backbone have ResNet-18 with new weights, and equal
crops, steps and rates: recipe `hcdorn-cpu` with the numbers below. The images are split as in
`segmentation_table.py`, and what is reported is the last step's network.

Beside them stand answers that need no network: one number for all pixels, and one for all nuclei
where somebody has told them from the background, which a network has to find out. Distances range
from 0 in the background to 1, `--distance-px` or more pixels from the border. As in the papers,
deltas, rel and log10 are of values above 0 alone, nuclei here, and rms is of all pixels.

Each training lives in FOLDER/NETWORK and has checkpoints; the same command goes on where an
earlier one was stopped. After each network `table.md` is written anew, and NETWORK.safetensors.

    python benchmarks/distance_table.py --nuclei FOLDER/nuclei --out FOLDER
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from segmentation_table import split

from napari_superpixels.cli.train_command import stop_politely
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.labels.value_metrics import ValueSums
from napari_superpixels.networks.ordinal import OrdinalNetwork
from napari_superpixels.training.checkpoint import LAST, Checkpoint, load_network
from napari_superpixels.training.data import TrainingSet
from napari_superpixels.training.dense_recipes import DENSE, DISTANCE_PX, DistanceRecipe
from napari_superpixels.training.export import export
from napari_superpixels.training.loop import Running, train
from napari_superpixels.training.measure import looked_at
from napari_superpixels.training.pairs import Pair, find_pairs
from napari_superpixels.training.targets import distances
from napari_superpixels.training.validate import evaluating

FORMS = {"HCDORN": "hc", "DORN": "atrous", "plain": "plain"}
"""Networks, and the backbone on which each has DORN's head."""
MEASURES = ("delta1", "delta2", "delta3", "rel", "log10", "rms")
NEAR_PX = 3
"""Nuclei are parted so many pixels from their border, to see where errors lie."""

Values = NDArray[np.float32]
Maps = Iterable[tuple[Values, Values]]
"""True and predicted values of images."""


@dataclass(frozen=True)
class Set:
    """Images with distances."""

    learned: list[Pair]
    held: list[Pair]
    near: float
    """The value `NEAR_PX` from the border."""


def nuclei(folder: Path, reach_px: int, limit: int | None) -> Set:
    """Return the nuclei, split by image."""
    learned, held = split(find_pairs(folder), limit)
    return Set(distances(learned, reach_px), distances(held, reach_px), NEAR_PX / reach_px)


def recipe_of(network: str, options: argparse.Namespace) -> DistanceRecipe:
    """Return the recipe of a network, with this run's numbers."""
    made = DENSE["hcdorn-cpu"]()
    assert isinstance(made, DistanceRecipe), "that is what it is for"
    form = FORMS[network]
    layers = partial(OrdinalNetwork, "dorn", form=form, backbone="resnet18")
    crops = tuple(replace(each, size=options.crop) for each in made.crops)
    made = replace(made, network=layers, crops=crops, batch=options.batch)
    made = replace(made, name=f"{form}-dorn", table="", reach_px=options.distance_px)
    return replace(made, rate=made.rate.beginning_at(options.rate)).lasting(options.steps)


def trained(recipe: DistanceRecipe, data: Set, place: Path, options: argparse.Namespace) -> bool:
    """Train a network, or go on with it; return whether it is done."""
    with stop_politely() as stopped:
        outcome = train(
            recipe,
            TrainingSet(data.learned, seed=options.seed),
            place,
            running=Running(device=options.device, save_every=50),
            resume=(place / LAST).exists(),
            stopped=stopped,
        )
    return outcome.finished


def predicted(
    recipe: DistanceRecipe, place: Path, pairs: Sequence[Pair]
) -> Iterator[tuple[Values, Values]]:
    """Yield the true values of images and those of a network, which sees them whole."""
    network = recipe.network()
    assert isinstance(network, OrdinalNetwork), "the recipe makes the network"
    load_network(network, Checkpoint.load(place / LAST).network, str(place))
    with evaluating(network):
        for pair in pairs:
            for look in looked_at(network, recipe, pair):
                yield look.truth, network.values(look.logits[None])[0].numpy()


def truths(pairs: Sequence[Pair]) -> list[Values]:
    """Return the annotations, whole."""
    return [each.read(pair.box) for pair in pairs for each in pair.annotations]


def trivial(data: Set) -> Iterator[tuple[str, Callable[[Values], Values]]]:
    """Yield answers without a network: numbers that the images which are learned from have."""
    known = np.concatenate([values.ravel() for values in truths(data.learned)])
    inside = known[known > 0]
    numbers = {
        "mean of all pixels": known.mean(),
        "median of all pixels": np.median(known),
        "median of nuclei": np.median(inside),
    }
    for name, number in numbers.items():
        yield name, partial(np.full_like, fill_value=number)
    for name, number in {"mean": inside.mean(), "median": np.median(inside)}.items():
        yield f"nuclei given, {name}", partial(_where_nucleus, number=number)


def _where_nucleus(truth: Values, number: float) -> Values:
    return np.where(truth > 0, np.float32(number), np.float32(0))


def measured(maps: Maps, near: float) -> list[str]:
    """Return the measures, and the rms of background, near the border and deeper, as text."""
    found = list(maps)
    cells = summed(found, lambda truth: truth >= 0).measures()
    parts: list[Callable[[Values], NDArray[np.bool_]]] = [
        lambda truth: truth == 0,
        lambda truth: (truth > 0) & (truth <= near),
        lambda truth: truth > near,
    ]
    rms = [summed(found, part).measures()["rms"] for part in parts]
    return [f"{value:.4f}" for value in (*map(cells.__getitem__, MEASURES), *rms)]


def summed(maps: Maps, part: Callable[[Values], NDArray[np.bool_]]) -> ValueSums:
    """Return the sums over a part of each image."""
    each = [ValueSums.of(np.where(part(t), t, np.float32(np.nan)), found) for t, found in maps]
    return reduce(add, each)


def written(rows: Mapping[str, list[str]], options: argparse.Namespace) -> str:
    """Return the table as Markdown."""
    head = ["", *MEASURES, "rms background", f"rms to {NEAR_PX} px", f"rms over {NEAR_PX} px"]
    return (
        f"{hardware.description(('torch', 'torchvision'))}\n\n"
        f"ResNet-18 from new weights, {options.steps} steps of {options.batch} crops of "
        f"{options.crop} pixels, rate {options.rate:g}; 1 is {options.distance_px} px.\n\n"
        f"{markdown(head, [[name, *cells] for name, cells in rows.items()])}\n"
    )


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nuclei", type=Path, required=True, help="images with numbered nuclei")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", default=list(FORMS), choices=FORMS)
    parser.add_argument("--steps", type=int, default=750)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--distance-px", type=int, default=DISTANCE_PX, help="what is 1")
    parser.add_argument("--held", type=int, default=40, help="images that are measured on")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Train what is missing, and write the table after each network."""
    options = arguments(given)
    options.out.mkdir(parents=True, exist_ok=True)
    data = nuclei(options.nuclei, options.distance_px, options.held)
    held = truths(data.held)
    rows = {
        name: measured([(truth, answer(truth)) for truth in held], data.near)
        for name, answer in trivial(data)
    }
    for network in options.networks:
        place, recipe = options.out / network, recipe_of(network, options)
        if not trained(recipe, data, place, options):
            return
        export(recipe, place, options.out / f"{network}.safetensors")
        rows[network] = measured(predicted(recipe, place, data.held), data.near)
        (options.out / "table.md").write_text(written(rows, options))
    print(written(rows, options))


if __name__ == "__main__":
    main()
