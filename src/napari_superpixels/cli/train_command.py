"""``napari-superpixels train``: a network learns from images and labels."""

import json
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_superpixels.cli import options as opt
from napari_superpixels.cli import train_dense as dense
from napari_superpixels.cli.train_progress import scores_line, shown
from napari_superpixels.cli.train_recipe import changed, slow_note
from napari_superpixels.errors import Cancelled, InputError, TrainingError

if TYPE_CHECKING:
    from napari_superpixels.training.data import TrainingSet
    from napari_superpixels.training.pairs import Pair
    from napari_superpixels.training.recipe import Recipe
    from napari_superpixels.training.validate import Validating

HELD_OUT = 10
"""One image in so many is held out for validation, where none are given."""
LEAST_HELD = 4
"""Of fewer images all are needed to learn from."""
UNKNOWN_LICENCE = "not stated: ask for the terms of the images, and of the start if there is one"


def _count(help_: str) -> Any:
    return typer.Option(parser=opt.positive_number, metavar="NUMBER", help=help_)


Recipes = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="For a processor ssn-cpu, hcssn-cpu, scn-cpu, ainet-cpu, pcnet-cpu; for a GPU "
        "ssn, ssn-linear, hcssn, hcssn-deformable, scn, ainet, pcnet. For classes and distances "
        "fcn, hcfcn, fpn, hcfpn, atrousfcn, pspnet, hcpspnet, deeplabv3, hcdeeplabv3, dorn, "
        "hcdorn; each with -cpu, too.",
    ),
]
Images = Annotated[Path, typer.Option(help="An image, or a folder of images.")]
Labels = Annotated[
    Path | None,
    typer.Option(help="Their labels, an npz or a folder; by default beside or inside the images."),
]
Out = Annotated[Path, typer.Option(help="The folder for checkpoints, log and weights.")]
ValImages = Annotated[
    Path | None, typer.Option(help="Images to validate on; by default every tenth of --images.")
]
ValLabels = Annotated[Path | None, typer.Option(help="Their labels.")]
ValLimit = Annotated[int | None, _count("Use that many of them, evenly spread; by default all.")]
Steps = Annotated[int | None, _count("Training steps; by default the recipe's.")]
Batch = Annotated[int | None, _count("Crops a step; by default the recipe's.")]
Crop = Annotated[int | None, _count("Side of a crop in pixels; by default the recipe's.")]
Rate = Annotated[
    float | None,
    typer.Option(
        parser=opt.number,
        metavar="NUMBER",
        help="First learning rate, which falls as the recipe's; by default the recipe's.",
    ),
]
StartFrom = Annotated[
    str | None,
    typer.Option(
        metavar="WEIGHTS",
        help="Begin with these weights, a shipped set's name, a file, or imagenet for a ResNet.",
    ),
]
Seed = Annotated[
    int, typer.Option(parser=opt.whole_number, metavar="NUMBER", help="Of weights and crops.")
]
Void = Annotated[
    int | None,
    typer.Option(
        parser=opt.whole_number,
        metavar="LABEL",
        help="The label that means unknown; without it, 0 is one segment too.",
    ),
]
Device = Annotated[str | None, typer.Option(help="cpu or cuda; by default what is there.")]
Mixed = Annotated[
    bool | None,
    typer.Option("--mixed/--full", help="Whether to compute in bfloat16; by default on a GPU."),
]
SaveEvery = Annotated[int, _count("Steps between checkpoints.")]
ValidateEvery = Annotated[
    int | None,
    _count("Steps between validations; by default a twentieth of all, at most 1000."),
]
Licence = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Under which terms the weights may be used, for their card."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with what lies in --out.")]


def train(  # noqa: PLR0913 - one option each
    recipe: Recipes,
    images: Images,
    out: Out,
    labels: Labels = None,
    val_images: ValImages = None,
    val_labels: ValLabels = None,
    val_limit: ValLimit = None,
    steps: Steps = None,
    batch: Batch = None,
    crop: Crop = None,
    rate: Rate = None,
    start_from: StartFrom = None,
    seed: Seed = 0,
    void: Void = None,
    device: Device = None,
    mixed: Mixed = None,
    save_every: SaveEvery = 500,
    validate_every: ValidateEvery = None,
    licence: Licence = None,
    classes: dense.ClassesOption = None,
    ignore: dense.Ignore = None,
    ignore_others: dense.IgnoreOthers = False,  # noqa: FBT002 - the framework's way of a switch
    balanced: dense.Balanced = False,  # noqa: FBT002
    backbone: dense.Backbone = None,
    level: dense.Level = None,
    sampling: dense.Sampling = None,
    downsampling: dense.Downsampling = None,
    distance_px: dense.DistancePx = None,
    val_share: dense.ValShare = None,
    val_gap: dense.ValGap = None,
    patience: dense.Patience = None,
    resume: Resume = False,  # noqa: FBT002
    quiet: opt.Quiet = False,  # noqa: FBT002
    as_json: opt.Json = False,  # noqa: FBT002
) -> None:
    """Train a network on images and labels; write its weights, log and curves."""
    from napari_superpixels.training import loop
    from napari_superpixels.training.channels import for_channels
    from napari_superpixels.training.device import chosen_device
    from napari_superpixels.training.encoder import Encoder

    silent = quiet or as_json
    where = chosen_device(device)
    encoder = Encoder(backbone, level, sampling, downsampling)
    chosen = changed(
        recipe, encoder, steps=steps, batch=batch, crop=crop, rate=rate, start=start_from
    )
    found = find_images((images, labels), (val_images, val_labels), val_share, val_gap)
    means = dense.Meaning(
        classes, ignore, ignore_others, balanced, distance_px, void, limit=val_limit
    )
    meant = dense.meant(chosen, found, seed, means)
    data, validation = meant.ready.data, meant.ready.validation
    chosen = for_channels(meant.ready.recipe, data.channels)
    if not silent:
        note([slow_note(chosen, where), *meant.notes])
    running = loop.Running(
        device=where,
        mixed=mixed,
        save_every=save_every,
        validate_every=validate_every,
        patience=patience,
    )
    card = about(images, data, validation, where, licence)
    with stop_politely() as stopped, shown(quiet=silent) as listener:
        try:
            outcome = loop.train(
                chosen,
                data,
                out,
                validation=validation,
                running=running,
                resume=resume,
                listener=listener,
                stopped=stopped,
            )
        except TrainingError as error:
            raise TrainingError(rescued(str(error), chosen, out, card)) from error
    if not outcome.step:
        raise Cancelled("Interrupted before the first step was done; nothing is kept.")
    told = finish(chosen, out, card) | {"step": outcome.step}
    if not outcome.finished:
        raise Cancelled(
            f"Interrupted; step {outcome.step} is kept in '{out}', and the weights so far are "
            f"'{told['weights']}': use them, or go on with the same command and --resume."
        )
    if as_json:
        typer.echo(json.dumps(told))
    elif not quiet:
        typer.echo(sentence(told))


