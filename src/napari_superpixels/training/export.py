"""From a checkpoint to weights that methods load: safetensors in half precision, with a card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_superpixels.errors import InputError, OutputError, TrainingError
from napari_superpixels.models import weights
from napari_superpixels.models.safetensors import SUFFIX
from napari_superpixels.training.checkpoint import BEST, LAST, Checkpoint, load_network
from napari_superpixels.training.recipe import Recipe
from napari_superpixels.training.start import start_of


def half(state: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """Return the tensors of a network as arrays, floating ones in float16.

    Parameters
    ----------
    state
        Of the network.

    Raises
    ------
    TrainingError
        If a number is not finite there.
    """
    return {name: _half(name, tensor.detach().cpu().numpy()) for name, tensor in state.items()}


def _half(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind != "f":
        return array
    with np.errstate(over="ignore", invalid="ignore"):  # looked at right here
        small = array.astype(np.float16)
    if not np.isfinite(small).all():
        raise TrainingError(
            f"The layer '{name}' has numbers beyond the {np.finfo(np.float16).max:g} of half "
            f"precision, so no weights are written; train again with a smaller learning rate."
        )
    return small


def export(recipe: Recipe, folder: Path, path: Path | None = None, **card: Any) -> Path:
    """Write the weights of a training's best checkpoint, or its last where none was validated.

    Parameters
    ----------
    recipe
        What was trained.
    folder
        The training's folder.
    path
        The ``.safetensors`` file to write; by default the method's name in that folder.
    **card
        What else the card says, such as data and licence.

    Returns
    -------
    Path
        The file; its card lies beside it.

    Raises
    ------
    SourceError
        If there is no checkpoint, or it is broken.
    InputError
        If the checkpoint is of another network or recipe.
    TrainingError
        If the weights are no finite numbers in half precision.
    OutputError
        If the file cannot be written.
    """
    source = folder / (BEST if (folder / BEST).exists() else LAST)
    checkpoint = Checkpoint.load(source)
    network = recipe.network()
    load_network(network, checkpoint.network, str(source))
    _check_recipe(checkpoint, recipe, source)
    config = recipe.described(network)
    target = path or folder / f"{recipe.method}{SUFFIX}"
    known = {
        "recipe": recipe.name,
        "repeats": recipe.table,
        "steps": checkpoint.step,
        "settings": checkpoint.settings,
        "validation": checkpoint.scores,
        "seed": checkpoint.settings.get("seed"),
        "start": start_of(recipe),
    }
    try:
        weights.save(
            target, recipe.file_network, config, half(network.state_dict()), **known | card
        )
    except OSError as error:
        raise OutputError(
            f"The weights cannot be written to '{target}' ({error.strerror}); look whether the "
            f"disk has room."
        ) from error
    return target


def _check_recipe(checkpoint: Checkpoint, recipe: Recipe, source: Path) -> None:
    trained = checkpoint.settings.get("recipe", recipe.name)
    if trained != recipe.name:
        raise InputError(
            f"'{source}' is a checkpoint of the recipe {trained!r}, not of {recipe.name!r}; give "
            f"the recipe that it was trained with."
        )
