"""What the card of a segmentation or regression network says: layers, classes, samples, output.

Its ``config`` is one block of JSON, which the file of weights repeats::

    {"network": "segmentation", "name": "hcfcn", "head": "fcn", "backbone": {...}, "channels": 3,
     "output": "classes", "classes": [{"id": 1, "name": "nucleus", "colour": "#0072b2"}, ...],
     "normalisation": {"mean": [...], "std": [...]}}

For numbers ``output`` is ``"map"``, with a ``unit``; ``discretisation`` then says how an ordinal
network cuts them, without which the network's only channel is the number.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from math import isfinite
from typing import Any, Protocol

from napari_superpixels.errors import InputError
from napari_superpixels.models import foreign, learned
from napari_superpixels.models.dense_outputs import Classes, Map, Probabilities
from napari_superpixels.models.outputs import COLOUR, MOST_CLASSES, ClassInfo, Output
from napari_superpixels.models.protocol import ImageFacts
from napari_superpixels.models.safetensors import SUFFIX
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.models.weights import Weights, find

NETWORK = "segmentation"
"""What such cards call their network."""
RECIPE = "hcfcn"
"""What those who have no weights are told to train."""
BESIDE = 1.5
"""Memory that a network takes, for what its tensors alone take."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the layers of a network decide."""

    align_px: int
    """Windows start at a multiple of so many pixels, and have such sides."""
    halo_px: int
    """Pixels around an aligned window on which its values depend; whole steps of `align_px`."""
    exact: bool
    """Whether that is all they depend on."""
    pixel_bytes: float
    """Memory of the network for a pixel that it sees, with what its operations need beside."""
    edge_px: int = 0
    """Side of the only image that it takes; 0 where it takes any."""
    clusters: bool = False
    """Whether predictions come back to full resolution by clusters."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A network that was trained, as its card tells."""

    text: str
    """The block, as JSON with sorted keys."""
    channels: int
    """Channels of the image."""
    classes: tuple[ClassInfo, ...]
    """In the order of the network's channels; none where it gives numbers."""
    mean: tuple[float, ...]
    """What is subtracted from samples of 0 to 1, one number a channel."""
    std: tuple[float, ...]
    """What the rest is divided by."""
    name: str
    unit: str
    """Of numbers."""
    span: tuple[float, float] | None = None
    """The lowest and the highest number that it can say; None where it is not known."""

    @property
    def scores(self) -> int:
        """Numbers a pixel that are averaged and reduced: one a class, or the only one."""
        return len(self.classes) or 1

    @property
    def facts(self) -> Facts:
        """What its layers decide; imports torch."""
        return facts_of(self.text)

    def output(self, *, probabilities: bool) -> Output:
        """Return what is written.

        Raises
        ------
        InputError
            If probabilities are asked of a network that gives numbers.
        """
        if not self.classes and probabilities:
            raise InputError(
                f"The network {self.name!r} gives numbers, not classes, so there are no "
                f"probabilities; leave them out."
            )
        if not self.classes:
            return Map(self.name, self.unit, self.span)
        return Probabilities(self.classes) if probabilities else Classes(self.classes)


class Settings(Protocol):
    """What settings of methods that take such weights have in common."""

    @property
    def name(self) -> str: ...
    @property
    def weights(self) -> str: ...


def found_weights(weights: Any, method: str, suffixes: tuple[str, ...] = (SUFFIX,)) -> Weights:
    """Return the weights of ours that a setting names; their card is read.

    Parameters
    ----------
    weights
        A file, or the name of weights.
    method
        Who takes them, for errors.
    suffixes
        Endings of the files that it takes, for errors too.

    Raises
    ------
    InputError
        If there are none, or they are for another network.
    """
    if not isinstance(weights, str) or not weights:
        given = "No weights are given" if weights == "" else f"The weights are {weights!r}"
        *others, last = suffixes
        files = f"{', '.join(others)} or {last}" if others else last
        raise InputError(
            f"{given}, and none come with {method}; give a {files} file, e.g. "
            f"weights='nuclei{SUFFIX}' (--weights nuclei{SUFFIX}), or the name of weights of yours."
        )
    return find(weights, NETWORK, recipe=RECIPE)


def samples_of(
    trained: Trained, settings: Settings, facts: ImageFacts, statistics: Statistics | None
) -> learned.Samples:
    """Return how an image's samples become what a network takes, channel by channel.

    Raises
    ------
    InputError
        If they are no real numbers, or there are other channels.
    """
    if facts.channels not in (1, trained.channels):
        raise InputError(
            f"The image has {facts.channels} channels, but the weights '{settings.weights}' take "
            f"{trained.channels}, or one that stands for all; choose channels of the image."
        )
    return learned.Samples.of(settings.name, facts, statistics, trained.channels)


