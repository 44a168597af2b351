"""Projected memory, as values: computed before anything runs, and tested against what is used."""

from dataclasses import dataclass
from math import prod

import psutil

from napari_superpixels.errors import PlanError
from napari_superpixels.io import CACHE_BYTES

SHARED_BYTES = 2 * CACHE_BYTES
"""What a run holds however many windows are in work: decoded blocks of the image, which the
readers bound, and as much again for chunks in flight and the allocator's gaps."""
SHARE_OF_FREE_MEMORY = 0.8
"""Of the memory that is available, what a run may plan to use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileCost:
    """Upper bounds of the memory that one window needs, in bytes."""

    read_bytes: int
    """Pixels of the window with its halo, their validity, and chunks being decoded."""
    model_bytes: int
    """Features, associations and temporaries of the method."""
    label_bytes: int
    """Codes, labels and chunks being encoded."""

    @property
    def total(self) -> int:
        """All together."""
        return self.read_bytes + self.model_bytes + self.label_bytes


def project_tile(
    *,
    read: tuple[int, ...],
    core: tuple[int, ...],
    pixel_bytes: int,
    source_chunk: tuple[int, ...],
    label_bytes: int,
    model_bytes: int,
) -> TileCost:
    """Project the memory of one window.

    Parameters
    ----------
    read
        Pixels read along y and x.
    core
        Pixels written along y and x.
    pixel_bytes
        Bytes of a pixel, all channels.
    source_chunk
        Chunk of the source along y and x, in pixels: reads decode whole chunks.
    label_bytes
        Bytes of a label.
    model_bytes
        What the method says that it needs.
    """
    decoded = prod(-(-n // c) * c + c for n, c in zip(read, source_chunk, strict=True))
    return TileCost(
        read_bytes=prod(read) * (2 * pixel_bytes + 2) + decoded * pixel_bytes,
        model_bytes=model_bytes,
        label_bytes=prod(core) * (2 + 3 * label_bytes),
    )


def default_workers() -> int:
    """Return how many processors this process may use."""
    return (
        len(psutil.Process().cpu_affinity())
        if hasattr(psutil.Process, "cpu_affinity")
        else (psutil.cpu_count() or 1)
    )


def project_run(tile_bytes: int, workers: int) -> int:
    """Project the memory of a run beyond what the process held before, in bytes."""
    return SHARED_BYTES + workers * tile_bytes


def fit_workers(tile_bytes: int, wanted: int, available_bytes: int) -> int:
    """Return how many windows may be in work at once within the memory that is free.

    Raises
    ------
    PlanError
        If not even one fits.
    """
    budget = int(available_bytes * SHARE_OF_FREE_MEMORY)
    needed = project_run(tile_bytes, 1)
    if needed > budget:
        raise PlanError(
            f"One window needs {needed / 1e9:.1f} GB, but {budget / 1e9:.1f} GB may be used "
            f"({SHARE_OF_FREE_MEMORY:.0%} of what is free); choose a smaller window."
        )
    return max(1, min(wanted, (budget - SHARED_BYTES) // max(tile_bytes, 1)))


def available_bytes() -> int:
    """Return the memory that is free on this machine, in bytes."""
    return int(psutil.virtual_memory().available)
