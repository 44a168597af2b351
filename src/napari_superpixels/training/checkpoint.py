"""Checkpoints: written whole or not at all, read without running anything that they hold."""

import io
import os
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from napari_superpixels.errors import InputError, OutputError, SourceError, reason_of

LAST = "last.pt"
"""The newest checkpoint of a training folder."""
BEST = "best.pt"
"""The one with the best validation."""
FORMAT = "napari-superpixels training 1"
DIGEST = 32
"""Bytes of the SHA-256 that ends a checkpoint: torch itself sees no altered byte."""


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
    improved: int = 0
    """The step of it."""

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
        buffer = io.BytesIO()
        torch.save({"format": FORMAT} | _plain(self), buffer)
        content = buffer.getvalue()
        _replace(path, content + sha256(content).digest(), f"The checkpoint of step {self.step}")

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
        content = _read(path)
        whole = sha256(content[:-DIGEST]).digest() == content[-DIGEST:]
        values = _tensors(content[:-DIGEST] if whole else content, path)
        if not whole or not isinstance(values, dict) or values.pop("format", None) != FORMAT:
            raise SourceError(
                f"'{path}' is no checkpoint of this training, or was altered; give a folder that "
                f"'napari-superpixels train' wrote, or a good copy."
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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"There is no '{path}' that can be read ({error.strerror}); look at the name."
        ) from None


def _tensors(content: bytes, path: Path) -> Any:
    """Return what `torch.save` wrote, refusing anything that would run code."""
    try:
        with warnings.catch_warnings():  # of pickles that are refused a moment later
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise SourceError(
            f"'{path}' is a pickle that holds more than tensors and plain values, which could run "
            f"code, and is not opened; give what 'napari-superpixels train' wrote."
        ) from None
    except Exception as error:  # noqa: BLE001 - broken bytes end its reader in every way there is
        reason = reason_of(error)[:120]
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
