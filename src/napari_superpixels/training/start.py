"""Beginning with weights that were trained before, instead of new ones.

Networks of one family name their common layers alike: HCSSN has those of SSN, AINet and PCNet have
SCN's encoder and decoder. So a network may begin with another one's layers, and have new weights in
the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_superpixels.errors import InputError
from napari_superpixels.models.registry import METHODS
from napari_superpixels.models.safetensors import SUFFIX
from napari_superpixels.models.trained import NETWORK
from napari_superpixels.models.weights import Weights, find, read_card
from napari_superpixels.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Started:
    """Makes a network that begins with the layers of some weights."""

    make: Callable[..., nn.Module]
    """Makes it with new weights."""
    weights: Weights
    """Where the layers come from."""
    own: bool
    """Whether they are of a network of the same kind."""

    def __call__(self, **settings: Any) -> nn.Module:
        """Return a new network; what is given is what its class is made with besides.

        Raises
        ------
        InputError
            If the weights are broken, or have no layer of this network.
        """
        network = self.make(**settings)
        _check_config(network, self.weights)
        found = common(network, self.weights, own=self.own)
        if not found:
            raise InputError(
                f"The weights '{self.weights.path}' of {self.weights.network} share no layer with "
                f"{type(network).__name__.lower()}; give weights of the method itself, of ssn for "
                f"hcssn, or of scn for ainet and pcnet."
            )
        network.load_state_dict(found, strict=False)
        return network


IMAGENET = "imagenet"
"""Stands for torchvision's weights of the ResNet, in the place of a file."""
IMAGENET_LICENCE = "torchvision's (BSD-3-Clause), trained on ImageNet, whose terms count too"


@dataclass(frozen=True, slots=True)
class FromImageNet:
    """Makes a segmentation network whose ResNet begins with the weights of torchvision."""

    make: Callable[..., nn.Module]
    """Makes it with new weights."""

    def __call__(self, **settings: Any) -> nn.Module:
        """Return a new network; what is given is what its class is made with besides.

        Raises
        ------
        SourceError
            If the weights are neither there nor can be fetched.
        """
        from napari_superpixels.networks.resnet import load_imagenet  # loads torchvision

        network: Any = self.make(**settings)
        load_imagenet(network.backbone.trunk)
        made: nn.Module = network
        return made


GENTLER = 0.3
"""Of its rate, for a network that begins with all its layers: at the full rate a short training
forgets more than it learns (150 steps of `ssn` on an image of nuclei: ASA of others like it fell by
.0046 instead of rising by .0028)."""
OWN_LAYERS = ("head.",)
"""Layers that have a name in common, but read the features of their own network."""
FREE = ("channels", "deformable", "classes", "form", "level", "sampling", "downsampling")
"""Parameters that decide about some layers alone: those that differ in shape begin anew."""


def common(network: nn.Module, weights: Weights, *, own: bool = True) -> dict[str, Tensor]:
    """Return the layers of some weights that a network has too, by name and shape, in float32.

    Parameters
    ----------
    network
        The network.
    weights
        Of one like it, or of its family.
    own
        Whether they are of one like it, whose head reads the same features.
    """
    wanted = network.state_dict()
    return {
        name: torch.tensor(array).to(wanted[name].dtype)
        for name, array in weights.read().items()
        if name in wanted and wanted[name].shape == array.shape
        if own or not name.startswith(OWN_LAYERS)
    }


def _check_config(network: nn.Module, weights: Weights) -> None:
    """Refuse weights that mean something else in a network of the same layers."""
    wanted = getattr(network, "config", {})
    config = dict(weights.config)
    backbone = config.get("backbone")
    if isinstance(backbone, dict):  # cards of segmentation tell their backbone as a block
        config |= backbone
    for name, value in config.items():
        if name in wanted and name not in FREE and wanted[name] != value:
            raise InputError(
                f"The weights '{weights.path}' have {name} {value!r}, but this recipe's network "
                f"has {name} {wanted[name]!r}; start from weights that agree in that."
            )


def check_classes(recipe: Recipe, names: Sequence[str]) -> None:
    """Refuse weights that tell as many classes apart, but others, or in another order.

    Parameters
    ----------
    recipe
        May begin with weights.
    names
        Of the classes that it learns.

    Raises
    ------
    InputError
        With both: what the weights say of a class would be taken for another one.
    """
    make = _maker(recipe)
    if not isinstance(make, Started):
        return
    told = [str(one["name"]) for one in make.weights.config.get("classes", ())]
    if len(told) == len(names) and told != list(names):
        raise InputError(
            f"The weights '{make.weights.path}' tell the classes {', '.join(told)}, but here they "
            f"are {', '.join(names)}; name them alike and in that order, or begin with new weights."
        )


def _maker(recipe: Recipe) -> Any:
    """Return what makes the network, less what it is given."""
    make: Any = recipe.network
    while isinstance(make, partial):
        make = make.func
    return make


def start_of(recipe: Recipe) -> dict[str, str]:
    """Return what a card says of the weights that a training began with; nothing of new ones."""
    make = _maker(recipe)
    if isinstance(make, FromImageNet):
        return {"name": IMAGENET, "licence": IMAGENET_LICENCE}
    if not isinstance(make, Started):
        return {}
    weights = make.weights
    licence = read_card(Path(weights.path)).get("licence", "unknown")
    return {"name": Path(weights.path).stem, "sha256": weights.digest, "licence": str(licence)}


def starting_from(recipe: Recipe, weights: str) -> Recipe:
    """Return a recipe whose network begins with weights that were trained before.

    With weights of its own method it learns at `GENTLER` of the rate.

    Parameters
    ----------
    recipe
        What is trained and how.
    weights
        Name of weights, shipped or the user's own, or a ``.safetensors`` file with its card beside
        it, of the same method or of one that shares layers with it. ``imagenet`` for those that
        torchvision offers of a ResNet.

    Raises
    ------
    InputError
        If there are none, or the network has no ResNet.
    """
    if weights == IMAGENET:
        return _from_imagenet(recipe)
    found = find(weights, _method_of(weights, recipe))
    own = found.network == recipe.file_network
    network = Started(recipe.network, found, own)
    started = replace(recipe, network=network, start=found.digest)
    if not own:
        return started
    return replace(started, rate=recipe.rate.beginning_at(GENTLER * recipe.rate.rate))


def _from_imagenet(recipe: Recipe) -> Recipe:
    if recipe.file_network != NETWORK:
        raise InputError(
            f"The network of {recipe.name!r} has no ResNet that could begin with ImageNet's "
            f"weights; give weights of its own family, or none."
        )
    return replace(recipe, network=FromImageNet(recipe.network), start=IMAGENET)


def _method_of(weights: str, recipe: Recipe) -> str:
    """Return whose weights they are: what their card says, which `find` then checks."""
    if weights in METHODS:
        return weights
    path = Path(weights)
    known = path.suffix == SUFFIX and path.is_file()
    return str(read_card(path)["network"]) if known else recipe.file_network
