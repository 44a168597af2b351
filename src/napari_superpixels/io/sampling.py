"""Checksums of an image's pixels at a few places, by which a resume knows the image again.

Sizes and times of files are part of an image's identity, but a file may be rewritten with its time
kept. So a run keeps checksums of some stored blocks: where they lie depends on the image's shape
alone, and few megabytes are read, however large the image is or how far away.
"""

import zlib
from collections.abc import Iterator
from math import prod

import numpy as np

from napari_superpixels.errors import SourceError
from napari_superpixels.io.source import Source
from napari_superpixels.tiling import Box

PLACES = 32
"""Blocks that are looked at in large images."""
LEAST_PLACES = 4
"""The same where each stored block is very large."""
SAMPLE_BYTES = 64 * 2**20
"""What may be decoded for it."""
EDGE_PX = 512, 64
"""Edge of a block at most and, where stored blocks are smaller, at least."""
SPREAD = 0.7548776662466927, 0.5698402909980532
"""Multiples of these spread evenly over the unit square (the R2 sequence of M. Roberts)."""


def sample_places(source: Source) -> Iterator[tuple[int, Box]]:
    """Yield the plane and the pixels of each block; no pixel is read."""
    shape, stored = source.axes.plane_shape, source.chunk_shape
    most, least = EDGE_PX
    edges = [min(n, most, max(chunk, least)) for n, chunk in zip(shape, stored, strict=True)]
    cost = prod(max(pair) for pair in zip(edges, stored, strict=True))
    affordable = SAMPLE_BYTES // max(1, cost * source.read_bytes_per_pixel)
    count = max(LEAST_PLACES, min(PLACES, affordable))
    for i in range(count):
        corner = [
            int((i + 0.5) * spread % 1 * -(-n // chunk)) * chunk
            for spread, n, chunk in zip(SPREAD, shape, stored, strict=True)
        ]
        spans = [(c, min(c + e, n)) for c, e, n in zip(corner, edges, shape, strict=True)]
        yield i * source.axes.planes // count, Box.of(*spans)


def samples_of(source: Source) -> list[int | None]:
    """Return the checksums of an image at `sample_places`, None where it cannot be read."""
    return [_checksum(source, plane, box) for plane, box in sample_places(source)]


def _checksum(source: Source, plane: int, box: Box) -> int | None:
    try:
        block = source.read(plane, box)
    except SourceError:
        return None
    checksum = zlib.crc32(np.ascontiguousarray(block.pixels).data)
    return checksum if block.valid is None else zlib.crc32(np.packbits(block.valid).data, checksum)
