"""How far a training is, kept up to date from its events: for a bar, a curve and a line of text."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from napari_superpixels.training.events import Event, StepDone, TrainingStarted, Validated

RECENT = 20
"""Steps that tell how long one takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """How far a training is, at one moment."""

    steps: int = 0
    """All steps; 0 before the training has begun."""
    losses: tuple[float, ...] = ()
    """The loss of each step that is done."""
    scores: tuple[tuple[int, dict[str, float]], ...] = ()
    """Step and scores of each validation; that of step 0 is of the weights it began with."""
    seconds_left: float | None = None
    """How long the rest will take; None before that can be told."""

    @property
    def done(self) -> int:
        """Steps that are done."""
        return len(self.losses)


@dataclass(eq=False)
class Diary:
    """A listener that keeps what it is told; the training's thread tells, any thread asks."""

    clock: Callable[[], float] = time.monotonic
    """Returns seconds."""

    _steps: int = 0
    _losses: list[float] = field(default_factory=list)
    _scores: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    _times: list[float] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Listen to an event."""
        if isinstance(event, TrainingStarted):
            self._steps = event.steps
            self._times.append(self.clock())
        elif isinstance(event, StepDone):
            self._times.append(self.clock())
            self._losses.append(event.loss)
        elif isinstance(event, Validated):
            self._scores.append((event.step, event.scores))

    @property
    def learnt(self) -> Learnt:
        """How far the training is now."""
        losses = tuple(self._losses)
        return Learnt(
            steps=self._steps,
            losses=losses,
            scores=tuple(self._scores),
            seconds_left=self._left(len(losses)),
        )

    def _left(self, done: int) -> float | None:
        recent = self._times[max(0, done - RECENT) : done + 1]
        if done == 0 or len(recent) < 2:
            return None
        passed = self.clock() - recent[-1]
        left = (recent[-1] - recent[0]) / (len(recent) - 1) * (self._steps - done)
        return max(0.0, left - passed)
