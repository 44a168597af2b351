"""Seals of written files: size and checksum, by which a resume finds what is lost or altered.

A seal is taken by reading a file back after it was written, out of the system's cache, and is kept
in the record of the super-tile. So nothing has to be forced to disk while a run goes on: what a
power cut takes away is found by its seal, and done again. The checksum is zlib's CRC-32, some
gigabytes a second and enough against accidents; it is no protection against intent.
"""

import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

PIECE_BYTES = 2**20
"""Read at a time."""
READERS = 8
"""Files that are checked at once; mostly to wait for a file server together."""

Seal = list[int] | None
"""Size in bytes and CRC-32; None of a file that is not there, as of a chunk of the fill value."""
Seals = dict[str, Seal]
"""By name, below the output, with slashes."""


def seal_of(path: Path) -> Seal:
    """Return the seal of a file.

    Raises
    ------
    OSError
        If it is there and cannot be read.
    """
    size = checksum = 0
    buffer = memoryview(bytearray(PIECE_BYTES))
    try:
        with open(path, "rb", buffering=0) as file:
            while count := file.readinto(buffer):
                checksum = zlib.crc32(buffer[:count], checksum)
                size += count
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [size, checksum]


def seals_of(root: Path, files: Iterable[Path]) -> Seals:
    """Return the seals of files below a folder."""
    return {file.relative_to(root).as_posix(): seal_of(file) for file in files}


def broken(
    root: Path,
    sealed: Iterable[tuple[str, Seals]],
    pulse: Callable[[], None],
    *,
    quick: bool = False,
) -> list[str]:
    """Return which of some super-tiles have a file that is not as it was written.

    Parameters
    ----------
    root
        The folder of the output.
    sealed
        Super-tiles and their seals.
    pulse
        Called every few files; may raise.
    quick
        Whether to look at sizes alone, without reading a byte.
    """
    kept = _size_kept if quick else _kept

    def whole(pair: tuple[str, Seals]) -> bool:
        return all(kept(root / name, seal) for name, seal in pair[1].items())

    found, pairs = [], iter(sealed)
    with ThreadPoolExecutor(READERS, thread_name_prefix="seals") as pool:
        while some := list(islice(pairs, 4 * READERS)):
            pulse()
            fine = pool.map(whole, some)
            found += [tile for (tile, _), good in zip(some, fine, strict=True) if not good]
    return found


def _size_kept(path: Path, seal: Seal) -> bool:
    """Whether a file has its size, or is missing where none was written."""
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return seal is None
    except OSError:
        return False
    return seal is not None and size == seal[0]


def _kept(path: Path, seal: Seal) -> bool:
    """Whether a file is as it was written; one that cannot be read is not."""
    try:
        return _size_kept(path, seal) and seal_of(path) == seal
    except OSError:
        return False
