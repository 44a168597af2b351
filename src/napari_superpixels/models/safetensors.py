"""The safetensors format, read and written without torch: numbers and text, never code.

A file is eight bytes with the length of a JSON header, the header, and the numbers one after the
other. The header says of each array its type, its shape and where its numbers lie; under
``__metadata__`` it holds texts by name.
"""

import json
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError

SUFFIX = ".safetensors"
LONGEST_HEADER = 1_000_000
METADATA = "__metadata__"

_TYPES: dict[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}

Arrays = Mapping[str, NDArray[Any]]


def pack(arrays: Arrays, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return arrays, and texts about them, in the format."""
    header: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
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


def unpack(content: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays of a file, and the texts about them.

    Raises
    ------
    InputError
        If it is no such file: also where numbers are left over, or belong to two arrays.
    """
    stop = 8 + int.from_bytes(content[:8], "little")
    try:
        if stop > min(len(content), LONGEST_HEADER):
            raise ValueError("a header longer than the file")
        header = json.loads(content[8:stop])
        metadata = {str(key): str(text) for key, text in header.pop(METADATA, {}).items()}
        numbers = memoryview(content)[stop:]
        _check_places(header, len(numbers))
        return {name: _array(entry, numbers) for name, entry in header.items()}, metadata
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"The weights are no {SUFFIX} file with F16, F32 or I64 numbers; save them as one."
        ) from None


def _check_places(header: Mapping[str, Any], size: int) -> None:
    """Refuse arrays that do not lie one after the other from the first byte to the last."""
    end = 0
    for start, stop in sorted(entry["data_offsets"] for entry in header.values()):
        if start != end or stop < start:
            raise ValueError("numbers between arrays, or of two")
        end = stop
    if end != size:
        raise ValueError("numbers behind the arrays, or missing")


def _array(entry: Mapping[str, Any], numbers: memoryview) -> NDArray[Any]:
    (start, stop), shape = entry["data_offsets"], entry["shape"]
    dtype = _TYPES[entry["dtype"]]
    if not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError("a side that is no length")
    if prod(shape) * dtype.itemsize != stop - start:
        raise ValueError("more or fewer numbers than the shape has places")
    flat: NDArray[Any] = np.frombuffer(numbers[start:stop], dtype)
    return flat.reshape(shape)
