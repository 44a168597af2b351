"""The one loop that trains every network: seeded, resumable, stoppable.

A training lives in a folder: the newest and the best checkpoint and the log. Data, learning rate
and everything random are functions of the seed and the number of the step, so a training that
was interrupted anywhere goes on along the same trajectory.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_superpixels.errors import Cancelled, InputError, OutputError, TrainingError
from napari_superpixels.training.ahead import Batches, read_ahead
from napari_superpixels.training.checkpoint import BEST, LAST, Checkpoint, load_network
from napari_superpixels.training.data import TrainingSet, check_channels
from napari_superpixels.training.events import (
    Listener,
    Saved,
    StepDone,
    TrainingStarted,
    Validated,
    both,
    ignore,
)
from napari_superpixels.training.log import Log
from napari_superpixels.training.recipe import Recipe
from napari_superpixels.training.trajectory import check_same, settings_of
from napari_superpixels.training.validate import Validating

VALIDATIONS = 20
"""How many a training has at least, unless it is told otherwise: so patience can end it early."""
RAREST = 1000
"""Steps between validations at most, of long ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """How a training runs; of all this, device and precision alone change the result."""

    device: str = "cpu"
    """``cpu`` or ``cuda``."""
    mixed: bool | None = None
    """Whether networks compute in bfloat16 where that is safe; by default on a GPU only."""
    save_every: int = 500
    """Steps between checkpoints."""
    validate_every: int | None = None
    """Steps between validations; by default `VALIDATIONS` in all, and one every `RAREST`."""
    readers: int = 1
    """Threads that read crops ahead."""
    patience: int | None = None
    """How many validations in a row may bring nothing better before training ends early."""

    @property
    def precision(self) -> str:
        """``"mixed"`` or ``"full"``."""
        mixed = self.device != "cpu" if self.mixed is None else self.mixed
        return "mixed" if mixed else "full"

    def validates_every(self, steps: int) -> int:
        """Return the steps between validations of a training of so many steps."""
        if self.validate_every is not None:
            return self.validate_every
        return min(max(1, steps // VALIDATIONS), RAREST)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a training ended."""

    step: int
    """Steps that are done."""
    finished: bool
    """Whether that is the end, by the recipe or early; else it was stopped and can go on."""
    scores: dict[str, float]
    """The last validation, empty without any."""
    checkpoint: Path
    """The newest checkpoint."""


def _never() -> bool:
    return False


def train(
    recipe: Recipe,
    data: TrainingSet,
    folder: str | Path,
    *,
    validation: Validating | None = None,
    running: Running | None = None,
    resume: bool = False,
    listener: Listener = ignore,
    stopped: Callable[[], bool] = _never,
) -> Outcome:
    """Train a network, or go on with it.

    Parameters
    ----------
    recipe
        What is trained and how.
    data
        What it learns from; its seed is the training's.
    folder
        Where checkpoints and log go; made where it is missing.
    validation
        Images to measure on from time to time; `BEST` is chosen by the score that it watches.
    running
        Device, and how often what happens.
    resume
        Whether to go on with what lies in the folder.
    listener
        Is told of every event, in this thread.
    stopped
        Asked before each step; true ends the training after a checkpoint.

    Returns
    -------
    Outcome
        Where it stands.

    Raises
    ------
    InputError
        If data, recipe and an earlier checkpoint do not fit.
    OutputError
        If a checkpoint cannot be written, or the folder is taken.
    TrainingError
        If the loss is no number any more; the checkpoint before that is whole.
    Cancelled
        After Ctrl-C, with the step of the last checkpoint.
    """
    for crops in recipe.crops:
        data.check_size(crops, recipe.align)
    _check_channels(recipe, data, validation)
    place = Path(folder)
    run = Run(recipe, data, place, validation, running or Running())
    _open(place, resume=resume)
    if resume:
        run.restore(Checkpoint.load(place / LAST))
    run.listener = both(Log(place, run.done), listener)
    run.listener(TrainingStarted(recipe.steps, run.done, len(data)))
    run.go(stopped)
    return Outcome(run.done, run.finished, run.scores, place / LAST)


def _check_channels(recipe: Recipe, data: TrainingSet, validation: Validating | None) -> None:
    if data.channels != recipe.channels:
        raise InputError(
            f"The images have {data.channels} channels, but {recipe.name} is for "
            f"{recipe.channels}; make it for {data.channels} with for_channels."
        )
    if validation:
        check_channels(validation.pairs, recipe.channels)


def _open(folder: Path, *, resume: bool) -> None:
    """Make the folder where it is missing, if it holds what it must and nothing that it must not.

    This comes last, so that what is refused leaves no folder behind.
    """
    begun = (folder / LAST).exists()
    if begun and not resume:
        raise OutputError(
            f"'{folder}' holds a training already; go on with it by --resume, or give another "
            f"folder."
        )
    if resume and not begun:
        raise InputError(
            f"'{folder}' holds no training to go on with; look at the name, or leave --resume out."
        )
    if (folder / BEST).exists() and not begun:  # it would be taken for the best of this one
        raise OutputError(
            f"'{folder}' holds '{BEST}' of a training whose '{LAST}' is gone; remove it, or give "
            f"another folder."
        )
    folder.mkdir(parents=True, exist_ok=True)


class Run:
    """The state of one training, and one step of it."""

    def __init__(
        self,
        recipe: Recipe,
        data: TrainingSet,
        folder: Path,
        validation: Validating | None,
        running: Running,
    ) -> None:
        self.recipe, self.data, self.folder = recipe, data, folder
        self.validation, self.running = validation, running
        self.device = torch.device(running.device)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(data.seed)  # networks are made on the CPU
            self.network = recipe.network().to(self.device).train()
        recipe.check(self.network)
        self.optimizer = recipe.optimiser(_groups(self.network, recipe.weight_decay))
        self.done = self.saved = self.improved = 0
        self.scores: dict[str, float] = {}
        self.best = -inf
        self.listener: Listener = ignore

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or too many validations brought nothing better."""
        return self.done >= self.recipe.steps or self._gave_up

    @property
    def _gave_up(self) -> bool:
        patience = self.running.patience
        if patience is None or not self.validation:
            return False
        return self.done - self.improved >= patience * self._validates_every

    @property
    def _validates_every(self) -> int:
        return self.running.validates_every(self.recipe.steps)

    def go(self, stopped: Callable[[], bool]) -> None:
        """Train up to the recipe's last step, or until stopped."""
        try:
            for batches in self._batches():
                if self._gave_up or stopped():
                    break
                self._advance(batches)
                self._now_and_then()
        except KeyboardInterrupt:  # in the middle of a step: its state is no state of a trajectory
            raise Cancelled(interruption(self.done, self.saved, self.folder)) from None
        if self.done > self.saved:
            self._save()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take the state of a checkpoint.

        Raises
        ------
        InputError
            If it is of another recipe, seed or network.
        """
        check_same(checkpoint, self._settings(), str(self.folder))
        load_network(self.network, checkpoint.network, str(self.folder / LAST))
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.done = self.saved = checkpoint.step
        self.scores, self.best = checkpoint.scores, checkpoint.best
        self.improved = checkpoint.improved

    def _settings(self) -> dict[str, Any]:
        return settings_of(self.recipe, self.network, self.data, self.validation, self.running)

    def _batches(self) -> Iterator[Batches]:
        numbers = range(self.done, self.recipe.steps)
        with read_ahead(self._read, numbers, self.running.readers) as batches:
            yield from batches

    def _read(self, step: int) -> Batches:
        size = self.recipe.batch
        return tuple(self.data.batch(step, size, crops) for crops in self.recipe.crops)

    def _advance(self, batches: Batches) -> None:
        """Take one step, if everything stays finite."""
        batches = tuple(batch.to(self.device) for batch in batches)
        rate = self.recipe.rate(self.done, self.recipe.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        terms = self._terms(batches)
        loss = torch.stack(list(terms.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if not bool(loss.isfinite() & _gradient(self.network).isfinite()):
            raise self._diverged(batches)
        self.optimizer.step()
        self.done += 1
        losses = {name: float(term.detach()) for name, term in terms.items()}
        self.listener(StepDone(self.done, rate, losses))

    def _terms(self, batches: Batches) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.data.seed, 2, self.done))
        with self._precision(), self._chance():
            return self.recipe.loss(self.network, batches, self.done, rng)

    @contextmanager
    def _chance(self) -> Iterator[None]:
        """Let what networks draw themselves, as dropout does, be a function of seed and step."""
        seed = int(np.random.SeedSequence((self.data.seed, 3, self.done)).generate_state(1)[0])
        cards = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(cards):
            torch.manual_seed(seed)
            yield

    def _precision(self) -> AbstractContextManager[None]:
        on = self.running.precision == "mixed"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=on)

    def _diverged(self, batches: Batches) -> TrainingError:
        names = batches[0].names
        guilty = [
            name
            for index, name in enumerate(names)
            if not self._finite_alone(tuple(batch.alone(index) for batch in batches))
        ]
        last = f"'{self.folder / LAST}' of step {self.saved}" if self.saved else "none"
        return TrainingError(
            f"The loss is no finite number at step {self.done + 1}, on "
            f"{'; '.join(guilty or names)}; the last good checkpoint is {last}: look at that "
            f"image, or begin again in another folder with a smaller learning rate."
        )

    def _finite_alone(self, batches: Batches) -> bool:
        self.optimizer.zero_grad(set_to_none=True)
        loss = torch.stack(list(self._terms(batches).values())).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return bool(loss.isfinite() & _gradient(self.network).isfinite())

    def _now_and_then(self) -> None:
        last = self.done == self.recipe.steps
        if self.validation and (last or self.done % self._validates_every == 0):
            self._validate(self.validation)
        due = last or self.done % self.running.save_every == 0
        if due and self.saved < self.done:
            self._save()

    def _validate(self, validation: Validating) -> None:
        self.scores = validation(self.network, self.recipe)
        self.listener(Validated(self.done, self.scores))
        score = self.scores[validation.watched]
        kept = score > self.best - validation.noise
        if score > self.best:
            self.best, self.improved = score, self.done
        if kept:
            if not self.saved:  # a best checkpoint is never alone
                self._save()
            self._checkpoint().save(self.folder / BEST)

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            step=self.done,
            settings=self._settings(),
            network=self.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            scores=self.scores,
            best=self.best,
            improved=self.improved,
        )

    def _save(self) -> None:
        path = self.folder / LAST
        self._checkpoint().save(path)
        self.saved = self.done
        self.listener(Saved(self.done, path))


def interruption(done: int, kept: int, folder: Path) -> str:
    """Return the sentence that a training was interrupted, and how to go on.

    Parameters
    ----------
    done, kept
        Steps that were done, and those that the newest checkpoint has.
    folder
        Where it lies.
    """
    if not kept:
        return f"Interrupted after step {done}, before the first checkpoint; nothing is kept."
    return (
        f"Interrupted after step {done}; step {kept} is kept in '{folder}': go on with the same "
        f"command and --resume."
    )


def _groups(network: nn.Module, decay: float) -> list[dict[str, object]]:
    """Return parameters that decay and those that do not: biases."""
    named = list(network.named_parameters())
    weights = [parameter for name, parameter in named if not name.endswith("bias")]
    biases = [parameter for name, parameter in named if name.endswith("bias")]
    groups = [{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _gradient(network: nn.Module) -> Tensor:
    """Return the norm of the gradient, a scalar that is no number where one of it is none."""
    found = [p.grad for p in network.parameters() if p.grad is not None]
    return torch.nn.utils.get_total_norm(found)
