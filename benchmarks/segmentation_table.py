"""The paper's nine segmentation networks on our data: mIoU, F of boundaries, time, in one table.

All have ResNet-18 with new weights, and equal crops, steps and rates: recipe `NETWORK-cpu` with
the numbers below. Both sets are split by image. Nuclei: nucleus or background, every fifth image is
held out. EM: five classes, the last two of twelve consecutive sections are held out and the one
before them is not used, for neighbours look alike. What is reported is the last step's network, so
nothing is chosen on what is held out.

Each training lives in FOLDER/SET/NETWORK/SEED and has checkpoints; the same command goes on where
an earlier one was stopped, and leaves alone what is done. `results.csv` and `table.md` are written
anew after each.

    python benchmarks/segmentation_table.py --nuclei FOLDER/nuclei --em FOLDER/em_vnc --out FOLDER
    python benchmarks/segmentation_table.py --nuclei N --em E --out FOLDER --seeds 0 1 2
"""

import argparse
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from statistics import mean, median

import segmentation_speed as speed
import torch

from napari_superpixels.cli.train_command import stop_politely
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.networks.segmentation import PUBLISHED
from napari_superpixels.training.checkpoint import LAST
from napari_superpixels.training.classes import Classes, classified, parsed
from napari_superpixels.training.data import TrainingSet
from napari_superpixels.training.dense_recipes import SHORT, ClassRecipe
from napari_superpixels.training.loop import Running, train
from napari_superpixels.training.measure import ClassValidation
from napari_superpixels.training.pairs import Pair, find_pairs

EVERY = 5
"""One image of nuclei in so many is held out."""
CLASSES = {
    "nuclei": "background=0,nucleus=*",
    "em": "membrane=0-128,glia=159,mitochondria=191,synapse=223,cytoplasm=255",
}
"""Those of each set, as on the command line of a training."""
LEARNED, HELD = slice(0, 9), slice(10, 12)
"""Sections of the EM stack."""
COMPARED = (
    ("HCFCN-32", "FCN-32"),
    ("HCFCN-32", "AtrousFCN"),
    ("HCFPN", "FPN"),
    ("HCPSPNet", "PSPNet"),
    ("HCDeepLabv3", "DeepLabv3"),
)
"""What the paper compares."""

Row = dict[str, str]


@dataclass(frozen=True)
class Set:
    """Annotated images of one kind."""

    classes: Classes
    learned: list[Pair]
    held: list[Pair]


