"""Files of weights: safetensors with a card beside it; read without torch, never a pickle.

The card, ``NAME.json`` beside ``NAME.safetensors``, says which network the numbers are for and what
they were trained on, and holds the file's SHA-256. The file says the network too, so that its hash
vouches for that as well.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_data_path

from napari_superpixels.errors import InputError
from napari_superpixels.models.safetensors import SUFFIX, Arrays, pack, unpack

SHIPPED = Path(__file__).parents[1] / "weights"
"""The folder of the weights that come with the package."""
PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".tar", ".bin")
"""Endings of files that run code when they are opened."""
MARKS = (b"\x80", b"PK\x03\x04")
"""How pickles, and archives of them, begin."""
TAKEN_BY = {"segmentation": ("segment", "hcnet")}
"""The methods that take weights of a network, where none is called as it is."""
METADATA_KEY = "network"
"""What files that say their network have in their metadata."""
PROGRAM = "napari-superpixels"
FOLDER_VARIABLE = "NAPARI_SUPERPIXELS_WEIGHTS"
"""The environment variable that names another folder for the user's own weights."""
LONGEST_NAME = 80
NAME = re.compile(rf"\w([\w -]{{0,{LONGEST_NAME - 2}}}\w)?")
"""What weights may be called."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A file of weights that a card vouches for."""

    path: str
    """The file."""
    network: str
    """Name of the network that it is for."""
    text: str
    """`config` as JSON, so that weights can be compared and remembered."""
    digest: str
    """SHA-256 of the file."""

    @property
    def config(self) -> dict[str, Any]:
        """Parameters of that network's class, or what else makes it."""
        config: dict[str, Any] = json.loads(self.text)
        return config

    def read(self) -> dict[str, NDArray[Any]]:
        """Return the numbers of every layer.

        Raises
        ------
        InputError
            If the file is not the one that the card describes, or a number is not finite.
        """
        try:
            content = Path(self.path).read_bytes()
        except OSError as error:
            raise InputError(
                f"The weights '{self.path}' cannot be read ({error.strerror}); check the name."
            ) from None
        # The length of a header may look like a mark of pickles; what follows it never does.
        if content.startswith(MARKS) and content[8:9] != b"{":
            raise InputError(
                f"The weights '{self.path}' are a pickle in truth, which may run any code; give a "
                f"{SUFFIX} file."
            )
        if hashlib.sha256(content).hexdigest() != self.digest:
            raise InputError(
                f"The weights '{self.path}' are not those that their card describes (another "
                f"SHA-256, {len(content)} bytes); the file is truncated or altered, fetch it anew."
            )
        arrays, metadata = unpack(content)
        self._compare(metadata)
        bad = sum(a.size - np.isfinite(a).sum() for a in arrays.values() if a.dtype.kind == "f")
        if bad:
            raise InputError(
                f"The weights '{self.path}' hold {bad} numbers that are not finite, so their "
                f"training failed; give others."
            )
        return arrays

    def _compare(self, metadata: Mapping[str, str]) -> None:
        """Refuse a card that says another network than the file; older files say none."""
        expected = {METADATA_KEY: self.network, "config": self.text}
        if METADATA_KEY in metadata and metadata != expected:
            raise InputError(
                f"The card of the weights '{self.path}' says {expected}, but the file {metadata}; "
                f"the card was altered, fetch it anew."
            )


def described(network: str, config: Mapping[str, Any]) -> dict[str, str]:
    """Return what a file itself says of its network."""
    return {METADATA_KEY: network, "config": as_text(config)}


def as_text(config: Mapping[str, Any]) -> str:
    """Return a network's config as JSON; equal ones give equal texts."""
    return json.dumps(dict(config), sort_keys=True)


def find(weights: str, network: str, recipe: str = "") -> Weights:
    """Find weights by the name of a shipped set or of the user's own, or by path.

    Only the card is read.

    Parameters
    ----------
    weights
        The name or the path.
    network
        What they must be for.
    recipe
        Which one trains such weights, for who has none; by default that of the network's name.

    Raises
    ------
    InputError
        If there are none, or they are a pickle, or for another network.
    """
    path = path_of(weights, recipe or network)
    card = read_card(path)
    if card["network"] != network:
        raise InputError(
            f"The weights '{path}' are for {methods_of(card['network'])}, not for "
            f"{methods_of(network)}; give weights that were trained for it."
        )
    return Weights(str(path), network, as_text(card["config"]), card["sha256"])


def methods_of(network: str) -> str:
    """Return the methods that take weights of a network, for a sentence."""
    return " or ".join(map(repr, TAKEN_BY.get(network, (network,))))


def is_shipped(weights: str) -> bool:
    """Whether weights of that name come with the package."""
    return (SHIPPED / f"{weights}{SUFFIX}").is_file()


