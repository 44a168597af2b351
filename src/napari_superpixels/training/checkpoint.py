"""Checkpoints: written whole or not at all, read without running anything that they hold."""

import io
import os
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from napari_superpixels.errors import InputError, OutputError, SourceError

LAST = "last.pt"
"""The newest checkpoint of a training folder."""
BEST = "best.pt"
"""The one with the best validation."""
FORMAT = "napari-superpixels training 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """All that a training needs to go on as if it had never stopped."""

    step: int
    """Steps that are done."""
    settings: dict[str, Any]
    """What must be the same to go on, recipe and seed among it: plain numbers and texts."""
    network: Mapping[str, Tensor]
    """State of the network."""
    optimizer: dict[str, Any]
    """State of the optimiser."""
    scores: dict[str, float]
    """The last validation."""
    best: float
    """The best validation so far."""

    def save(self, path: Path) -> None:
        """Write it in place of an older one, which stays whole until this one is.

        Parameters
        ----------
        path
            The file.

        Raises
        ------
        OutputError
            If it cannot be written; what was there before still is.
        """
        text = io.BytesIO()
        torch.save({"format": FORMAT} | _plain(self), text)
        _replace(path, text.getvalue(), f"The checkpoint of step {self.step}")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a checkpoint.

        Parameters
        ----------
        path
            The file.

        Raises
        ------
        SourceError
            If it is missing, cut short, altered, or no checkpoint of ours.
        """
        values = read_tensors(path)
        if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
            raise SourceError(
                f"'{path}' is no checkpoint of this training; give the folder that "
                f"'napari-superpixels train' wrote."
            )
        return cls(**values)


def _plain(checkpoint: Checkpoint) -> dict[str, Any]:
    named = {name: getattr(checkpoint, name) for name in Checkpoint.__dataclass_fields__}
    return named | {"network": dict(checkpoint.network)}


def _replace(path: Path, data: bytes, what: str) -> None:
    """Write a file beside the old one and move it there."""
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        kept = "the one before it is whole" if path.exists() else "there was none before it"
        raise OutputError(
            f"{what} could not be written to '{path}' ({error.strerror}), {kept}; make room there "
            f"and go on with --resume."
        ) from error


def read_tensors(path: Path) -> Any:
    """Read a file of tensors and plain values, refusing anything that would run code.

    Parameters
    ----------
    path
        What `torch.save` wrote.

    Raises
    ------
    SourceError
        If it is missing or broken, or holds more than tensors and plain values.
    """
    try:
        with warnings.catch_warnings():  # of pickles that are refused a moment later
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise SourceError(f"There is no '{path}'; look at the name.") from None
    except pickle.UnpicklingError:
        raise SourceError(
            f"'{path}' is a pickle that holds more than tensors and plain values, which could run "
            f"code, and is not opened; give safetensors, or a file of torch.save(state_dict)."
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:120]
        raise SourceError(
            f"'{path}' is cut short or altered ({reason}); replace it with a good copy."
        ) from None


def load_network(network: nn.Module, state: Mapping[str, Tensor], whose: str) -> None:
    """Load a state into a network.

    Parameters
    ----------
    network
        Changed in place.
    state
        Its tensors by name.
    whose
        Where the state comes from, for the message.

    Raises
    ------
    InputError
        If it is the state of another network.
    """
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    given = {name: tensor.shape for name, tensor in state.items()}
    if wanted != given:
        differing = sorted(n for n in {*wanted, *given} if wanted.get(n) != given.get(n))
        raise InputError(
            f"'{whose}' holds the weights of another network than {type(network).__name__} "
            f"({len(differing)} tensors differ, the first is '{differing[0]}'); give weights of "
            f"the same method and settings."
        )
    network.load_state_dict(dict(state))


def as_settings(settings: Any) -> dict[str, Any]:
    """Return a dataclass as plain values, tuples as lists, as they come back from a file."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}
