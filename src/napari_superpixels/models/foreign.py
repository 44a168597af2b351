"""Networks of others: their files, and the cards that people write beside them.

``NAME.pt2`` (torch.export) or ``NAME.pt`` (TorchScript) has ``NAME.pt2.card.json`` beside it, or
``.card.toml``. What stands there, what the file itself tells and what is measured become the block
that `models.trained` reads, so that plans hold all of it.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

from napari_superpixels.errors import InputError
from napari_superpixels.models import bioimage
from napari_superpixels.models.weights import PICKLES, Weights, as_text

if TYPE_CHECKING:
    from napari_superpixels.networks.foreign import Foreign, Sides

NETWORK = "foreign"
"""What the block calls such networks."""
SUFFIXES = (".pt2", ".pt", ".pth", ".torchscript", bioimage.SUFFIX)
"""Endings of files that may be one."""
CARDS = (".card.json", ".card.toml")
"""What follows the name of a file in that of its card."""
NEEDED = {"channels", "output", "stride", "halo"}
KNOWN = NEEDED | {"name", "classes", "unit", "normalisation", "shape", "licence"}
OUTPUTS = ("classes", "probabilities", "map")
TEXTS = ("name", "unit", "licence")
MEASURE, WHOLE = "measure", "whole"
"""Halos that are no number: to be found out; and none, where a network averages over all."""
LEAST_PX = 8
"""Windows start at a multiple of the stride that is at least so large."""
PROBE_PX = 64
"""Edge of the image, at least, on which it is tried what a network gives."""
LARGEST_STRIDE = 256


def is_foreign(weights: str) -> bool:
    """Whether a name is one of a file of others."""
    path = Path(weights)
    return path.suffix.lower() in SUFFIXES and not _is_pickle(path)


def _is_pickle(path: Path) -> bool:
    """Whether a file has no operations in it: what is refused as every pickle is."""
    if path.suffix.lower() not in PICKLES:
        return False
    try:
        with ZipFile(path) as archive:
            return not any("/code/" in name for name in archive.namelist())
    except (BadZipFile, OSError, ValueError, RuntimeError):
        return True


def _is_package(path: Path) -> bool:
    return path.suffix.lower() == bioimage.SUFFIX


def card_of(path: Path) -> Path:
    """Return the card beside a file.

    Raises
    ------
    InputError
        If there is none.
    """
    for suffix in CARDS:
        card = path.with_name(path.name + suffix)
        if card.is_file():
            return card
    raise InputError(
        f"The network '{path}' has no card {path.name}{CARDS[0]} beside it; write one that tells "
        f"{', '.join(sorted(NEEDED))}, and classes or a unit."
    )


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
    card = bioimage.card_of_package(path) if _is_package(path) else _read_card(card_of(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Weights(str(path), NETWORK, _described(str(path), digest, as_text(card)), digest)


def _read_card(path: Path) -> dict[str, Any]:
    """Return what a card says, checked as far as the network is not needed for it."""
    try:
        text = path.read_text("utf-8")
        card = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        missing, unknown = NEEDED - card.keys(), card.keys() - KNOWN
    except (OSError, ValueError, AttributeError, RecursionError):
        missing, unknown, card = NEEDED, set(), {}
    if missing or unknown:
        what = f"lacks {sorted(missing)}" if missing else f"tells {sorted(unknown)}"
        raise InputError(
            f"The card '{path}' {what}, but must tell {sorted(NEEDED)}, and may tell "
            f"{sorted(KNOWN - NEEDED)}; complete it."
        )
    _check_numbers(path, card)
    return dict(card)


def _check_numbers(path: Path, card: Mapping[str, Any]) -> None:
    """Refuse what cannot be of each key."""
    halo, shape = card["halo"], card.get("shape", 1)
    sides = shape if isinstance(shape, list) else [shape]
    allowed = {
        "channels": _whole(card["channels"], 1, 2**16),
        "stride": _whole(card["stride"], 1, LARGEST_STRIDE),
        "halo": halo in (MEASURE, WHOLE) or _whole(halo, 0, 2**16),
        "output": card["output"] in OUTPUTS,
        "shape": len(sides) in (1, 2) and all(_whole(n, 1, 2**16) for n in sides),
        "classes": _fits(card.get("classes"), card["output"]),
        "normalisation": isinstance(card.get("normalisation", {}), dict),
    } | {key: isinstance(card.get(key, ""), str) for key in TEXTS}
    for key, good in allowed.items():
        if not good:
            raise InputError(
                f"The card '{path}' tells {key} {card.get(key)!r}, but channels, stride and shape "
                f"are numbers of pixels, halo too or {MEASURE!r} or {WHOLE!r}, output one of "
                f"{OUTPUTS} with a list of classes (id, name, colour), or none of a map, "
                f"normalisation mean and std, and {', '.join(TEXTS)} are texts; repair it."
            )


def _fits(classes: Any, output: Any) -> bool:
    """Whether classes, as a card lists them, are what an output needs: none for a map."""
    if output == "map":
        return not classes
    listed = isinstance(classes, list) and bool(classes)
    return listed and all(isinstance(one, dict) for one in classes)


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


@lru_cache(maxsize=16)
def _described(where: str, digest: str, card_text: str) -> str:
    """Return the block of a network, all of it told: as JSON."""
    from napari_superpixels.networks.foreign import Foreign, read

    card = json.loads(card_text)
    channels, stride = card["channels"], card["stride"]
    program, sides = read(_content(where, digest, card), where)
    edge = _edge(where, card, sides)
    scores = len(card.get("classes") or ()) or 1
    align = _align(stride, edge, sides.least)
    network = Foreign(program, edge, scores, shares=card["output"] == "probabilities")
    kept = {"output": "map" if card["output"] == "map" else "classes", "network": NETWORK}
    block = card | kept | {"align": align, "edge": edge, "shares": network.shares}
    block["pixel_bytes"] = _tried(where, network, channels, edge or -(-PROBE_PX // align) * align)
    block["halo"] = _halo(where, network, card, align, edge)
    block.setdefault("name", Path(where).stem)
    block.setdefault("normalisation", {"mean": [0.0] * channels, "std": [1.0] * channels})
    return as_text(block)


def _align(stride: int, edge: int, least: int) -> int:
    """Return what windows start at: whole strides, and parts of the only image that is taken."""
    if edge:
        parts = range(stride, edge + 1, stride)
        return next(n for n in parts if edge % n == 0 and n >= min(LEAST_PX, edge))
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
    if sides.channels not in (None, card["channels"]) or sides.batch not in (None, 1):
        raise InputError(
            f"The network '{where}' takes {sides.channels} channels and {sides.batch or 'any'} "
            f"images at once, but its card tells {card['channels']} channels, and one image is "
            f"given at a time; repair the card, or export it so."
        )
    told = card.get("shape", [])
    told = [told] * 2 if isinstance(told, int) else told * (1 + (len(told) == 1))
    fixed = list(sides.edges or told)
    if told and told != fixed:
        raise InputError(
            f"The card of '{where}' tells the shape {told}, but the network takes {fixed}; leave "
            f"it out of the card."
        )
    if not fixed:
        return 0
    if fixed[0] != fixed[1] or fixed[0] % card["stride"]:
        raise InputError(
            f"The network '{where}' takes {fixed[0]} x {fixed[1]} pixels, but the sides must be "
            f"equal, and multiples of its stride of {card['stride']}; export it so."
        )
    return int(fixed[0])


def _tried(where: str, network: "Foreign", channels: int, edge: int) -> float:
    """Return the memory for a pixel of an image on which a network was tried."""
    import torch

    from napari_superpixels.networks.footprint import bytes_in_use

    image = torch.zeros(1, channels, edge, edge)
    with _running(where, channels):
        most, found = bytes_in_use(lambda: network(image))
    expected = (1, network.scores, edge, edge)
    if tuple(found.shape) != expected:
        raise InputError(
            f"The network '{where}' gives {tuple(found.shape)} of an image, but its card tells "
            f"{network.scores} classes or numbers, which is {expected}; list as many classes in "
            f"the card as it has channels."
        )
    return float(most) / edge**2


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
    except Exception as error:  # noqa: BLE001
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
