"""``napari-superpixels train``: a network learns from images and labels."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_superpixels.cli import options as opt
from napari_superpixels.cli.progress import PLAIN_SECONDS
from napari_superpixels.errors import Cancelled, InputError

if TYPE_CHECKING:
    from napari_superpixels.training.data import TrainingSet
    from napari_superpixels.training.events import Event, Listener
    from napari_superpixels.training.pairs import Pair
    from napari_superpixels.training.recipe import Recipe
    from napari_superpixels.training.validate import Validation

HELD_OUT = 10
"""One image in so many is held out for validation, where none are given."""


def _count(help_: str) -> Any:
    return typer.Option(parser=opt.positive_number, metavar="NUMBER", help=help_)


Recipes = Annotated[
    str, typer.Argument(metavar="RECIPE", help="ssn, scn, ...; with -cpu a short one.")
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
        help="First learning rate of Adam, which falls as the recipe's; by default the recipe's.",
    ),
]
StartFrom = Annotated[
    str | None,
    typer.Option(
        metavar="WEIGHTS",
        help="Begin with these weights, a shipped set's name or a file, instead of new ones.",
    ),
]
Seed = Annotated[
    int, typer.Option(parser=opt.whole_number, metavar="NUMBER", help="Of weights and crops.")
]
Void = Annotated[
    int | None,
    typer.Option(parser=opt.whole_number, metavar="LABEL", help="The label that means unknown."),
]
Device = Annotated[str | None, typer.Option(help="cpu or cuda; by default what is there.")]
Mixed = Annotated[
    bool | None,
    typer.Option("--mixed/--full", help="Whether to compute in bfloat16; by default on a GPU."),
]
SaveEvery = Annotated[int, _count("Steps between checkpoints.")]
ValidateEvery = Annotated[int, _count("Steps between validations.")]
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
    validate_every: ValidateEvery = 1000,
    resume: Resume = False,  # noqa: FBT002 - the framework's way to declare a switch
    quiet: opt.Quiet = False,  # noqa: FBT002
    as_json: opt.Json = False,  # noqa: FBT002
) -> None:
    """Train a network on images and labels; write its weights, log and curves."""
    from napari_superpixels.training import loop
    from napari_superpixels.training.channels import for_channels

    chosen = changed(recipe, steps=steps, batch=batch, crop=crop, rate=rate, start=start_from)
    data, validation = find_data((images, labels), (val_images, val_labels), seed, void, val_limit)
    chosen = for_channels(chosen, data.channels)
    running = loop.Running(
        device=device or best_device(),
        mixed=mixed,
        save_every=save_every,
        validate_every=validate_every,
    )
    with stop_politely() as stopped, shown(quiet=quiet or as_json) as listener:
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
    if not outcome.finished:
        raise Cancelled(
            f"Interrupted; step {outcome.step} is kept in '{out}': go on with the same command "
            f"and --resume."
        )
    told = finish(chosen, out) | {"step": outcome.step, **outcome.scores}
    if as_json:
        typer.echo(json.dumps(told))
    elif not quiet:
        typer.echo(sentence(told))


def changed(
    name: str,
    *,
    steps: int | None = None,
    batch: int | None = None,
    crop: int | None = None,
    rate: float | None = None,
    start: str | None = None,
) -> "Recipe":
    """Return a recipe with what the user wants otherwise.

    Raises
    ------
    InputError
        If there is no such recipe or weights, or a number cannot be used.
    """
    from napari_superpixels.training.recipes import recipe
    from napari_superpixels.training.start import starting_from

    made = recipe(name)
    made = made if start is None else starting_from(made, start)
    if rate is not None and not rate > 0:
        raise InputError(f"The rate is {rate:g}, but it must be above 0; give e.g. --rate 1e-4.")
    if crop is not None:
        check_crop(crop, made)
    made = made if rate is None else replace(made, rate=made.rate.beginning_at(rate))
    crops = tuple(replace(each, size=crop or each.size) for each in made.crops)
    return replace(made.lasting(steps or made.steps), crops=crops, batch=batch or made.batch)


def check_crop(crop: int, recipe: "Recipe") -> None:
    """Refuse crops that a recipe's network cannot learn from.

    Raises
    ------
    InputError
        With a size that it can.
    """
    least = 2 * max(recipe.step, recipe.align)
    if crop < least:
        raise InputError(
            f"Crops of {crop} pixels hold less than 2 x 2 cells of {least // 2}; give at least "
            f"--crop {least}."
        )
    if crop % recipe.align:
        raise InputError(
            f"Crops of {crop} pixels are no whole number of the {recipe.align} that "
            f"{recipe.name} sees together; give e.g. --crop {crop - crop % recipe.align}."
        )


def find_data(
    given: tuple[Path, Path | None],
    held: tuple[Path | None, Path | None],
    seed: int = 0,
    void: int | None = None,
    limit: int | None = None,
) -> tuple["TrainingSet", "Validation | None"]:
    """Find what is learned from and what is validated on.

    Raises
    ------
    InputError, SourceError
        If images and labels do not fit.
    """
    from napari_superpixels.training.data import TrainingSet
    from napari_superpixels.training.pairs import find_pairs
    from napari_superpixels.training.validate import Validation

    learned, rest = find_pairs(*given), []
    if held[0] is not None:
        rest = find_pairs(held[0], held[1])
    elif held[1] is not None:
        raise InputError(
            f"The labels '{held[1]}' are given for validation, but no images; give --val-images "
            f"too."
        )
    else:
        learned, rest = hold_out(learned)
    validation = Validation.of(rest, limit, void) if rest else None
    return TrainingSet(learned, seed=seed, void=void), validation


def hold_out(pairs: list["Pair"]) -> tuple[list["Pair"], list["Pair"]]:
    """Split off every tenth image; of fewer images, none."""
    kept = [pair for number, pair in enumerate(pairs) if number % HELD_OUT != HELD_OUT - 1]
    return kept, pairs[HELD_OUT - 1 :: HELD_OUT]


def best_device() -> str:
    """Return ``cuda`` where there is a GPU, else ``cpu``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


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