def note(sentences: Iterable[str]) -> None:
    """Tell on standard error what is worth knowing; empty sentences are none."""
    for one in filter(None, sentences):
        typer.echo(f"Note: {one}", err=True)


def about(
    images: Path,
    data: "TrainingSet",
    validation: "Validating | None",
    device: str,
    licence: str | None,
) -> dict[str, Any]:
    """Return what the card of the weights says besides what the training knows."""
    from napari_superpixels.evaluation.hardware import description

    where = "" if device == "cpu" else f"{device} of "
    return {
        "data": {
            "folder": images.resolve().name,
            "images": len({(pair.name, pair.plane) for pair in data.pairs}),
            "annotations": len(data),
            "validated_on": len(validation.pairs) if validation else 0,
        },
        "licence": licence or UNKNOWN_LICENCE,
        "hardware": f"{where}{description(('torch',))}",
        "date": date.today().isoformat(),
    }


def rescued(complaint: str, recipe: "Recipe", out: Path, card: dict[str, Any]) -> str:
    """Return why a training ended and, where a checkpoint is left, which weights it became."""
    from napari_superpixels.training.checkpoint import LAST
    from napari_superpixels.training.export import export

    if not (out / LAST).exists():
        return complaint
    try:
        path = export(recipe, out, **card)
    except TrainingError:
        return complaint
    return f"{complaint.removesuffix('.')}, maybe with --start-from '{path}'."


def find_images(
    given: tuple[Path, Path | None],
    held: tuple[Path | None, Path | None],
    share: float | None = None,
    gap_px: int | None = None,
) -> dense.Images:
    """Find images to learn from, and to validate on.

    Raises
    ------
    InputError, SourceError
        If images and labels do not fit.
    """
    from napari_superpixels.training.pairs import find_pairs

    if share is not None and held[0] is not None:
        raise InputError(
            f"A share of {share:g} of every image and '{held[0]}' are both to be held out; give "
            f"one of --val-share and --val-images."
        )
    learned = find_pairs(*given)
    if held[0] is not None:
        return dense.Images(learned, find_pairs(held[0], held[1]))
    if held[1] is not None:
        raise InputError(
            f"The labels '{held[1]}' are given for validation, but no images; give --val-images "
            f"too."
        )
    if share is not None:
        return dense.Images(learned, [], share, gap_px)
    return dense.Images(*hold_out(learned))


def hold_out(pairs: list["Pair"]) -> tuple[list["Pair"], list["Pair"]]:
    """Split off every tenth image, of fewer the last one; of fewer than `LEAST_HELD`, none."""
    if LEAST_HELD <= len(pairs) < HELD_OUT:
        return pairs[:-1], pairs[-1:]
    kept = [pair for number, pair in enumerate(pairs) if number % HELD_OUT != HELD_OUT - 1]
    return kept, pairs[HELD_OUT - 1 :: HELD_OUT]


@contextmanager
def stop_politely() -> Iterator[Callable[[], bool]]:
    """Yield whether to stop: after Ctrl-C or a polite kill; a second one ends at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(_number: int, _frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, ask) for each in signals]
    try:
        yield asked.is_set
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def finish(recipe: "Recipe", out: Path, card: dict[str, Any]) -> dict[str, Any]:
    """Write weights, and curves where matplotlib is installed; return where things lie.

    The scores are those of the weights: of the best step that was measured, maybe an earlier one.
    """
    from napari_superpixels.models.weights import read_card
    from napari_superpixels.training.export import export
    from napari_superpixels.training.log import plot

    weights = export(recipe, out, **card)
    made = read_card(weights)
    told = {"path": str(out), "weights": str(weights), "best": made["steps"], **made["validation"]}
    try:
        return told | {"curves": str(plot(out))}
    except InputError:
        return told


def sentence(told: dict[str, Any]) -> str:
    """Return what was done as a line."""
    scores = scores_line(told["best"], told) or f"step {told['step']}"
    return f"{told['weights']}: {scores}"
