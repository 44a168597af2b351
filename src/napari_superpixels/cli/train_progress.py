"""How a training is followed: a bar on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from napari_superpixels.cli.progress import PLAIN_SECONDS
from napari_superpixels.engine.tally import duration

if TYPE_CHECKING:
    from napari_superpixels.training.events import Event, Listener


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
        self._told = self._began = clock()
        self._steps = self._done = 0

    def __call__(self, event: "Event") -> None:
        """Listen to an event."""
        from napari_superpixels.training.events import StepDone, TrainingStarted, Validated

        if isinstance(event, TrainingStarted):
            self._steps, self._done, self._began = event.steps, event.done, self._clock()
            known = f", {event.done} of them done" if event.done else ""
            self._tell(f"Learning from {event.annotations} annotations, {event.steps} steps{known}")
        elif isinstance(event, Validated):
            self._tell(scores_line(event.step, event.scores))
        elif isinstance(event, StepDone) and self._clock() - self._told >= PLAIN_SECONDS:
            self._told = self._clock()
            self._tell(
                f"step {event.step} of {self._steps}, loss {event.loss:.4f}, about "
                f"{duration(self._left(event.step))} left"
            )

    def _left(self, step: int) -> float:
        """Return the seconds left if the rest goes as fast as what this run did so far."""
        seconds = self._clock() - self._began
        return seconds / max(1, step - self._done) * (self._steps - step)


TOLD = {
    "miou": "mIoU",
    "boundary_f": "boundary F",
    "accuracy": "accuracy",
    "delta1": "delta1",
    "rel": "rel",
    "rms": "rms",
}
"""Scores of classes and values, and what they are called."""


def scores_line(step: int, scores: Mapping[str, Any]) -> str:
    """Return a validation as one line; empty where there is none."""
    if "asa" in scores:
        return (
            f"step {step}: ASA {scores['asa']:.4f}, boundary recall {scores['br']:.4f} with "
            f"{scores['superpixels']:.0f} superpixels"
        )
    told = [f"{called} {scores[name]:.4f}" for name, called in TOLD.items() if name in scores]
    return f"step {step}: {', '.join(told)}" if told else ""
