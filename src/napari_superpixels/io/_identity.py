"""Stable hashes that tell whether an image is still the same one."""

import hashlib
import itertools
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.io._reader import FileStamp, Reader

WHOLE_BYTES = 64 * 2**20
"""Arrays in memory up to this size are hashed whole."""

SAMPLES = 2**20
"""Samples hashed of larger arrays, evenly spread."""


def hash_of(*parts: object) -> str:
    """Return a hexadecimal hash of values that JSON or bytes can express."""
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else json.dumps(part, default=str).encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:32]


def hash_of_files(stamps: tuple[FileStamp, ...], *facts: object) -> str:
    """Return the hash of files by size and time: the same wherever they lie."""
    return hash_of([[stamp.size, stamp.mtime_ns] for stamp in stamps], *facts)


def hash_of_array(array: NDArray[Any]) -> str:
    """Return the hash of an array in memory; evenly spread samples where it is large."""
    facts = (list(array.shape), str(array.dtype))
    if array.nbytes <= WHOLE_BYTES:
        return hash_of(*facts, np.ascontiguousarray(array).tobytes())
    places = np.unravel_index(np.linspace(0, array.size - 1, SAMPLES).astype(np.int64), array.shape)
    return hash_of(*facts, array[places].tobytes())


def hash_of_samples(reader: Reader, blocks: int = 2, side: int = 32) -> str:
    """Return the hash of a lazy array by a few small blocks, evenly spread."""
    starts = [
        sorted({(n - 1) * i // max(blocks - 1, 1) for i in range(blocks)}) for n in reader.shape
    ]
    digests = [
        reader.read(tuple(slice(s, min(s + side, n)) for s, n in zip(at, reader.shape)))
        for at in itertools.product(*starts)
    ]
    data = b"".join(np.ascontiguousarray(block).tobytes() for block in digests)
    return hash_of(list(reader.shape), str(reader.dtype), data)
