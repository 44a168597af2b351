"""Small networks as others would bring them, with cards."""

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import torch
from torch import Tensor, nn

CLASSES = [
    {"id": 1, "name": "background", "colour": "#0072b2"},
    {"id": 2, "name": "nucleus", "colour": "#e69f00"},
    {"id": 3, "name": "membrane", "colour": "#009e73"},
]
"""What cards tell where a test asks for nothing else."""
NAMES = tuple(str(each["name"]) for each in CLASSES)
SIZE = {"min": 64, "step": 4}
"""Sides that packages tell."""
FIXED = {"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": 127.5, "std": 63.75}}
"""What packages do first; of samples of 0 to 255 what cards do of 0 to 1."""

FLOATS = {"type": "float32"}
"""What packages tell of their samples, mostly."""


class SmallUNet(nn.Module):
    """A U-Net of two levels; its stride is 4.

    Parameters
    ----------
    channels, scores
        It takes and gives.
    aligned
        Whether it enlarges from corner to corner, so that values depend on the size of the image.
    pooled
        Whether it adds the mean of all that it sees.
    """

    def __init__(
        self, channels: int = 3, scores: int = 3, *, aligned: bool = False, pooled: bool = False
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.third = nn.Conv2d(8, 8, 3, padding=1)
        self.shrink = nn.MaxPool2d(2)
        self.grow = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=aligned)
        self.joined = nn.Conv2d(16, 8, 3, padding=1)
        self.last = nn.Conv2d(16, scores, 1)
        self.pooled = pooled

    def forward(self, image: Tensor) -> Tensor:
        """Return logits."""
        fine = torch.relu(self.first(image))
        middle = torch.relu(self.second(self.shrink(fine)))
        coarse = torch.relu(self.third(self.shrink(middle)))
        if self.pooled:
            coarse = coarse + coarse.mean(dim=(2, 3), keepdim=True)
        middle = torch.relu(self.joined(torch.cat([middle, self.grow(coarse)], dim=1)))
        logits: Tensor = self.last(torch.cat([fine, self.grow(middle)], dim=1))
        return logits


def unet(**options: Any) -> SmallUNet:
    """Return a network whose numbers are always the same, and that finds every class in noise."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        made = SmallUNet(**options).eval()
    with torch.no_grad():
        image = torch.rand(1, made.first.in_channels, 96, 96, generator=_generator())
        logits = made(image)
        spread = logits.std(dim=(0, 2, 3))
        made.last.weight.div_(spread[:, None, None, None])
        assert made.last.bias is not None, "made with one"
        made.last.bias.sub_(logits.mean(dim=(0, 2, 3))).div_(spread)
    return made


def write_pt2(
    path: Path, network: nn.Module, channels: int = 3, edge: int = 0, **card: Any
) -> Path:
    """Export a network with its card; return the file.

    Parameters
    ----------
    path, network, channels
        Where to; what, and the channels of its image.
    edge
        Side of the only image that it shall take; 0 for any multiple of 4.
    **card
        What its card tells otherwise; None takes a key out.
    """
    sides = {2: 4 * torch.export.Dim("rows"), 3: 4 * torch.export.Dim("columns")}
    example = torch.zeros(1, channels, edge or 64, edge or 64)
    shapes = None if edge else (sides,)
    torch.export.save(torch.export.export(network, (example,), dynamic_shapes=shapes), path)
    write_card(path, channels, **card)
    return path


def write_script(path: Path, network: nn.Module, channels: int = 3, **card: Any) -> Path:
    """Write a network as TorchScript, with its card; return the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted: Any = torch.jit.script(network)
        scripted.save(path)
    write_card(path, channels, **card)
    return path


def write_card(path: Path, channels: int, **changes: Any) -> None:
    """Write the card of a file."""
    card = {
        "channels": channels,
        "normalisation": {"mean": [0.5] * channels, "std": [0.25] * channels},
        "output": "classes",
        "classes": CLASSES,
        "stride": 4,
        "halo": "measure",
    } | changes
    told = {key: value for key, value in card.items() if value is not None}
    path.with_name(f"{path.name}.card.json").write_text(json.dumps(told))


def write_package(
    folder: Path,
    *,
    size: Any = SIZE,
    before: Sequence[Mapping[str, Any]] = (FIXED,),
    data: Mapping[str, Any] = FLOATS,
    network: nn.Module | None = None,
    names: Sequence[str] = NAMES,
    after: Sequence[Mapping[str, Any]] = (),
    **changes: Any,
) -> Path:
    """Write a package of BioImage.IO of a small network; return the file.

    Parameters
    ----------
    folder
        Where to.
    size, before, data
        Sides that it takes, what is done first, and of what samples it is told to be.
    network, names, after
        What computes, the channels that it gives, and what is done with them.
    **changes
        Fields of its description to have otherwise.
    """
    content = write_script(folder / "weights.pt", network or unet()).read_bytes()
    source = {"source": "weights.pt", "pytorch_version": "2.11.0"}
    source["sha256"] = hashlib.sha256(content).hexdigest()
    described = {
        "format_version": "0.5.4",
        "type": "model",
        "name": "Small network",
        "description": "of a test",
        "authors": [{"name": "Nobody Known"}],
        "license": "MIT",
        "cite": [{"text": "none", "url": "https://example.com"}],
        "documentation": "README.md",
        "timestamp": "2025-01-01T00:00:00",
        "inputs": [
            _described("raw", ["r", "g", "b"], lambda _: {"size": size})
            | {"preprocessing": list(before), "data": data}
        ],
        "outputs": [
            _described(
                "out",
                list(names),
                lambda axis: {"size": {"tensor_id": "raw", "axis_id": axis}, "halo": 20},
            )
            | {"postprocessing": list(after)}
        ],
        "weights": {"torchscript": source},
    } | changes
    array = BytesIO()
    np.save(array, np.zeros((1, 3, 64, 64), np.float32))
    path = folder / "package.zip"
    with ZipFile(path, "w") as archive:
        archive.writestr("rdf.yaml", json.dumps(described))  # JSON is YAML
        archive.writestr("README.md", "# Small network\n\nOf a test.\n\n## Validation\n\nnone\n")
        archive.writestr("weights.pt", content)
        archive.writestr("t.npy", array.getvalue())
    return path


def _described(
    name: str, channels: list[str], sides: Callable[[str], Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what a package tells of its input or output."""
    axes: list[Any] = [{"type": "batch"}, {"type": "channel", "channel_names": channels}]
    axes += [{"type": "space", "id": axis, **sides(axis)} for axis in "yx"]
    return {"id": name, "axes": axes, "test_tensor": {"source": "t.npy"}}


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """Write an archive again with every member changed, or left out; return it."""
    with ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with ZipFile(path, "w") as archive:
        for name, content in members.items():
            changed = change(name, content)
            if changed is not None:
                archive.writestr(name, changed)
    return path


def bomb(name: str, size: int) -> bytes:
    """Return an archive of one member, of zeros, that unpacks to a thousand times its size."""
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(size))
    return packed.getvalue()


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
