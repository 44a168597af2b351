"""Random weights, to test what must hold for any."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from napari_superpixels.models import weights
from napari_superpixels.networks.build import make_network, network_of_card
from napari_superpixels.networks.segmentation import PUBLISHED, SegmentationNetwork


def lively(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give a network random weights and statistics under which values neither die nor explode."""
    rng = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5, generator=rng)
        elif value.dim() == 1 and value.is_floating_point():
            spread = torch.empty_like(value).uniform_(-0.2, 0.2, generator=rng)
            value.copy_(spread + float(name.endswith("weight")))
        elif value.dim() > 1:
            fan = value[0].numel()
            value.normal_(0.0, (2 / fan) ** 0.5, generator=rng)
    return network.eval()


def write_random_weights(folder: Path, name: str, seed: int = 0, **config: Any) -> Path:
    """Write random weights of a network with a card; return the file."""
    network = lively(make_network(name, **config), seed)
    path = folder / f"{name}-{seed}.safetensors"
    arrays = {key: value.numpy() for key, value in network.state_dict().items()}
    weights.save(path, name, config, arrays, data="none, random")
    return path


def write_random_segmentation(
    folder: Path, name: str = "HCFCN-32", seed: int = 0, **changes: Any
) -> Path:
    """Write random weights of a published segmentation network with its card; return the file.

    Parameters
    ----------
    folder, seed
        Where to, and which weights.
    name
        One of `networks.segmentation.PUBLISHED`.
    **changes
        Fields of the card's block to have otherwise; of ``backbone``, those given.
    """
    settings = dict(PUBLISHED[name])
    channels = changes.get("channels", 3)
    classes = [{"id": i, "name": f"class {i}", "colour": f"#{i:02x}8040"} for i in range(1, 4)]
    block = {
        "network": "segmentation",
        "name": name,
        "head": settings.pop("head"),
        "backbone": settings | {"channels": channels} | changes.pop("backbone", {}),
        "channels": channels,
        "output": "classes",
        "classes": classes,
        "normalisation": {"mean": [0.5] * channels, "std": [0.25] * channels},
    } | changes
    network = lively(network_of_card("segmentation", block), seed)
    assert isinstance(network, SegmentationNetwork), "no other has that name"
    _even_out(network)
    path = folder / f"{name}-{seed}.safetensors"
    arrays = {key: value.numpy() for key, value in network.state_dict().items()}
    weights.save(path, "segmentation", block, arrays, data="none, random")
    return path


def _even_out(network: SegmentationNetwork) -> None:
    """Have the network find all classes in noise, and none of them for certain."""
    noise = torch.rand(2, network.channels, 96, 96, generator=torch.Generator().manual_seed(0))
    layer = network.classifier
    with torch.no_grad():
        logits = network(4 * noise - 2)
        spread = logits.std(dim=(0, 2, 3))
        layer.weight.div_(spread[:, None, None, None])
        assert layer.bias is not None, "made with one"
        layer.bias.sub_(logits.mean(dim=(0, 2, 3))).div_(spread)
