"""Files that are no networks to segment with, and the sentence that each of them deserves."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_superpixels.models import weights
from napari_superpixels.models.safetensors import unpack
from napari_superpixels.testing.foreign import (
    CLASSES,
    rewritten,
    unet,
    write_card,
    write_pt2,
    write_script,
)
from napari_superpixels.testing.weights import write_random_segmentation, write_random_weights


@dataclass(frozen=True, slots=True)
class Bad:
    """One of them."""

    write: Callable[[Path], Path]
    """Writes it, and all beside it, into a folder; returns the file."""
    sentence: str
    """A pattern of what is said."""


class Harmful:
    """What leaves a file behind when it is unpickled."""

    def __reduce__(self) -> Any:
        """Tell pickle what to call."""
        return (open, ("unpickled", "w"))


class Saving(nn.Module):
    """A network that writes a file when it is called."""

    def forward(self, image: Tensor) -> Tensor:
        """Do so."""
        torch.save([image], "written")
        return image


def told(**card: Any) -> Callable[[Path], Path]:
    """Write a good network whose card tells something else."""
    return lambda folder: write_script(folder / "unet.pt", unet(), **card)


def _without_card(folder: Path) -> Path:
    path = told()(folder)
    path.with_name(f"{path.name}.card.json").unlink()
    return path


def _card_of(text: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = told()(folder)
        path.with_name(f"{path.name}.card.json").write_text(text)
        return path

    return write


def _pickled(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(pickle.dumps(Harmful()))
        write_card(path, 3)
        return path

    return write


def _pickled_weights(folder: Path) -> Path:
    path = write_random_segmentation(folder)
    path.write_bytes(pickle.dumps(Harmful()))
    return path


def _empty_program(folder: Path) -> Path:
    path = write_pt2(folder / "unet.pt2", unet())
    return rewritten(path, lambda name, old: None if name.endswith("model.json") else old)


def _other_layers(folder: Path) -> Path:
    """Write the numbers of one network under the card of another."""
    path = write_random_segmentation(folder, "FPN")
    config = weights.read_card(path)["config"]
    arrays, _ = unpack(path.read_bytes())
    weights.save(path, "segmentation", config | {"classes": CLASSES[:2]}, arrays)
    return path


def _cut(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        make = write_pt2 if name.endswith("2") else write_script
        path = make(folder / name, unet())
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return path

    return write


def _oblong(folder: Path) -> Path:
    path = folder / "unet.pt2"
    program = torch.export.export(unet(), (torch.zeros(1, 3, 64, 96),))
    torch.export.save(program, path)
    write_card(path, 3)
    return path


BAD = {
    "no such file": Bad(
        lambda folder: folder / "none.pt2", "no network '.*none.pt2'; check the na"
    ),
    "no such .pt": Bad(lambda folder: folder / "none.pt", "no network '.*none.pt'; check the name"),
    "no such .pkl": Bad(lambda folder: folder / "a.pkl", "no weights '.*a.pkl'; check the name of"),
    "no card": Bad(_without_card, r"has no card unet\.pt\.card\.json beside it; write one"),
    "no JSON": Bad(
        _card_of('{\n  "channels": 3,\n  "st'), r"is not valid JSON \(line 3, column 3: "
    ),
    "a list": Bad(
        _card_of("[1]"), r"holds \[1\], but .* the keys channels, output, .*; write it so"
    ),
    "nothing told": Bad(_card_of("{}"), "lacks channels, output, stride and halo; add channels"),
    "no classes": Bad(
        told(classes=None), "unet.pt.card.json' lacks classes; add classes: its keys"
    ),
    "unknown key": Bad(
        told(halos=3),
        "tells halos, which nothing reads; remove halos: its keys are channels, output, stride, ",
    ),
    "a misspelt key": Bad(
        told(halo=None, halos=3), "lacks halo and tells halos, .*; remove halos and add halo: its"
    ),
    "a text for a number": Bad(
        told(stride="4"), 'tells stride as "4", but it must be a whole number of pixels, 1 to 256'
    ),
    "a yes for a number": Bad(told(stride=True), "tells stride as true, but it must be a whole"),
    "a number for a text": Bad(told(name=3), "tells name as 3, but it must be a text; repair it"),
    "a number for classes": Bad(told(classes=3), "tells classes as 3, but it must be a list"),
    "names for classes": Bad(
        told(classes=["a", "b", "c"]), 'tells class 1 as "a", but it must be an object with id'
    ),
    "classes of a map": Bad(
        told(output="map"), "tells classes as .* must be left out where output is"
    ),
    "normalisation": Bad(
        told(normalisation=0.5), "tells normalisation as 0.5, but it must be an object with mean"
    ),
    "too few means": Bad(
        told(normalisation={"mean": [0.5], "std": [0.5] * 3}),
        r"the mean of normalisation as \[0.5\], but it must be a list of one number for each of",
    ),
    "a colour": Bad(
        told(classes=[*CLASSES[:2], {"id": 3, "name": "c", "colour": "red"}], halo=20),
        'tells the colour of class 3 as "red", but it must be a text such as #0072b2; repair it',
    ),
    "channels": Bad(told(channels=4), "fails on an image of 4 channels .*; check channels"),
    "classes": Bad(
        told(classes=CLASSES[:2]), "gives 3 channels, but its card tells 2 classes; list"
    ),
    "oblong": Bad(_oblong, "takes 64 x 96 pixels, but the sides must be equal.*; export it so"),
    "no core": Bad(
        lambda folder: write_pt2(folder / "unet.pt2", unet(), edge=32),
        "takes 32 x 32 pixels and needs a halo of .* leaves no core; export it for larger",
    ),
    "two shapes": Bad(
        lambda folder: write_pt2(folder / "unet.pt2", unet(), edge=96, shape=64),
        "tells the shape 64 x 64, but the network takes 96 x 96; leave it out",
    ),
    "pickle": Bad(
        _pickled("unet.pt"), r"a pickle, .*; export that network with torch.export \(.pt2\) or as T"
    ),
    "pickle as .pt2": Bad(_pickled("unet.pt2"), "is a pickle, which may run any code; save"),
    "pickle as .safetensors": Bad(_pickled_weights, "are a pickle in truth, .*; give a .safe"),
    "writes files": Bad(
        lambda folder: write_script(folder / "unet.pt", Saving()),
        "names 'save', which may touch files or other machines; rename it",
    ),
    "no model": Bad(_empty_program, "it has no models/model.json.*; save one"),
    "cut .pt2": Bad(_cut("unet.pt2"), "is no program of torch.export .*; save one"),
    "cut .pt": Bad(_cut("unet.pt"), "a pickle, which may run any code; export"),
    "another network": Bad(
        lambda folder: write_random_weights(folder, "scn"),
        "are for 'scn', not for 'segment' or 'hcnet'; give weights",
    ),
    "other layers": Bad(_other_layers, "do not fit segmentation with .*; give a file"),
}
"""By what is wrong."""