@lru_cache(maxsize=64)
def trained_of(text: str, where: str) -> Trained:
    """Return what the block of a card says.

    Parameters
    ----------
    text
        The block, as JSON.
    where
        Whose it is, for errors.

    Raises
    ------
    InputError
        If something is missing, or is none of what it can be.
    """
    block = json.loads(text)
    try:
        classes = _classes(block, where)
        channels = int(block["channels"])
        mean, std = (tuple(map(float, block["normalisation"][each])) for each in ("mean", "std"))
        if not len(mean) == len(std) == channels or not all(map(isfinite, mean + std)):
            raise ValueError(
                f"mean {_numbers(mean)}, std {_numbers(std)}, which is not one number for each of "
                f"{channels} channels"
            )
        if not all(std):
            raise ValueError("spreads that are not 0")
        span = _span(block)
        if block["network"] == NETWORK:
            _check_layers(block)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        ours = block["network"] == NETWORK
        repair = "train and export them with this version" if ours else "repair their card"
        raise InputError(
            f"The card of the weights '{where}' does not tell {'head, backbone, ' * ours}channels, "
            f"normalisation, and classes or a map ({_reason(error)}); {repair}."
        ) from None
    name = str(block.get("name") or block["head"])
    unit = str(block.get("unit") or "")
    return Trained(text, channels, classes, mean, std, name, unit, span)


def _check_layers(block: Mapping[str, Any]) -> None:
    if not isinstance(block["head"], str):
        raise ValueError("a head")
    dict(block["backbone"])


def _span(block: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return between which numbers an ordinal network decides; None of others."""
    cut = block.get("discretisation", {})
    told = {"lowest", "highest"} <= cut.keys()
    return (float(cut["lowest"]), float(cut["highest"])) if told else None


def _classes(block: Mapping[str, Any], where: str) -> tuple[ClassInfo, ...]:
    """Return the classes; none of a map."""
    if block["output"] == "map":
        return ()
    if block["output"] != "classes":
        raise ValueError(f"output {block['output']!r}")
    listed = block["classes"]
    if not 1 <= len(listed) <= MOST_CLASSES:
        raise InputError(
            f"The weights '{where}' tell {len(listed)} classes apart, but ids of classes have 16 "
            f"bits; give weights of 1 to {MOST_CLASSES} classes."
        )
    classes = tuple(ClassInfo(int(c["id"]), str(c["name"]), str(c["colour"])) for c in listed)
    ids = {one.id for one in classes}
    if len(ids) < len(classes) or not 1 <= min(ids) <= max(ids) <= MOST_CLASSES:
        raise InputError(
            f"The card of the weights '{where}' numbers its classes {_listed(classes)}, but each "
            f"needs a number of its own from 1 to {MOST_CLASSES}; repair the training."
        )
    wrong = [one for one in classes if not COLOUR.fullmatch(one.colour)]
    if wrong:
        raise ValueError(f"the colour {wrong[0].colour!r}")
    return classes


def _numbers(values: tuple[float, ...]) -> str:
    return f"[{', '.join(f'{value:.4g}' for value in values)}]"


def _listed(classes: tuple[ClassInfo, ...]) -> str:
    some = ", ".join(str(one.id) for one in classes[:8])
    return some + ", ..." * (len(classes) > 8)


def _reason(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)


@lru_cache(maxsize=64)
def facts_of(text: str) -> Facts:
    """Return what the layers of a block's network decide; no numbers are made for it.

    Raises
    ------
    InputError
        If there is no such network.
    """
    block = json.loads(text)
    if block["network"] == foreign.NETWORK:
        exact, pixel_bytes = block["halo"] is not None, BESIDE * block["pixel_bytes"]
        return Facts(block["align"], block["halo"] or 0, exact, pixel_bytes, block["edge"])
    from napari_superpixels.networks.build import network_of_card
    from napari_superpixels.networks.footprint import bytes_per_pixel, without_numbers
    from napari_superpixels.networks.segmentation import SegmentationNetwork

    make = partial(network_of_card, NETWORK, block)
    network = without_numbers(make)
    assert isinstance(network, SegmentationNetwork), "no other has that name"
    pixel_bytes = BESIDE * bytes_per_pixel(make, network.channels)
    return Facts(
        network.align_px,
        network.halo_px,
        network.exact,
        pixel_bytes,
        clusters=bool(network.backbone.clustered),
    )
