"""Clustering on a graphics card: memory and launches around the kernels of `kernels.cuda`.

One byte a pixel comes back; connectivity follows on the processor, while the card has the next.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_superpixels.kernels.cells import Frame
from napari_superpixels.kernels.clustered import Clustered, FeaturesAt
from napari_superpixels.kernels.cone import WHOLE, Cut, exact_cells, position_table
from napari_superpixels.kernels.cuda import slic, soft
from napari_superpixels.kernels.cuda.memory import programs
from napari_superpixels.kernels.cuda.pixels import Cell, Centres, Image, Tables
from napari_superpixels.kernels.lab import root_table, tristimulus_table
from napari_superpixels.kernels.soft import weights_for
from napari_superpixels.models.card import on_card, to_device, to_host
from napari_superpixels.tiling import Box, Lattice

logger = logging.getLogger(__name__)

COUNTED = 2**31
"""Kernels tell so many elements apart, for they count in 32 bits."""
MOST_ROWS = 2**16 - 1
"""Rows of programs that a launch may have."""
WARPS_CHANNELS = 4
"""Up to so many channels one warp holds a program's pixels in registers."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """The pixels of a tile on a device."""

    data: Tensor
    """Integer features, int16 (C, Y, X), or 8-bit RGB, uint8 (3, Y, X); any strides."""
    valid: Tensor | None
    """Which pixels hold data, uint8 (Y, X), row by row without gaps."""
    scale: int = 1
    """Quanta a Lab unit, of RGB."""

    @property
    def rgb(self) -> bool:
        """Whether features are still to be made."""
        return self.data.dtype == torch.uint8

    @property
    def elements(self) -> int:
        """How far a kernel counts from the first element of a plane, or of RGB.

        Planes of features are found with 64 bits.
        """
        _, height, width = self.data.shape
        plane, row, column = self.data.stride()
        last = (height - 1) * row + (width - 1) * column + (2 * plane if self.rgb else 0)
        return max(last + 1, height * width)


def countable(pixels: Pixels, frame: Frame) -> bool:
    """Return whether kernels can tell all pixels and centres of a tile apart."""
    rows, columns = frame.lattice.cells
    centres = (rows + 2) * (columns + 2) * (frame.channels + 2)
    return max(pixels.elements, centres) <= COUNTED and rows <= MOST_ROWS


@dataclass(frozen=True)
class Launch:
    """The memory of one clustering, and how its kernels are called."""

    pixels: Pixels
    frame: Frame
    wide: bool
    """Whether sums have 64 bits."""
    values: Tensor = field(init=False)
    state: Tensor = field(init=False)
    sums: Tensor = field(init=False)
    codes: Tensor = field(init=False)

    def __post_init__(self) -> None:
        (rows, columns), channels = self.frame.lattice.cells, self.frame.channels
        _, chunks = programs(self.frame)
        there = self.pixels.data.device
        assert countable(self.pixels, self.frame), "kernels count in 32 bits"

        def zeros(*shape: int, dtype: torch.dtype = torch.int32) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=there)

        sums = torch.int64 if self.wide else torch.int32
        made = {
            "values": zeros(rows + 2, columns + 2, channels + 2),
            "state": zeros(rows + 2, columns + 2),
            "sums": zeros(rows * columns * chunks * 9 * (channels + 3), dtype=sums),
            "codes": torch.full(self.frame.lattice.shape, 255, dtype=torch.uint8, device=there),
        }
        for name, tensor in made.items():
            object.__setattr__(self, name, tensor)

    @property
    def image(self) -> Image:
        """The pixels, as kernels see them."""
        data, valid = self.pixels.data, self.pixels.valid
        plane, row, column = data.stride()
        height, width = data.shape[1:]
        return Image(data, plane, row, column, data if valid is None else valid, height, width)

    @property
    def cell(self) -> Cell:
        """The lattice, as kernels see it."""
        frame = self.frame
        block, chunks = programs(frame)
        pixels = _pixels(frame.step, frame.position, block * chunks, str(self.values.device))
        return Cell(*frame.step, frame.position, frame.lattice.cells[1], pixels)

    @property
    def centres(self) -> Centres:
        """The centres, as kernels see them."""
        return Centres(self.values, self.state)

    @property
    def tables(self) -> Tables:
        """What Lab is made from."""
        shares, roots = _tables(str(self.pixels.data.device))
        return Tables(shares, roots, self.pixels.scale)

    @property
    def options(self) -> dict[str, Any]:
        """What all kernels that look at pixels are compiled for."""
        block, chunks = programs(self.frame)
        return {
            "C": self.frame.channels,
            "LAB": self.pixels.rgb,
            "MASKED": self.pixels.valid is not None,
            "BLOCK": block,
            "CHUNKS": chunks,
            "num_warps": 1 if self.frame.channels <= WARPS_CHANNELS else 4,
        }

    def grid(self, box: Box) -> tuple[int, int]:
        """Programs of a box of cells."""
        _, chunks = programs(self.frame)
        return len(box[1]) * chunks, len(box[0])

    def start(self) -> None:
        """Make every pixel its own cell's."""
        grid = self.grid(Box.whole(self.frame.lattice.cells))
        slic.own_sums[grid](self.image, self.cell, self.tables, self.sums, **self.options)

    def update(self, box: Box) -> None:
        """Move the centres of a box of cells."""
        _, chunks = programs(self.frame)
        channels = self.frame.channels
        slic.update[(len(box[1]), len(box[0]))](
            self.sums, self.centres, self.cell, self.frame.lattice.cells[0], *box.start,
            C=channels, VALUES=1 << (channels + 2).bit_length(), CHUNKS=chunks, num_warps=1,
        )  # fmt: skip

    def associate(self, box: Box, *, last: bool) -> None:
        """Give the pixels of a box of cells to their nearest candidates."""
        slic.associate[self.grid(box)](
            self.image, self.cell, self.tables, self.centres, self.sums, self.codes, *box.start,
            LAST=last, **self.options,
        )  # fmt: skip

    def weigh(self, box: Box, color: int) -> None:
        """Weigh the pixels of a box of cells."""
        exponential, last, shift = _exponential(color, str(self.pixels.data.device))
        soft.weigh[self.grid(box)](
            self.image, self.cell, self.tables, self.centres, self.sums, *box.start,
            exponential, last, shift, **self.options,
        )  # fmt: skip


