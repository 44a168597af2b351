"""Networks by name: what a file of weights says it holds."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import nn

NETWORKS = {
    "ainet": "napari_superpixels.networks.ainet:Ainet",
    "hcssn": "napari_superpixels.networks.hcssn:Hcssn",
    "ordinal": "napari_superpixels.networks.ordinal:OrdinalNetwork",
    "pcnet": "napari_superpixels.networks.pcnet:Pcnet",
    "scn": "napari_superpixels.networks.scn:Scn",
    "segmentation": "napari_superpixels.networks.segmentation:SegmentationNetwork",
    "ssn": "napari_superpixels.networks.ssn:Ssn",
}
"""Where each network's class lives."""


def make_network(name: str, **config: Any) -> nn.Module:
    """Make a network with new weights.

    Parameters
    ----------
    name
        One of `NETWORKS`.
    **config
        Parameters of its class, as a network's ``config`` holds them.
    """
    module, _, attribute = NETWORKS[name].partition(":")
    made: nn.Module = getattr(import_module(module), attribute)(**config)
    return made


def network_of_card(name: str, config: Mapping[str, Any]) -> nn.Module:
    """Make a network with new weights as a card of weights describes it.

    Parameters
    ----------
    name, config
        What the card calls network and config. For ``"segmentation"`` that tells more than the
        parameters of a class: see `models.trained`.
    """
    if name != "segmentation":
        return make_network(name, **config)
    layers = {"head": config["head"], **config["backbone"]}
    if "discretisation" in config:
        return make_network("ordinal", **layers, **config["discretisation"])
    return make_network(name, **layers, classes=len(config.get("classes", ())) or 1)