def split(pairs: Sequence[Pair], limit: int | None) -> tuple[list[Pair], list[Pair]]:
    """Return images to learn from, and those held out: at most so many, evenly spread."""
    held = pairs[EVERY - 1 :: EVERY]
    learned = [pair for number, pair in enumerate(pairs) if number % EVERY != EVERY - 1]
    keep = min(limit or len(held), len(held))
    return learned, [held[n * len(held) // keep] for n in range(keep)]


def nuclei(folder: Path, limit: int | None) -> Set:
    """Return the nuclei, split by image."""
    classes = parsed(CLASSES["nuclei"])
    return Set(classes, *split(classified(find_pairs(folder), classes), limit))


def em(folder: Path) -> Set:
    """Return the sections of the nerve cord."""
    classes = parsed(CLASSES["em"])
    pairs = classified(find_pairs(folder / "raw", folder / "labels"), classes)
    return Set(classes, pairs[LEARNED], pairs[HELD])


def recipe_of(network: str, classes: Classes, options: argparse.Namespace) -> ClassRecipe:
    """Return the recipe of a network, with this run's numbers."""
    name = network.lower().removesuffix("-32")
    made = SHORT[f"{name}-cpu"]().telling(classes)
    crops = tuple(replace(each, size=options.crop) for each in made.crops)
    made = replace(made, crops=crops, batch=options.batch)
    return replace(made, rate=made.rate.beginning_at(options.rate)).lasting(options.steps)


def trained(
    network: str, data: Set, seed: int, place: Path, options: argparse.Namespace
) -> dict[str, float] | None:
    """Train a network, or go on with it; return its scores, or None where it was stopped."""
    classes = data.classes
    with stop_politely() as stopped:
        outcome = train(
            recipe_of(network, classes, options),
            TrainingSet(data.learned, seed=seed, void=0),
            place,
            validation=ClassValidation(tuple(data.held), classes),
            running=Running(
                device=options.device, save_every=100, validate_every=options.validate_every
            ),
            resume=(place / LAST).exists(),
            stopped=stopped,
        )
    return outcome.scores if outcome.finished else None


def results(path: Path) -> list[Row]:
    """Return the rows that are done."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def keep(path: Path, rows: Sequence[Row]) -> None:
    """Write all rows in place of the older file."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    unfinished = path.with_suffix(".partial")
    with unfinished.open("w", newline="") as file:
        table = csv.DictWriter(file, names, restval="")
        table.writeheader()
        table.writerows(rows)
    unfinished.replace(path)


def missing(rows: Sequence[Row], options: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    """Yield set, network and seed of what is not done: all of one seed before the next."""
    done = {(row["set"], row["network"], int(row["seed"])) for row in rows}
    for seed, network, name in product(options.seeds, options.networks, options.sets):
        if (name, network, seed) not in done:
            yield name, network, seed


def times(path: Path, options: argparse.Namespace) -> dict[str, float]:
    """Return milliseconds for 1024 x 2048 pixels, measured once a folder."""
    if not path.exists():
        given = ["--networks", *options.networks, "--repeats", "3", "--device", options.device]
        asked = speed.arguments(given)
        found = speed.timed(speed.networks(asked), asked)
        keep(path, [{"network": n, "ms": f"{1000 * median(v):.1f}"} for n, v in found.items()])
    return {row["network"]: float(row["ms"]) for row in results(path)}


def average(rows: Sequence[Row], name: str, network: str, score: str) -> float | None:
    """Return the mean over seeds of a score; None where none is done."""
    found = [
        float(row[score])
        for row in rows
        if (row["set"], row["network"]) == (name, network) and row.get(score)
    ]
    return mean(found) if found else None


def written(rows: Sequence[Row], ms: dict[str, float], options: argparse.Namespace) -> str:
    """Return the tables as Markdown."""
    told = partial(average, rows)
    seeds = len({row["seed"] for row in rows})
    head = ["network", *(f"{n} {s}" for n in options.sets for s in ("mIoU", "boundary F")), "ms"]
    body = [
        [
            network,
            *(shown(told(n, network, s)) for n in options.sets for s in ("miou", "boundary_f")),
            f"{ms[network]:.0f}" if network in ms else "",
        ]
        for network in options.networks
    ]
    pairs = [pair for pair in COMPARED if set(pair) <= set(options.networks)]
    claims = [compared(one, other, told, ms, options.sets) for one, other in pairs]
    title = ["this", "beside", *(f"{n} mIoU" for n in options.sets), "time"]
    return (
        f"{hardware.description(('torch', 'torchvision'))}\n\n"
        f"ResNet-18 from new weights, {options.steps} steps of {options.batch} crops of "
        f"{options.crop} pixels, rate {options.rate:g}, up to {seeds} seeds; F of boundaries within"
        f" 2 px; ms for 1024 x 2048 RGB pixels, 19 classes.\n\n"
        f"{markdown(head, body)}\n\n{markdown(title, claims)}\n"
    )


def shown(value: float | None) -> str:
    """Return a score as a text, empty where there is none."""
    return "" if value is None else f"{value:.4f}"


def compared(
    one: str,
    other: str,
    told: Callable[[str, str, str], float | None],
    ms: dict[str, float],
    sets: Sequence[str],
) -> list[str]:
    """Return by how much the mIoU of one network is above another's, and the ratio of times."""
    cells = []
    for name in sets:
        first, second = told(name, one, "miou"), told(name, other, "miou")
        cells.append("" if first is None or second is None else f"{first - second:+.4f}")
    ratio = f"x {ms[one] / ms[other]:.2f}" if {one, other} <= ms.keys() else ""
    return [one, other, *cells, ratio]


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nuclei", type=Path, help="images with labels of single nuclei")
    parser.add_argument("--em", type=Path, help="a folder with raw/ and labels/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", default=list(PUBLISHED), choices=PUBLISHED)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--validate-every", type=int, default=10**9, help="the last step always")
    parser.add_argument("--held", type=int, default=40, help="nuclei images that are measured on")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args(given)
    options.sets = [name for name in ("nuclei", "em") if getattr(options, name)]
    return options


def main(given: Sequence[str] | None = None) -> None:
    """Train what is missing, and write the table after each network."""
    options = arguments(given)
    options.out.mkdir(parents=True, exist_ok=True)
    made: dict[str, Callable[[], Set]] = {
        "nuclei": lambda: nuclei(options.nuclei, options.held),
        "em": lambda: em(options.em),
    }
    sets = {name: made[name]() for name in options.sets}
    path = options.out / "results.csv"
    rows = results(path)
    ms = times(options.out / "speed.csv", options)
    for name, network, seed in missing(rows, options):
        place = options.out / name / network / str(seed)
        scores = trained(network, sets[name], seed, place, options)
        if scores is None:
            return
        told = {key: f"{value:.6g}" for key, value in scores.items()}
        rows.append({"set": name, "network": network, "seed": str(seed)} | told)
        keep(path, rows)
        print(f"{name} {network} {seed}: mIoU {scores['miou']:.4f}", flush=True)
        (options.out / "table.md").write_text(written(rows, ms, options))


if __name__ == "__main__":
    main()