@lru_cache(maxsize=64)
def _pixels(step: tuple[int, int], position: int, count: int, device: str) -> Tensor:
    """Return `Cell.pixels`."""
    v, u = np.divmod(np.arange(count), step[1])
    y, x = (position_table(s, position)[np.minimum(n, s - 1)] for n, s in zip((v, u), step))
    words = np.stack((v << 16 | u, y << 16 | x)).astype(np.int32)
    return torch.from_numpy(words).to(device)


@lru_cache(maxsize=16)
def _tables(device: str) -> tuple[Tensor, Tensor]:
    tables = tristimulus_table(), root_table().view(np.int32)
    return tuple(torch.from_numpy(each.copy()).to(device) for each in tables)  # type: ignore[return-value]


@lru_cache(maxsize=64)
def _exponential(color: int, device: str) -> tuple[Tensor, int, int]:
    weights = weights_for(color)
    table = torch.from_numpy(weights.table.copy()).to(device)
    return table, len(weights.table) - 1, weights.shift


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done with the pixels of a tile."""

    frame: Frame
    """How they are cut into cells."""
    iterations: int
    cut: Cut
    """Both as for `kernels.slic.cluster`."""
    color: int
    """Quanta a Lab unit."""
    soft: bool
    """Whether all pixels move all their candidates, as in `kernels.soft`."""
    features_at: FeaturesAt
    """For what follows on the processor."""


def run_kernels(pixels: Pixels, job: Job, pulse: Callable[[], None]) -> tuple[Launch, Box]:
    """Cluster pixels on their device; return its memory and the cells whose codes hold.

    Nothing waits for the device. `pulse` is called between launches.

    Raises
    ------
    torch.OutOfMemoryError
        If the device's memory does not suffice.
    """
    launch = Launch(pixels, job.frame, wide=job.soft)
    launch.start()
    rows, columns = job.frame.lattice.cells
    exact = Box.whole((rows, columns))
    for association in range(1, job.iterations + 1):
        pulse()
        launch.update(exact_cells((rows, columns), job.cut, 2 * association - 2))
        exact = exact_cells((rows, columns), job.cut, 2 * association - 1)
        if job.soft and association < job.iterations:
            launch.weigh(exact, job.color)
        else:
            launch.associate(exact, last=association == job.iterations)
    return launch, exact


def cluster(pixels: Pixels, job: Job, pulse: Callable[[], None]) -> Clustered:
    """Cluster as `run_kernels`, inside `on_card`, and bring back what the processor needs."""
    launch, exact = run_kernels(pixels, job, pulse)
    return Clustered(
        frame=job.frame,
        exact=exact,
        complete=pixels.valid is None,
        values=to_host(launch.values),
        candidate=to_host(launch.state) != 0,
        image=to_host(launch.codes),
        features_at=job.features_at,
    )


def marked(data: Tensor, valid: NDArray[np.bool_] | None, scale: int = 1) -> Pixels:
    """Return pixels on a device with what of them holds data, (Y, X); None for all."""
    if valid is None or valid.all():
        return Pixels(data, None, scale)
    # Kernels find it row by row; a reader may have made it of columns, as its image is.
    return Pixels(data, to_device(np.ascontiguousarray(valid), str(data.device)), scale)


def cluster_tile(
    samples: NDArray[Any],
    valid: NDArray[np.bool_] | None,
    job: Job,
    device: str,
    pulse: Callable[[], None],
) -> Clustered | None:
    """Cluster a tile of the host's memory; None, and a line in the log, where it is too large.

    Parameters
    ----------
    samples
        Integer features, int16 (C, Y, X), or 8-bit RGB, uint8 (3, Y, X).
    valid
        Which pixels hold data, (Y, X); None for all.
    job, pulse
        As for `cluster`.
    device
        ``"cuda:0"``, say; with ``"cpu"`` Triton's interpreter runs the kernels.
    """
    try:
        with on_card(device):
            pixels = marked(to_device(samples, device), valid, job.color)
            if countable(pixels, job.frame):
                return cluster(pixels, job, pulse)
        reason = "its kernels count too few elements"
    except torch.OutOfMemoryError:
        reason = "it has too little memory"
    logger.warning(
        "%s leaves a window of %d x %d px to the processor: %s.",
        device, *job.frame.lattice.shape, reason,
    )  # fmt: skip
    return None


def try_kernels(device: str) -> None:
    """Cluster a tiny image, so that what cannot work is told before anything depends on it.

    Raises
    ------
    Exception
        Of many kinds, if Triton is not there, finds no compiler, cannot compile, or does not work
        on this device.
    """
    frame = Frame(Lattice((8, 8), (4, 4)), 3, 144)

    def black(y: NDArray[np.int64], _x: NDArray[np.int64]) -> NDArray[np.int16]:
        return np.zeros((3, len(y)), np.int16)

    job = Job(frame, 1, WHOLE, 15, soft=False, features_at=black)
    with on_card(device):
        cluster(Pixels(to_device(np.zeros((3, 8, 8), np.uint8), device), None), job, lambda: None)