def own_folder() -> Path:
    """Return the folder of the user's own weights, maybe missing: `FOLDER_VARIABLE` names it."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else user_data_path(PROGRAM, appauthor=False) / "weights"


def named_weights() -> dict[str, list[str]]:
    """Return the names of weights besides those of each method, by network: shipped, then own.

    Reads the cards, so that is nothing for a thread that must not wait. What is broken is left out.
    """
    found: dict[str, list[str]] = {}
    for path in (path for folder in (SHIPPED, own_folder()) for path in _files(folder)):
        with suppress(InputError):
            network = read_card(path)["network"]
            if path.stem != network:
                found.setdefault(network, []).append(path.stem)
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


def own_path(name: str) -> Path:
    """Return where weights of the user's own lie, or would, under a name.

    Raises
    ------
    InputError
        If it is no name for a file, or that of shipped weights.
    """
    if not NAME.fullmatch(name):
        raise InputError(
            f"Weights cannot be called {name!r}, but by letters, digits and spaces, _ or - between "
            f"them, at most {LONGEST_NAME} in all; choose such a name."
        )
    if is_shipped(name):
        raise InputError(
            f"Weights called {name!r} come with this version; choose another name for your own."
        )
    return own_folder() / f"{name}{SUFFIX}"


def free_path(path: Path) -> Path:
    """Return a file of weights, or where there is one, the first of ``NAME 2``, ``NAME 3`` ..."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem} {number}")
    return free


def path_of(weights: str, network: str) -> Path:
    """Return the file of weights, by the name of a shipped set or of the user's own, or by path.

    Parameters
    ----------
    weights
        The name or the path.
    network
        Whose recipe is proposed where there is none.

    Raises
    ------
    InputError
        If there is none, or it is a pickle.
    """
    path = Path(weights)
    if path.suffix.lower() in (SUFFIX, *PICKLES) and not path.exists():
        raise _missing(weights)
    if path.suffix.lower() in PICKLES:
        raise InputError(
            f"The weights '{weights}' are a pickle, which may run any code; export that network "
            f"with torch.export (.pt2) or as TorchScript for the method 'segment', or give the "
            f"{SUFFIX} file of a training ('napari-superpixels train {network}-cpu')."
        )
    if path.suffix == SUFFIX:
        return path.absolute()
    for folder in (SHIPPED, own_folder()):
        named = folder / f"{weights}{SUFFIX}"
        if path.name == weights and named.is_file():
            return named
    if path.is_dir():
        raise InputError(f"The weights '{weights}' are a folder; {_advice(path)}.")
    if path.is_file():
        raise InputError(
            f"The weights '{weights}' are no {SUFFIX} file; give one: networks of others run with "
            f"the method 'segment'."
        )
    if path.suffix:
        raise _missing(weights)
    raise InputError(
        f"There are no weights {weights!r}, neither in this version nor among your own; train "
        f"some with 'napari-superpixels train {network}-cpu', and give the {SUFFIX} file as its "
        f"weights."
    )


def _missing(weights: str) -> InputError:
    return InputError(f"There are no weights '{weights}'; check the name of the file.")


def _advice(folder: Path) -> str:
    """Return what to give instead of a folder: the only weights in it."""
    files = sorted(folder.glob(f"*{SUFFIX}"))
    return f"give '{files[0]}'" if len(files) == 1 else f"give a {SUFFIX} file"


def licence_of(weights: str, network: str) -> str:
    """Return the licence that the card of weights names, empty where it names none.

    Raises
    ------
    InputError
        If there are no such weights.
    """
    return str(read_card(path_of(weights, network)).get("licence", ""))


def card_of(path: Path) -> Path:
    """Return where the card of a file of weights lies."""
    return path.with_suffix(".json")


def read_card(path: Path) -> dict[str, Any]:
    """Return the card of a file of weights.

    Raises
    ------
    InputError
        If it is missing or broken.
    """
    try:
        card = json.loads(card_of(path).read_text("utf-8"))
        whole = isinstance(card["network"], str) and isinstance(card["sha256"], str)
        whole = whole and isinstance(card["config"], dict)
        whole = whole and all(map(_is_plain, card["config"].values()))
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise InputError(
            f"The weights '{path}' have no card {card_of(path).name} beside them that names "
            f"network, config (of plain values) and sha256; copy it along with the weights."
        )
    return dict(card)


def _is_plain(value: Any) -> bool:
    """Whether a value of a network's config is a text, a flag, a finite number, or of these."""
    if isinstance(value, dict | list):
        return all(map(_is_plain, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))


def save(path: Path, network: str, config: Mapping[str, Any], arrays: Arrays, **card: Any) -> None:
    """Write weights and their card: both whole, or both as they were before.

    Parameters
    ----------
    path
        File to write; ends with ``.safetensors``.
    network, config
        Name and parameters of the network.
    arrays
        The numbers of every layer, float16, float32 or int64.
    **card
        What else the card says: data and licence, recipe, seed, steps, hardware, scores.
    """
    assert path.suffix == SUFFIX, "callers name the file"
    content = pack(arrays, described(network, config))
    digest = hashlib.sha256(content).hexdigest()
    text = card | {"network": network, "config": dict(config), "sha256": digest}
    _replace({path: content, card_of(path): _card(text)})


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write the card of a file of weights, in place of an older one."""
    _replace({card_of(path): _card(card)})


def _card(card: Mapping[str, Any]) -> bytes:
    return (json.dumps(card, indent=2) + "\n").encode()


def _replace(files: Mapping[Path, bytes]) -> None:
    """Write files beside the old ones, and only when all are there move them to their places."""
    partials = {path: path.with_name(f"{path.name}.partial") for path in files}
    try:
        for path, content in files.items():
            with partials[path].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path, partial in partials.items():
            partial.replace(path)
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)
