"""Recipes for images of other than one or three channels."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import nn

from napari_superpixels.errors import InputError
from napari_superpixels.training.recipe import Recipe


def for_channels(recipe: Recipe, channels: int) -> Recipe:
    """Return a recipe whose network takes images of so many channels.

    Where it begins with other weights, layers that do not depend on channels still come from them.

    Parameters
    ----------
    recipe
        What is trained and how.
    channels
        As `TrainingSet.channels` has it.

    Raises
    ------
    InputError
        If its network takes colours alone.
    """
    if channels == recipe.channels:
        return recipe
    if not recipe.any_channels:
        raise InputError(
            f"The images have {channels} channels, but {recipe.name} sees colours and learns from "
            f"1 or {recipe.channels}; train scn, ainet or pcnet with them, or save images of "
            f"{recipe.channels} channels."
        )
    network: Callable[..., nn.Module] = recipe.network
    return replace(recipe, network=partial(network, channels=channels), channels=channels)
