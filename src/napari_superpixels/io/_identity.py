"""Stable hashes that tell whether an image is still the same one."""

import hashlib
import itertools
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.io._reader import FileStamp, Reader

WHOLE_BYTES = 2**30
"""Arrays in memory up to this size are hashed whole, at about half a second for all of it."""

MAPPED_BYTES = 64 * 2**20
"""Files mapped into memory up to this size are hashed whole; larger ones would be read for it."""

PIECE_BYTES = 2**20
"""Bytes of an array that are hashed at a time."""

SAMPLES = 2**20
"""Samples hashed of larger arrays, evenly spread."""

MAPPED_SAMPLES = 2**12
"""The same of files mapped into memory, where each sample may be a read from disk."""


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


def mask_facts(masks: Sequence[Reader]) -> list[Any]:
    """Return what tells masks stored with an image apart; a file of their own counts too."""
    return [[type(mask).__name__, mask.shape, str(mask.dtype), _sidecar(mask)] for mask in masks]


def _sidecar(mask: Reader) -> list[int]:
    """Return size and time of the file beside a GeoTIFF that may hold its mask."""
    stamp = getattr(mask, "stamp", None)
    return stamp_of(Path(f"{stamp.path}.msk")) if isinstance(stamp, FileStamp) else []


def stamp_of(path: Path) -> list[int]:
    """Return size and time of a file or folder; nothing where it is missing."""
    try:
        stat = path.stat()
    except OSError:
        return []
    return [stat.st_size if path.is_file() else 0, stat.st_mtime_ns]


def hash_of_array(array: NDArray[Any]) -> str:
    """Return the hash of an array in memory.

    All bytes are read of arrays up to `WHOLE_BYTES`: equal pixels in the same order in memory have
    equal hashes, in any process, and different pixels have different ones. Of larger arrays, and of
    files mapped into memory, evenly spread samples are read, and the place counts as well (the
    address; in a mapped file its size and time, and the offset in it): arrays that are alive at the
    same time never share a hash, but a change of a few pixels in place may go unnoticed. Axes along
    which one value is repeated (stride 0) cost nothing.
    """
    repeated = [n > 1 and stride == 0 for n, stride in zip(array.shape, array.strides)]
    facts = [list(array.shape), str(array.dtype), repeated]
    array = array[tuple(slice(0, 1) if once else slice(None) for once in repeated)].squeeze()
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    facts, array = [*facts, order], array.transpose(order)  # read in the order in memory: fast
    mapped = _mapped_file(array)
    if array.nbytes <= (MAPPED_BYTES if mapped else WHOLE_BYTES):
        digest = hashlib.sha256()
        for piece in _pieces(array):
            digest.update(piece if array.nbytes <= MAPPED_BYTES else _checksum(piece))
        return hash_of(*facts, digest.digest())
    samples = MAPPED_SAMPLES if mapped else SAMPLES
    places = np.unravel_index(np.linspace(0, array.size - 1, samples).astype(np.int64), array.shape)
    where = mapped or [array.__array_interface__["data"][0]]
    return hash_of(*facts, list(array.strides), where, array[places].tobytes())


def _mapped_file(array: NDArray[Any]) -> list[int]:
    """Return size and time of the file that an array is mapped from, and its offset there."""
    base: Any = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    name = getattr(base, "filename", None)
    if not isinstance(base, np.memmap) or name is None:
        return []
    first, start = (one.__array_interface__["data"][0] for one in (array, base))
    return [*stamp_of(Path(name)), first - start + base.offset]


def _pieces(array: NDArray[Any]) -> Iterator[memoryview]:
    """Yield the bytes of an array in its order, about `PIECE_BYTES` at a time."""
    if array.nbytes <= PIECE_BYTES or array.ndim == 0:
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        return
    rows = max(1, PIECE_BYTES * len(array) // array.nbytes)
    for start in range(0, len(array), rows):
        part = array[start : start + rows]
        yield from _pieces(part[0]) if rows == 1 else _pieces(part)


def _checksum(piece: memoryview) -> bytes:
    """Return a checksum of a piece: it differs whenever up to 32 neighbouring bits do."""
    return zlib.crc32(piece).to_bytes(4, "little") + zlib.adler32(piece).to_bytes(4, "little")


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
