"""What decides the course of a training: what must be the same to go on with it."""

from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from torch import nn

from napari_superpixels.errors import InputError
from napari_superpixels.training.checkpoint import Checkpoint, as_settings
from napari_superpixels.training.data import TrainingSet
from napari_superpixels.training.pairs import Pair
from napari_superpixels.training.recipe import Recipe, Steps
from napari_superpixels.training.validate import Validating

if TYPE_CHECKING:
    from napari_superpixels.training.loop import Running

LONGEST_TOLD = 60
"""Characters of a value that a message shows."""


def settings_of(
    recipe: Recipe,
    network: nn.Module,
    data: TrainingSet,
    validation: Validating | None,
    running: "Running",
) -> dict[str, Any]:
    """Return what changes the trajectory, or which of its checkpoints is the best.

    Parameters
    ----------
    recipe, network
        What is trained, and how.
    data, validation
        What it learns from, and what it is measured on.
    running
        Device and precision.

    Returns
    -------
    dict
        Plain numbers and texts, as they come back from a checkpoint.
    """
    return {
        "recipe": recipe.name,
        "seed": data.seed,
        "device": running.device.partition(":")[0],
        "precision": running.precision,
        "batch": recipe.batch,
        "crops": [as_settings(crops) for crops in recipe.crops],
        "rate": repr(recipe.rate),
        "optimiser": repr(recipe.optimiser),
        "steps": "any" if isinstance(recipe.rate, Steps) else recipe.steps,
        "weight_decay": recipe.weight_decay,
        "loss": _told(recipe.loss),
        "config": repr(sorted(getattr(network, "config", {}).items())),
        "annotations": len(data),
        "images": identity(data.pairs),
        "void": str(data.void),
        "validated": identity(validation.pairs) if validation else "",
        "start": recipe.start,
        **recipe.meaning(),
    }


def _told(loss: Any) -> str:
    """Return a loss and its numbers; of a function, its name."""
    return str(getattr(loss, "__qualname__", None) or repr(loss))


def identity(pairs: Sequence[Pair]) -> str:
    """Return a hash of which images these are: names, sizes, parts, numbers of annotations."""
    lines = [
        repr((pair.name, pair.plane, pair.box.start, pair.shape, len(pair.annotations)))
        for pair in pairs
    ]
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


def check_same(checkpoint: Checkpoint, wanted: dict[str, Any], where: str) -> None:
    """Refuse to go on with a training along another trajectory.

    What the version that wrote the checkpoint did not record cannot be compared.

    Parameters
    ----------
    checkpoint
        Where the training stands.
    wanted
        What `settings_of` returned.
    where
        The training's folder, for the message.

    Raises
    ------
    InputError
        With the first setting that differs.
    """
    for name, value in wanted.items():
        known = checkpoint.settings.get(name, value)
        if known != _recorded(value, known):
            raise InputError(
                f"The training in '{where}' has {name} {_short(known, value)}, but now it is "
                f"{_short(value, known)}; go on with the same, or give another folder."
            )


def _recorded(value: Any, known: Any) -> Any:
    """Return a value without what another version did not record of it."""
    if isinstance(value, dict) and isinstance(known, dict):
        return {name: value[name] for name in value if name in known}
    if isinstance(value, list) and isinstance(known, list) and len(value) == len(known):
        return [_recorded(*each) for each in zip(value, known, strict=True)]
    return value


def _short(value: Any, other: Any) -> str:
    """Return a value as a text; of a long one the part where it differs from another."""
    text = repr(value)
    if len(text) <= LONGEST_TOLD:
        return text
    same = next((n for n, (a, b) in enumerate(zip(text, repr(other), strict=False)) if a != b), 0)
    begin = max(0, min(same - LONGEST_TOLD // 2, len(text) - LONGEST_TOLD))
    end = begin + LONGEST_TOLD
    return f"{'...' if begin else ''}{text[begin:end]}{'...' if end < len(text) else ''}"
