"""Files of weights: safetensors with a card beside it; read without torch, never a pickle.

A file of that format is eight bytes with the length of a JSON header, the header, and the numbers
one after the other. The card, ``NAME.json`` beside ``NAME.safetensors``, says which network the
numbers are for and what they were trained on, and holds the file's SHA-256.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_data_path

from napari_superpixels.errors import InputError

SHIPPED = Path(__file__).parents[1] / "weights"
"""The folder of the weights that come with the package."""
SUFFIX = ".safetensors"
PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".tar", ".bin")
"""Endings of files that run code when they are opened."""
LONGEST_HEADER = 1_000_000
PROGRAM = "napari-superpixels"
FOLDER_VARIABLE = "NAPARI_SUPERPIXELS_WEIGHTS"
"""The environment variable that names another folder for the user's own weights."""
LONGEST_NAME = 80
NAME = re.compile(rf"\w([\w -]{{0,{LONGEST_NAME - 2}}}\w)?")
"""What weights may be called."""

_TYPES: dict[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Weights:
    """A file of weights that a card vouches for."""

    path: str
    """The file."""
    network: str
    """Name of the network that it is for."""
    config: tuple[tuple[str, Any], ...]
    """Parameters of that network's class."""
    digest: str
    """SHA-256 of the file."""

    def read(self) -> dict[str, NDArray[Any]]:
        """Return the numbers of every layer.

        Raises
        ------
        InputError
            If the file is not the one that the card describes.
        """
        try:
            content = Path(self.path).read_bytes()
        except OSError as error:
            raise InputError(
                f"The weights {self.path} cannot be read ({error.strerror}); check the name."
            ) from None
        if hashlib.sha256(content).hexdigest() != self.digest:
            raise InputError(
                f"The weights {self.path} are not those that their card describes (another "
                f"SHA-256, {len(content)} bytes); the file is truncated or altered, fetch it anew."
            )
        return unpack(content)


def find(weights: str, network: str) -> Weights:
    """Find weights by the name of a shipped set or of the user's own, or by path.

    Only the card is read.

    Raises
    ------
    InputError
        If there are none, or they are a pickle, or for another network.
    """
    path = _path_of(weights, network)
    card = read_card(path)
    if card["network"] != network:
        raise InputError(
            f"The weights {path} are for {card['network']!r}, not for {network!r}; give weights "
            f"that were trained for it."
        )
    config = tuple(sorted(card["config"].items()))
    return Weights(str(path), network, config, card["sha256"])


def is_shipped(weights: str) -> bool:
    """Whether weights of that name come with the package."""
    return (SHIPPED / f"{weights}{SUFFIX}").is_file()


def own_folder() -> Path:
    """Return the folder of the user's own weights, maybe missing: `FOLDER_VARIABLE` names it."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else user_data_path(PROGRAM, appauthor=False) / "weights"


def own_weights() -> dict[str, list[str]]:
    """Return the names of the user's own weights, sorted, by network; what is broken is left out.

    Reads the cards, so that is nothing for a thread that must not wait.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(own_folder().glob(f"*{SUFFIX}")):
        with suppress(InputError):
            found.setdefault(read_card(path)["network"], []).append(path.stem)
    return found


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


def _path_of(weights: str, network: str) -> Path:
    path = Path(weights)
    if path.suffix.lower() in PICKLES:
        raise InputError(
            f"The weights {weights} are a pickle, which may run any code; give a {SUFFIX} file."
        )
    if path.suffix == SUFFIX:
        if not path.is_file():
            raise InputError(f"There are no weights {weights}; check the name of the file.")
        return path
    for folder in (SHIPPED, own_folder()):
        named = folder / f"{weights}{SUFFIX}"
        if path.name == weights and named.is_file():
            return named
    raise InputError(
        f"There are no weights {weights!r}, neither in this version nor among your own; train "
        f"some with 'napari-superpixels train {network}-cpu', and give the {SUFFIX} file as its "
        f"weights."
    )


def licence_of(weights: str, network: str) -> str:
    """Return the licence that the card of weights names, empty where it names none.

    Raises
    ------
    InputError
        If there are no such weights.
    """
    return str(read_card(_path_of(weights, network)).get("licence", ""))


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
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise InputError(
            f"The weights {path} have no card {card_of(path).name} beside them that names network, "
            f"config and sha256; copy it along with the weights."
        )
    return dict(card)


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
    content = pack(arrays)
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


def pack(arrays: Arrays) -> bytes:
    """Return arrays in the safetensors format."""
    header: dict[str, Any] = {}
    start = 0
    for name, array in arrays.items():
        kind = _NAMES[array.dtype.newbyteorder("<")]
        stop = start + array.nbytes
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    parts = [array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays.values()]
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def unpack(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file in the safetensors format.

    Raises
    ------
    InputError
        If it is none.
    """
    stop = 8 + int.from_bytes(content[:8], "little")
    numbers = memoryview(content)[min(stop, len(content)) :]
    try:
        if stop > min(len(content), LONGEST_HEADER):
            raise ValueError("a header longer than the file")
        header = json.loads(content[8:stop])
        header.pop("__metadata__", None)
        return {name: _array(entry, numbers) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"The weights are no {SUFFIX} file with F16, F32 or I64 numbers; save them as one."
        ) from None


def _array(entry: Mapping[str, Any], numbers: memoryview) -> NDArray[Any]:
    start, stop = entry["data_offsets"]
    flat: NDArray[Any] = np.frombuffer(numbers[start:stop], _TYPES[entry["dtype"]])
    return flat.reshape(entry["shape"])