@contextmanager
def shown(*, quiet: bool) -> Iterator["Listener"]:
    """Show how far a training is on standard error: a bar on a terminal, lines elsewhere."""
    from rich.console import Console

    from napari_superpixels.training.events import ignore

    console = Console(stderr=True)
    if quiet:
        yield ignore
    elif console.is_terminal:
        from rich.progress import Progress

        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("training")
            yield lambda event: _move(event, progress, task)
    else:
        yield Lines(lambda line: typer.echo(line, err=True))


def _move(event: "Event", progress: Any, task: Any) -> None:
    from napari_superpixels.training.events import StepDone, TrainingStarted, Validated

    if isinstance(event, TrainingStarted):
        progress.update(task, total=event.steps, completed=event.done)
    elif isinstance(event, StepDone):
        progress.update(task, completed=event.step, description=f"loss {event.loss:.4f}")
    elif isinstance(event, Validated):
        progress.console.print(scores_line(event.step, event.scores), highlight=False)


class Lines:
    """Tells how far a training is, about every half minute, and of every validation.

    Parameters
    ----------
    tell
        Is given each line.
    clock
        Returns seconds.
    """

    def __init__(
        self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell, self._clock = tell, clock
        self._told, self._steps = clock(), 0

    def __call__(self, event: "Event") -> None:
        """Listen to an event."""
        from napari_superpixels.training.events import StepDone, TrainingStarted, Validated

        if isinstance(event, TrainingStarted):
            self._steps = event.steps
            known = f", {event.done} of them done" if event.done else ""
            self._tell(f"Learning from {event.annotations} annotations, {event.steps} steps{known}")
        elif isinstance(event, Validated):
            self._tell(scores_line(event.step, event.scores))
        elif isinstance(event, StepDone) and self._clock() - self._told >= PLAIN_SECONDS:
            self._told = self._clock()
            self._tell(f"step {event.step} of {self._steps}, loss {event.loss:.4f}")


def scores_line(step: int, scores: dict[str, float]) -> str:
    """Return a validation as one line."""
    return (
        f"step {step}: ASA {scores['asa']:.4f}, boundary recall {scores['br']:.4f} with "
        f"{scores['superpixels']:.0f} superpixels"
    )


def finish(recipe: "Recipe", out: Path) -> dict[str, Any]:
    """Write weights, and curves where matplotlib is installed; return where things lie."""
    from napari_superpixels.training.export import export
    from napari_superpixels.training.log import plot

    told: dict[str, Any] = {"path": str(out), "weights": str(export(recipe, out))}
    try:
        return told | {"curves": str(plot(out))}
    except InputError:
        return told


def sentence(told: dict[str, Any]) -> str:
    """Return what was done as a line."""
    scores = scores_line(told["step"], told) if "asa" in told else f"step {told['step']}"
    return f"{told['weights']}: {scores}"
