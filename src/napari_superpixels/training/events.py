"""What a training tells its listeners: plain values, from the thread that trains."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrainingStarted:
    """The data are found and the network is made."""

    steps: int
    """Number of the last step."""
    done: int
    """Steps that an earlier run did."""
    annotations: int
    """Annotations to learn from."""


@dataclass(frozen=True, slots=True)
class StepDone:
    """The weights were changed once."""

    step: int
    """Steps that are done."""
    rate: float
    """The learning rate."""
    losses: dict[str, float]
    """The terms of the loss, as they are added up."""

    @property
    def loss(self) -> float:
        """Their sum."""
        return sum(self.losses.values())


@dataclass(frozen=True, slots=True)
class Validated:
    """The network was measured on images that it does not learn from."""

    step: int
    """Steps that are done."""
    scores: dict[str, float]
    """By name; what they are decides the validation."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint is in place."""

    step: int
    """Steps that are done."""
    path: Path
    """The file."""


Event = TrainingStarted | StepDone | Validated | Saved
Listener = Callable[[Event], None]


def ignore(_: Event) -> None:
    """Listen to nothing."""


def both(*listeners: Listener) -> Listener:
    """Return a listener that passes each event on to several, in order."""

    def listen(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return listen
