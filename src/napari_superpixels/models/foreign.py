"""Networks of others: their files, and the cards that people write beside them.

``NAME.pt2`` (torch.export) or ``NAME.pt`` (TorchScript) has ``NAME.pt2.card.json`` beside it, or
``.card.toml``. What stands there, what the file itself tells and what is measured become the block
that `models.trained` reads, so that plans hold all of it.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_superpixels.errors import InputError
from napari_superpixels.models import bioimage
from napari_superpixels.models.foreign_card import (
    MEASURE,
    WHOLE,
    card_of,
    count,
    read_card,
)
from napari_superpixels.models.weights import PICKLES, Weights, as_text
from napari_superpixels.networks.members import is_script

if TYPE_CHECKING:
    from napari_superpixels.networks.foreign import Foreign, Sides

NETWORK = "foreign"
"""What the block calls such networks."""
SUFFIXES = (".pt2", ".pt", ".pth", ".torchscript", bioimage.SUFFIX)
"""Endings of files that may be one."""
LEAST_PX = 8
"""Windows start at a multiple of the stride that is at least so large."""
CELLS = 16
"""Images of one size have so many starts along a side, at least, where their stride allows it: so
halos are not rounded up by much, and a quarter can overlap."""
PROBE_PX = 64
"""Edge of the image, at least, on which it is tried what a network gives."""


def is_foreign(weights: str) -> bool:
    """Whether a name is one of a file of others."""
    path = Path(weights)
    if path.suffix.lower() in PICKLES and path.exists() and not is_script(path):
        return False  # refused as every pickle is
    return path.suffix.lower() in SUFFIXES


def _is_package(path: Path) -> bool:
    return path.suffix.lower() == bioimage.SUFFIX


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the file of a network and its card; packages have theirs inside.

    Raises
    ------
    InputError
        If it has none.
    """
    return (path,) if _is_package(path) else (path, card_of(path))


