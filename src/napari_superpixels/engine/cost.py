"""Projected memory, as values: computed before anything runs, and tested against what is used."""

from dataclasses import dataclass
from math import prod

from napari_superpixels.engine import limits
from napari_superpixels.errors import PlanError
from napari_superpixels.io import CACHE_BYTES

LANE_THREADS = 4
"""Processors that work on one super-tile together, where there are as many."""
SHARED_BYTES = 2 * CACHE_BYTES
"""What a run holds however many windows are in work: decoded blocks of the image, which the
readers bound, and as much again for chunks in flight and the allocator's gaps."""
SHARE_OF_FREE_MEMORY = 0.8
"""Of the memory that is available, what a run may plan to use."""
TABLE_BYTES = 40
"""Of a channel of a cell: sums and means, as they are counted, gathered and encoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileCost:
    """Upper bounds of the memory that one super-tile needs, in bytes."""

    read_bytes: int
    """Pixels of the super-tile with its halo, their validity, and chunks being decoded."""
    model_bytes: int
    """Features, associations and temporaries of the method, for the windows in work at once."""
    label_bytes: int
    """Codes, labels of all its levels, tables, and what is being encoded."""

    @property
    def total(self) -> int:
        """All together."""
        return self.read_bytes + self.model_bytes + self.label_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """How many super-tiles are at each step of the work at once."""

    read: int
    """Being read, or read and waiting."""
    compute: int
    """Being computed, or computed and waiting."""
    write: int
    """Being finished and written."""
    threads: int
    """Threads that compute one super-tile."""

    @classmethod
    def over(cls, processors: int, compute: int | None = None) -> "Lanes":
        """Share out processors: a few super-tiles at once, several threads each.

        Few, because the memory grows with each of them; reading and writing fill the gaps.

        Parameters
        ----------
        processors
            How many threads compute, in all.
        compute
            How many super-tiles are computed at once; by default one for `LANE_THREADS`.
        """
        compute = compute or -(-processors // LANE_THREADS)
        beside = -(-compute // 2)
        threads = max(1, processors // compute)
        return cls(read=beside, compute=compute, write=beside, threads=threads)


def windows_at_once(group: tuple[int, int]) -> int:
    """Return how many windows of a super-tile are in work at once, at most."""
    return min(LANE_THREADS, prod(group))


def project_tile(
    *,
    read: tuple[int, ...],
    core: tuple[int, ...],
    cells: int,
    pixel_bytes: int,
    channels: int,
    source_chunk: tuple[int, ...],
    value_bytes: int,
    model_bytes: int,
) -> TileCost:
    """Project the memory of one super-tile.

    Parameters
    ----------
    read
        Pixels read along y and x.
    core
        Pixels written along y and x.
    cells
        Cells written.
    pixel_bytes
        Bytes of a pixel, all samples that are read.
    channels
        Channels of the table.
    source_chunk
        Chunk of the source along y and x, in pixels: reads decode whole chunks.
    value_bytes
        Bytes of what is written of a pixel.
    model_bytes
        What the method says that it needs.
    """
    decoded = prod(-(-n // c) * c + c for n, c in zip(read, source_chunk, strict=True))
    return TileCost(
        read_bytes=prod(read) * (2 * pixel_bytes + 2) + decoded * pixel_bytes,
        model_bytes=model_bytes,
        # Coarser levels are less than the finest; encoded, it may be as long again.
        label_bytes=prod(core) * (2 + 4 * value_bytes) + cells * TABLE_BYTES * (channels + 1),
    )


def default_workers() -> int:
    """Return how many processors this process may use."""
    return limits.processors()


def project_run(cost: TileCost, lanes: Lanes) -> int:
    """Project the memory of a run beyond what the process held before, in bytes."""
    computing = cost.read_bytes + cost.model_bytes
    # What is written needs its pixels until its table is made.
    writing = cost.read_bytes + cost.label_bytes
    steps = lanes.read * cost.read_bytes + lanes.compute * computing + lanes.write * writing
    return SHARED_BYTES + steps


def fit_workers(tile_bytes: int, wanted: int, available_bytes: int) -> int:
    """Return how many super-tiles, each done in one go, fit into the memory that is free.

    Raises
    ------
    PlanError
        If not even one fits.
    """
    budget = int(available_bytes * SHARE_OF_FREE_MEMORY)
    if SHARED_BYTES + tile_bytes > budget:
        raise _too_large(SHARED_BYTES + tile_bytes, budget)
    return max(1, min(wanted, (budget - SHARED_BYTES) // max(tile_bytes, 1)))


def _too_large(needed: int, budget: int) -> PlanError:
    return PlanError(
        f"One super-tile at a time needs {needed / 1e9:.1f} GB, but {budget / 1e9:.1f} GB may be "
        f"used ({SHARE_OF_FREE_MEMORY:.0%} of what is free); choose a smaller window."
    )


def fit_lanes(cost: TileCost, processors: int, tiles: int, available_bytes: int) -> Lanes:
    """Return how the work is shared within the memory that is free.

    Parameters
    ----------
    cost
        Of a super-tile.
    processors
        How many threads may compute.
    tiles
        How many super-tiles there are; no more are in work at once.
    available_bytes
        The memory that is free.

    Raises
    ------
    PlanError
        If not even one super-tile at a time fits.
    """
    budget = int(available_bytes * SHARE_OF_FREE_MEMORY)
    most = min(Lanes.over(processors).compute, max(1, tiles))
    for compute in range(most, 0, -1):
        lanes = Lanes.over(processors, compute)
        needed = project_run(cost, lanes)
        if needed <= budget:
            return lanes
    raise _too_large(needed, budget)


def available_bytes() -> int:
    """Return the memory that this process may still take, in bytes."""
    return limits.free_bytes()
