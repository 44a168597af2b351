"""SLIC, the hard form: settings, and the model that the engine runs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.kernels.bands import Bands, banded
from napari_superpixels.kernels.cells import Cells, Frame
from napari_superpixels.kernels.connectivity import HALO_CELLS, connect
from napari_superpixels.kernels.connectivity import bytes_for as connectivity_bytes
from napari_superpixels.kernels.features import (
    MAX_COMPACTNESS,
    Quanta,
    channel_features,
    stretch_to_8bit,
)
from napari_superpixels.kernels.lab import rgb_to_lab
from napari_superpixels.kernels.slic import cluster
from napari_superpixels.models.protocol import NODATA_CODE, Codes, ImageFacts, Tile
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.tiling import Box
from napari_superpixels.tiling.lattice import Lattice

DEFAULT_COMPACTNESS = 2.5 / 0.26
"""The scales of position and colour of SSN (Jampani et al. 2018): one cell weighs 9.6 Lab units."""

MIN_STEP = 2


def _whole_number(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slic:
    """SLIC (Achanta et al. 2012) restricted to the 9 cells around a pixel, in exact integers.

    Raises
    ------
    InputError
        If a setting cannot be used.
    """

    name: ClassVar[str] = "slic"
    revision: ClassVar[int] = 1
    align_cells: ClassVar[int] = 1
    fixed_windows: ClassVar[bool] = False

    step: int = 16
    """Size of a cell, in pixels."""
    compactness: float = DEFAULT_COMPACTNESS
    """Distance in colour that weighs as much as one cell of distance, in Lab units."""
    iterations: int = 10
    """Number of associations (one fewer updates of the centres lie between them)."""

    def __post_init__(self) -> None:
        if not _whole_number(self.step) or self.step < MIN_STEP:
            raise InputError(
                f"step is {self.step!r}, but it must be a whole number of pixels, {MIN_STEP} or "
                f"more; give e.g. step=16"
            )
        if not _whole_number(self.iterations) or self.iterations < 1:
            raise InputError(
                f"iterations is {self.iterations!r}, but it must be a whole number, 1 or more; "
                f"give e.g. iterations=10"
            )
        self._check_compactness()

    def _check_compactness(self) -> None:
        value: Any = self.compactness
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not isfinite(value) or not 0 < value <= MAX_COMPACTNESS:
            raise InputError(
                f"compactness is {value!r}, but it must be a number above 0, at most "
                f"{MAX_COMPACTNESS:g}; give e.g. compactness=10"
            )

    @property
    def halo_cells(self) -> int:
        """Cells around a core on which its labels depend."""
        return 2 * self.iterations - 1 + HALO_CELLS

    def needs_statistics(self, facts: ImageFacts) -> bool:
        """Whether whole-image statistics must be measured first: not for 8-bit RGB."""
        return not (facts.rgb and facts.dtype == np.uint8)

    def model(self, facts: ImageFacts, statistics: Statistics | None) -> "SlicModel":
        """Make the callable that the engine runs.

        Raises
        ------
        InputError
            If the samples are no real numbers.
        """
        if facts.dtype.kind not in "biuf":
            raise InputError(
                f"The samples are of type {facts.dtype}, but slic needs real numbers; convert "
                f"them first, e.g. with abs()"
            )
        ranges: tuple[tuple[float, float], ...] = ()
        if self.needs_statistics(facts):
            assert statistics is not None, "the engine measures what needs_statistics asks for"
            ranges = _joint_range(statistics) if facts.rgb else _channel_ranges(statistics)
        quanta = Quanta.for_compactness(float(self.compactness))
        return SlicModel(
            step=int(self.step),
            iterations=int(self.iterations),
            quanta=quanta,
            channels=facts.channels,
            rgb=facts.rgb,
            ranges=ranges,
        )


def _channel_ranges(statistics: Statistics) -> tuple[tuple[float, float], ...]:
    """The ends of each channel: its percentiles, or its extremes where they coincide."""
    percentiles = zip(statistics.low, statistics.high, strict=True)
    extremes = zip(statistics.minimum, statistics.maximum, strict=True)
    return tuple(
        pair if pair[0] < pair[1] else outer
        for pair, outer in zip(percentiles, extremes, strict=True)
    )


def _joint_range(statistics: Statistics) -> tuple[tuple[float, float], ...]:
    """The same for all channels together."""
    if statistics.joint_low < statistics.joint_high:
        return ((statistics.joint_low, statistics.joint_high),)
    return ((min(statistics.minimum), max(statistics.maximum)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicModel:
    """`Slic`, made ready for one image."""

    step: int
    """Size of a cell, in pixels; a tile may have its own."""
    iterations: int
    """Number of associations."""
    quanta: Quanta
    """The resolution of distances."""
    channels: int
    """Channels of the image."""
    rgb: bool
    """Whether features are Lab."""
    ranges: tuple[tuple[float, float], ...]
    """What to stretch: one pair a channel, one for all of RGB, none for 8-bit RGB."""

    def __call__(self, tile: Tile, *, threads: int = 1, pulse: Callable[[], None]) -> Codes:
        """Assign the pixels of the wanted cells; see `models.protocol.Model`."""
        with banded(threads, pulse) as bands:
            return self._assign(tile, threads, bands)

    def _assign(self, tile: Tile, threads: int, bands: Bands) -> Codes:
        frame = self._frame((tile.pixels.shape[1], tile.pixels.shape[2]), tile.step)
        cells = Cells.gather(frame, partial(self._rows, tile), bands)
        result = cluster(cells, self.iterations, cut=tile.cut, bands=bands)
        near = Box(tuple(side.grow(HALO_CELLS) for side in tile.wanted))
        near = near.clip(Box.whole(cells.grid))
        assert result.exact.covers(near), "the tile's halo is too small for what is wanted"
        codes = result.codes(near, bands)
        valid = None if cells.complete else codes != NODATA_CODE
        connected = connect(
            codes, valid, tile.step, result.cost(near), threads=threads, pulse=bands.pulse
        )
        to_pixels = frame.lattice.to_pixels
        return connected[to_pixels(tile.wanted).relative_to(to_pixels(near)).slices]

    def _frame(self, shape: tuple[int, int], step: tuple[int, int]) -> Frame:
        return Frame(Lattice(shape, step), self.channels, self.quanta.position)

    def _rows(self, tile: Tile, part: slice) -> tuple[NDArray[np.int16], NDArray[np.bool_] | None]:
        """Features and validity of a range of pixel rows of a tile."""
        pixels = tile.pixels[:, part]
        valid = None if tile.valid is None else tile.valid[part]
        if pixels.dtype.kind == "f":
            finite = np.isfinite(pixels).all(axis=0)
            valid = finite if valid is None else valid & finite
        return self.features(pixels), valid

    def features(self, pixels: NDArray[Any]) -> NDArray[np.int16]:
        """Turn samples, shape (C, Y, X), into integer features of the same shape."""
        if pixels.dtype == np.bool_:
            pixels = pixels.view(np.uint8)
        if self.rgb:
            samples = stretch_to_8bit(pixels, *self.ranges[0]) if self.ranges else pixels
            return rgb_to_lab(samples, self.quanta.color)
        low, high = zip(*self.ranges, strict=True)
        return channel_features(pixels, low, high, self.quanta)

    def bytes_for(self, shape: tuple[int, int]) -> int:
        """Return an upper bound of the memory used for a tile of that shape, in bytes."""
        step = (self.step, self.step)
        frame = self._frame(shape, step)
        pixels = shape[0] * shape[1]
        return frame.bytes + pixels * 2 + connectivity_bytes(shape, step, threads=2)
