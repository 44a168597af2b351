"""Writing a zarr array by whole files: shards where it has them, else chunks.

zarr itself merges what it writes into the shard that is there, and takes twice as long. Here a
file is encoded at once and renamed into place, so it is whole or not there, and never read. What is
written is an array of `ome_zarr_writer`: zarr v3 on disk, blosc of zstd with bytes shuffled, the
index of a shard at its end. Equal pixels make equal files, whatever the threads.
"""

import struct
from collections.abc import Callable
from concurrent.futures import Executor
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_superpixels.io.chunk_files import folder_of, stored_grid

LEVEL = 1
"""Of the compression: labels are so regular that more gains little."""
BLOCK_BYTES = 2**20
"""What blosc compresses at once; with its own, smaller choice it takes half as long again."""
MISSING = 2**64 - 1
"""Offset and length, in the index of a shard, of a chunk of nothing but the fill value."""
ENDING = ".tmp"
"""Of files that have not got their name yet."""


def write_whole(
    array: "zarr.Array[Any]",
    place: tuple[int | slice, ...],
    values: NDArray[Any],
    pool: Executor | None = None,
    pulse: Callable[[], None] = lambda: None,
) -> None:
    """Write a box of an array that is whole files; those of the fill value alone are removed.

    Parameters
    ----------
    array
        In a folder, as `create_labels` makes them.
    place
        As it would index the array, every axis: a number or a slice with start and stop. Slices
        begin at the edge of a file, and end at one or at the end of the array.
    values
        What belongs there; of the array's type, one dimension for each slice.
    pool
        Threads that encode; by default this one alone does.
    pulse
        Called before each file is written, and before it gets its name; may raise.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    edges, _ = stored_grid(array)
    rest = tuple(slice(0, size) for size in array.shape[len(place) :])
    sides = [(p, p + 1) if isinstance(p, int) else (p.start, p.stop) for p in (*place, *rest)]
    box = values.reshape([stop - start for start, stop in sides])
    for (start, stop), edge, size in zip(sides, edges, array.shape, strict=True):
        assert start % edge == 0, "a file begins where the box does"
        assert stop % edge == 0 or stop == size, "a file ends where the box does"
    for number in product(*(range(a // e, -(-b // e)) for (a, b), e in zip(sides, edges))):
        corners = (n * e - a for n, e, (a, _) in zip(number, edges, sides, strict=True))
        part = box[tuple(slice(c, c + e) for c, e in zip(corners, edges, strict=True))]
        path = folder_of(array) / array.metadata.encode_chunk_key(number)
        _write(path, _encoded(array, part, pool), pulse)


def _encoded(array: "zarr.Array[Any]", values: NDArray[Any], pool: Executor | None) -> list[bytes]:
    """Return what a file holds, piece by piece; nothing where all is the fill value."""
    edge, fill = array.chunks, array.fill_value
    shard = array.shards or edge

    def encoded(place: tuple[int, ...]) -> bytes:
        return _compressed(_cut(values, place, edge, fill))

    places = np.ndindex(*(s // e for s, e in zip(shard, edge, strict=True)))
    pieces = list((pool.map if pool else map)(encoded, places))
    if not any(pieces):
        return []
    return pieces if array.shards is None else [*pieces, _index(pieces)]


def _cut(
    values: NDArray[Any], place: tuple[int, ...], edge: tuple[int, ...], fill: Any
) -> NDArray[Any] | None:
    """Return a chunk, filled up where values end; None where all is the fill value."""
    part = values[tuple(slice(n * e, (n + 1) * e) for n, e in zip(place, edge, strict=True))]
    if _is_fill(part[:1, :1], fill) and _is_fill(part, fill):
        return None
    if part.shape == edge:
        return np.ascontiguousarray(part)
    whole = np.full(edge, fill, values.dtype)
    whole[tuple(map(slice, part.shape))] = part
    return whole


def _is_fill(values: NDArray[Any], fill: Any) -> bool:
    return bool((np.isnan(values) if np.isnan(fill) else values == fill).all())


def _compressed(chunk: NDArray[Any] | None) -> bytes:
    """Return a chunk as blosc encodes it; nothing for none."""
    import imagecodecs

    if chunk is None:
        return b""
    little: Any = chunk.astype(chunk.dtype.newbyteorder("<"), copy=False)
    # One thread: of several, blosc puts the blocks in the order in which they finish.
    return bytes(
        imagecodecs.blosc_encode(
            little,
            level=LEVEL,
            compressor="zstd",
            shuffle="shuffle",
            typesize=chunk.dtype.itemsize,
            blocksize=BLOCK_BYTES,
            numthreads=1,
        )
    )


def _index(pieces: list[bytes]) -> bytes:
    """Return the index of a shard: where each chunk begins, how long it is, and a checksum."""
    numbers, offset = [], 0
    for piece in pieces:
        numbers += [offset, len(piece)] if piece else [MISSING, MISSING]
        offset += len(piece)
    index = struct.pack(f"<{len(numbers)}Q", *numbers)
    return index + struct.pack("<I", crc32c(index))


def _write(path: Path, pieces: list[bytes], pulse: Callable[[], None]) -> None:
    """Write a file by rename; remove it where there is nothing to write."""
    pulse()
    if not pieces:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid4().hex}{ENDING}")
    try:
        with temporary.open("wb") as file:
            file.writelines(pieces)
        pulse()
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def crc32c(data: bytes) -> int:
    """Return the checksum (Castagnoli) that the index of a shard ends with."""
    value, table = 0xFFFFFFFF, _table()
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    """Return what each byte does to the checksum."""
    values = list(range(256))
    for _ in range(8):
        values = [(v >> 1) ^ (0x82F63B78 if v & 1 else 0) for v in values]
    return tuple(values)
