"""Names of methods, resolved when asked for."""

import json
from contextlib import suppress
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from napari_superpixels.errors import InputError
from napari_superpixels.models import foreign
from napari_superpixels.models.protocol import Method
from napari_superpixels.models.safetensors import SUFFIX
from napari_superpixels.models.settings import settings_of
from napari_superpixels.models.weights import (
    card_of,
    is_shipped,
    licence_of,
    methods_of,
    path_of,
    read_card,
)

METHODS = {
    "ainet": "napari_superpixels.models.grid_network:Ainet",
    "hcnet": "napari_superpixels.models.hcnet:Hcnet",
    "hcssn": "napari_superpixels.models.ssn:Hcssn",
    "pcnet": "napari_superpixels.models.grid_network:Pcnet",
    "scn": "napari_superpixels.models.grid_network:Scn",
    "slic": "napari_superpixels.models.slic:Slic",
    "ssn": "napari_superpixels.models.ssn:Ssn",
    "ssn_pix": "napari_superpixels.models.ssn_pix:SsnPix",
}
"""Where the settings class of each superpixel method lives."""
DENSE = {"segment": "napari_superpixels.models.segment:Segment"}
"""The same of what gives every pixel a class or a number."""


def method_class(name: str) -> type[Any]:
    """Return the settings class of a method.

    Raises
    ------
    InputError
        If no method has that name.
    """
    every = METHODS | DENSE
    if name not in every:
        raise InputError(f"There is no method {name!r}; choose one of {', '.join(sorted(every))}.")
    module, _, attribute = every[name].partition(":")
    return cast("type[Any]", getattr(import_module(module), attribute))


def is_learned(name: str) -> bool:
    """Whether a method is a network with weights.

    Raises
    ------
    InputError
        If no method has that name.
    """
    return any(field.name == "weights" for field in fields(method_class(name)))


def needs_weights(name: str) -> bool:
    """Whether a method is learned, and no weights of it come with the package.

    Raises
    ------
    InputError
        If no method has that name.
    """
    return is_learned(name) and not is_shipped(name)


def network_of(name: str) -> str:
    """Return what cards call the network that a method's weights are for.

    Raises
    ------
    InputError
        If no method has that name.
    """
    return str(getattr(method_class(name), "network", name))


def weights_licence(method: Method) -> str:
    """Return the licence of a method's weights; empty for none, and where their card names none.

    Raises
    ------
    InputError
        If the weights are not there any more.
    """
    weights = getattr(method, "weights", None)
    if weights and foreign.is_foreign(weights):
        return str(json.loads(getattr(method, "config")).get("licence", ""))  # noqa: B009
    return licence_of(weights, method.name) if weights else ""


def weights_files(method: Method) -> dict[str, bytes]:
    """Return the files of a method's weights, the numbers first; none where all have them.

    Raises
    ------
    InputError
        If the weights are not there any more.
    """
    weights = getattr(method, "weights", "")
    if not weights or is_shipped(weights):
        return {}
    if foreign.is_foreign(weights):
        return {file.name: file.read_bytes() for file in foreign.files_of(Path(weights))}
    path = path_of(weights, method.name)
    return {file.name: file.read_bytes() for file in (path, card_of(path))}


def make_method(name: str, settings: dict[str, Any]) -> Method:
    """Make the settings of a method from its name and parameters.

    Raises
    ------
    InputError
        If the name or a parameter is unknown, or a value is not allowed.
    """
    made_by = method_class(name)
    known = {field.name for field in fields(made_by)}
    for key in settings.keys() - known:
        if key == "weights":
            raise InputError(_of_a_learned_method(name, str(settings[key])))
        names = ", ".join(one.name for one in settings_of(made_by))
        raise InputError(f"{name} has no parameter {key!r}; its parameters are {names}.")
    return cast("Method", made_by(**settings))


def _of_a_learned_method(name: str, weights: str) -> str:
    """Return what to say where weights are given to a method that takes none."""
    method = "the learned method that they are for"
    if foreign.is_foreign(weights):
        method = "'segment', which takes networks of others"
    elif weights.endswith(SUFFIX):
        with suppress(InputError):
            method = f"{methods_of(read_card(Path(weights))['network'])}, which they are for"
    return f"{name} takes no weights, but '{weights}' are given; choose {method}."
