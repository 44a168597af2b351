"""Which files of a zarr array on disk hold a box of it."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import zarr


def stored_grid(array: "zarr.Array[Any]") -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the edges of what one file holds (a shard, else a chunk), and how many there are."""
    edges = tuple(getattr(array, "shards", None) or array.chunks)
    return edges, tuple(-(-size // edge) for size, edge in zip(array.shape, edges, strict=True))


def chunk_files(array: "zarr.Array[Any]", place: Sequence[int | slice]) -> Iterator[Path]:
    """Yield the files that hold a box of an array in a folder, there or not.

    Parameters
    ----------
    array
        In a `LocalStore`. A chunk of nothing but the fill value has no file.
    place
        As it would index the array: a number or a slice with start and stop an axis; axes that
        are left out are taken whole.
    """
    edges, counts = stored_grid(array)
    folder = folder_of(array)
    known = [_numbers(one, edge) for one, edge in zip(place, edges, strict=False)]
    rest = [range(count) for count in counts[len(known) :]]
    for index in product(*known, *rest):
        yield folder / array.metadata.encode_chunk_key(index)


def folder_of(array: "zarr.Array[Any]") -> Path:
    """Return where an array in a `LocalStore` lies."""
    store: Any = array.store
    return Path(store.root) / str(array.path)


def _numbers(one: int | slice, edge: int) -> range:
    """Return the numbers of the files along an axis."""
    start, stop = (one.start, one.stop) if isinstance(one, slice) else (one, one + 1)
    return range(start // edge, -(-stop // edge))