def find(weights: str) -> Weights:
    """Return a network by its file; the network is loaded, and measured if its card says so.

    Raises
    ------
    InputError
        If it or its card cannot be used.
    """
    path = Path(weights).absolute()
    if not path.is_file():
        raise InputError(f"There is no network '{weights}'; check the name of the file.")
    card = bioimage.card_of_package(path) if _is_package(path) else read_card(card_of(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Weights(str(path), NETWORK, _described(str(path), digest, as_text(card)), digest)


@lru_cache(maxsize=16)
def _described(where: str, digest: str, card_text: str) -> str:
    """Return the block of a network, all of it told: as JSON."""
    from napari_superpixels.networks.foreign import Foreign, read

    card = json.loads(card_text)
    channels, stride = card["channels"], card["stride"]
    program, sides = read(_content(where, digest, card), where)
    edge = _edge(where, card, sides)
    scores = len(card.get("classes") or ()) or 1
    # Images of one size that are blended may lie anywhere.
    align = _align(1 if edge and card["halo"] == WHOLE else stride, edge, sides.least)
    network = Foreign(program, edge, scores, shares=card["output"] == "probabilities")
    kept = {"output": "map" if card["output"] == "map" else "classes", "network": NETWORK}
    block = card | kept | {"align": align, "edge": edge, "shares": network.shares}
    block["pixel_bytes"] = _tried(where, network, card, edge or -(-PROBE_PX // align) * align)
    block["halo"] = _halo(where, network, card, align, edge)
    block.setdefault("name", Path(where).stem)
    block.setdefault("normalisation", {"mean": [0.0] * channels, "std": [1.0] * channels})
    return as_text(block)


def _align(stride: int, edge: int, least: int) -> int:
    """Return what windows start at: whole strides, and parts of the only image that is taken."""
    if edge:
        parts = [n for n in range(stride, edge // CELLS + 1, stride) if edge % n == 0]
        return next((n for n in parts if n >= LEAST_PX), max(parts, default=stride))
    return -(-max(stride, LEAST_PX, least) // stride) * stride


def _content(where: str, digest: str, card: Mapping[str, Any]) -> bytes:
    """Return the content of a file, or of the network in a package.

    Raises
    ------
    InputError
        If it is not the one that was found.
    """
    try:
        content = Path(where).read_bytes()
    except OSError as error:
        raise InputError(
            f"The network '{where}' cannot be read ({error.strerror}); check the name."
        ) from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputError(
            f"The network '{where}' is not the one of the plan (another SHA-256, {len(content)} "
            f"bytes); give the file that was used before."
        )
    if "member" not in card:
        return content
    return bioimage.network_in(content, card["member"], where)


def _edge(where: str, card: Mapping[str, Any], sides: "Sides") -> int:
    """Return the side of the only image that a network takes, 0 where it takes any."""
    _check_sides(where, card, sides)
    told = card.get("shape", [])
    told = [told] * 2 if isinstance(told, int) else told * (1 + (len(told) == 1))
    fixed = list(sides.edges or told)
    if told and told != fixed:
        raise InputError(
            f"The card of '{where}' tells the shape {_times(told)}, but the network takes "
            f"{_times(fixed)}; leave it out of the card."
        )
    if not fixed:
        return 0
    if fixed[0] != fixed[1] or fixed[0] % card["stride"]:
        raise InputError(
            f"The network '{where}' takes {fixed[0]} x {fixed[1]} pixels, but the sides must be "
            f"equal, and multiples of its stride of {card['stride']}; export it so."
        )
    return int(fixed[0])


def _check_sides(where: str, card: Mapping[str, Any], sides: "Sides") -> None:
    """Refuse a card that tells other images than those that a program says it takes."""
    channels, stride = card["channels"], card["stride"]
    if sides.channels not in (None, channels):
        raise InputError(
            f"The network '{where}' takes {count(sides.channels, 'channel')}, but its card tells "
            f"{count(channels, 'channel')}; repair the card."
        )
    if sides.batch not in (None, 1):
        raise InputError(
            f"The network '{where}' takes {sides.batch} images at once, but one is given at a "
            f"time; export it for one."
        )
    if stride % sides.multiple:
        raise InputError(
            f"The network '{where}' takes sides that are multiples of {sides.multiple}, but its "
            f"card tells stride {stride}; tell a multiple of {sides.multiple}."
        )


def _tried(where: str, network: "Foreign", card: Mapping[str, Any], edge: int) -> float:
    """Return the memory for a pixel of an image on which a network was tried."""
    import torch

    from napari_superpixels.networks.footprint import bytes_in_use

    channels = card["channels"]
    image = torch.zeros(1, channels, edge, edge)
    with _running(where, channels):
        most, found = bytes_in_use(lambda: network(image))
    _check_given(where, card, tuple(found.shape), edge)
    return float(most) / edge**2


def _check_given(where: str, card: Mapping[str, Any], shape: tuple[int, ...], edge: int) -> None:
    """Refuse a network that gives something else than a map of the image, a channel a class."""
    if len(shape) != 4 or shape[-2:] != (edge, edge) or shape[0] != 1:
        raise InputError(
            f"The network '{where}' gives {_times(shape)} numbers of an image of {edge} x {edge} "
            f"pixels, but it must give as many pixels, (1, channels, y, x); export it so."
        )
    given, classes = shape[1], len(card.get("classes") or ())
    if classes not in (0, given):
        raise InputError(
            f"The network '{where}' gives {count(given, 'channel')}, but its card tells "
            f"{count(classes, 'class')}; list one for each channel, or two for a network of one "
            f"channel."
        )
    if not classes and given != 1:
        raise InputError(
            f"The network '{where}' gives {count(given, 'channel')}, but a map has one; "
            f"export it so, or tell output 'classes' and list them in its card."
        )


def _times(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape))


def _halo(
    where: str, network: "Foreign", card: Mapping[str, Any], align: int, edge: int
) -> int | None:
    """Return the halo, in whole steps of `align`; None where there is none."""
    from napari_superpixels.networks.measured import agrees, measured_halo

    channels, halo = card["channels"], card["halo"]
    if halo == WHOLE:
        return None
    with _running(where, channels):
        if halo == MEASURE:
            halo = measured_halo(network, channels, card["stride"], edge)
        if halo is not None and not edge and not agrees(network, channels, align, halo):
            if card["halo"] != MEASURE:
                raise InputError(
                    f"The network '{where}' says something else of a window with the halo of "
                    f"{halo} px that its card tells than of the whole; tell halo {MEASURE!r}, or "
                    f"{WHOLE!r} for a network that depends on all that it sees."
                )
            halo = None
    if halo is None and edge:
        halo = edge
    if halo is None:
        return None
    rounded: int = -(-halo // align) * align
    if edge and 2 * rounded >= edge:
        raise InputError(
            f"The network '{where}' takes {edge} x {edge} pixels and needs a halo of {rounded} px, "
            f"which leaves no core; export it for larger images, or tell halo {WHOLE!r} and give "
            f"exact=False (--no-exact) to blend what overlaps."
        )
    return rounded


@contextmanager
def _running(where: str, channels: int) -> Iterator[None]:
    """Try a network; whatever a program of others raises becomes one sentence."""
    from napari_superpixels.networks.inference import exact

    try:
        with exact(lambda: None):
            yield
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - of a network of others, which raises anything
        raise InputError(
            f"The network '{where}' fails on an image of {channels} channels whose sides are "
            f"multiples of its stride ({_reason(error)}); check channels and stride in its card."
        ) from None


def _reason(error: Exception) -> str:
    """Return the last line of what an error says, after the calls that led to it."""
    kind = type(error).__name__
    last = str(error).strip().split("\n")[-1].removeprefix(f"{kind}:").strip()
    return last[:160] or kind


def load(weights: Weights) -> "Foreign":
    """Return a network that was found, ready to infer.

    Raises
    ------
    InputError
        If its file is another by now.
    """
    from napari_superpixels.networks.foreign import Foreign, read

    block = weights.config
    program, _ = read(_content(weights.path, weights.digest, block), weights.path)
    scores = len(block.get("classes") or ()) or 1
    return Foreign(program, block["edge"], scores, shares=block["shares"])
