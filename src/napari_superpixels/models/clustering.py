"""What the clustering methods share: settings' limits, features, and the model the engine runs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite, isqrt
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.kernels.bands import BANDS_A_THREAD, Bands, banded
from napari_superpixels.kernels.cells import LARGEST_CELL, Cells, Frame
from napari_superpixels.kernels.cone import Cut
from napari_superpixels.kernels.connectivity import HALO_CELLS, connect
from napari_superpixels.kernels.connectivity import bytes_for as connectivity_bytes
from napari_superpixels.kernels.features import (
    MAX_COMPACTNESS,
    Quanta,
    channel_features,
    stretch_to_8bit,
)
from napari_superpixels.kernels.lab import rgb_to_lab
from napari_superpixels.kernels.slic import SlicResult
from napari_superpixels.models.compute import ON_PROCESSOR, Compute, kernels_device
from napari_superpixels.models.protocol import NODATA_CODE, Codes, ImageFacts, Tile
from napari_superpixels.models.settings import About
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.tiling import Box
from napari_superpixels.tiling.lattice import Lattice

SSN_COMPACTNESS = 2.5 / 0.26
"""The scales of position and colour of SSN (Jampani et al. 2018): one cell weighs 9.6 Lab units."""

MIN_STEP = 2
MAX_STEP = isqrt(LARGEST_CELL)
"""Larger cells would overflow sums; a coarser level of the image serves them better anyway."""

STEP = About(
    text="Size of a cell, and so about that of a superpixel.",
    unit="px",
    low=MIN_STEP,
    high=MAX_STEP,
)
COMPACTNESS = About(
    text="Distance in colour that weighs as much as one cell of distance: larger is rounder.",
    unit="Lab units",
    low=0.1,
    high=MAX_COMPACTNESS,
)
ITERATIONS = About(
    text="How often pixels are assigned anew; more is slower and settles the borders.",
    low=1,
    high=100,
)

MOST_THREADS = 8
"""Threads that a tile uses at most, so that its memory has a bound whatever the machine."""


def _whole_number(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


class Clusterer(Protocol):
    """Clusters cells in place; a function, or a partial one, so that models can be pickled."""

    def __call__(self, cells: Cells, iterations: int, *, cut: Cut, bands: Bands) -> SlicResult:
        """See `kernels.slic.cluster`."""
        ...


class Clustering(Protocol):
    """What clustering gives, on whatever device: `SlicResult` or `Clustered`."""

    @property
    def frame(self) -> Frame: ...
    @property
    def exact(self) -> Box: ...
    @property
    def complete(self) -> bool: ...
    def codes(self, box: Box, bands: Bands) -> Codes:
        """See `kernels.slic.SlicResult`."""
        ...

    def cost(self, box: Box) -> Callable[[NDArray[np.int64], Codes], NDArray[np.int32]]:
        """See `kernels.slic.SlicResult`."""
        ...


class Settings(Protocol):
    """The settings of every clustering method."""

    @property
    def name(self) -> str: ...
    @property
    def step(self) -> int: ...
    @property
    def compactness(self) -> float: ...
    @property
    def iterations(self) -> int: ...


def check(settings: Settings) -> None:
    """Refuse settings that cannot be used.

    Raises
    ------
    InputError
        With the value, what it must be, and an example.
    """
    check_step(settings.step)
    check_iterations(settings.iterations)
    value: Any = settings.compactness
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not isfinite(value) or not 0 < value <= MAX_COMPACTNESS:
        raise InputError(
            f"compactness is {value!r}, but it must be a number above 0, at most "
            f"{MAX_COMPACTNESS:g}; give e.g. compactness=10"
        )


def check_step(step: Any) -> None:
    """Refuse a step that is no number of pixels from `MIN_STEP` to `MAX_STEP`.

    Raises
    ------
    InputError
        With the value and an example.
    """
    if not _whole_number(step) or not MIN_STEP <= step <= MAX_STEP:
        raise InputError(
            f"step is {step!r}, but it must be a whole number of pixels, {MIN_STEP} to {MAX_STEP}; "
            f"give e.g. step=16, for larger superpixels with a coarser level of the image"
        )


def check_iterations(iterations: Any) -> None:
    """Refuse a number of associations that is not whole and 1 or more.

    Raises
    ------
    InputError
        With the value and an example.
    """
    if not _whole_number(iterations) or iterations < 1:
        raise InputError(
            f"iterations is {iterations!r}, but it must be a whole number, 1 or more; give e.g. "
            f"iterations=10"
        )


def settle(settings: Settings) -> None:
    """Turn numbers of numpy's types into Python's own, in place: JSON holds no others."""
    for name, kind in (("step", int), ("iterations", int), ("compactness", float)):
        object.__setattr__(settings, name, kind(getattr(settings, name)))


def halo_cells(iterations: int) -> int:
    """Return how many cells around a core its labels depend on: the cone, then connectivity."""
    return 2 * iterations - 1 + HALO_CELLS


def needs_statistics(facts: ImageFacts) -> bool:
    """Whether whole-image statistics must be measured first: not for 8-bit RGB."""
    return not (facts.rgb and facts.dtype == np.uint8)


def cluster_model(
    settings: Settings,
    facts: ImageFacts,
    statistics: Statistics | None,
    clusterer: Callable[[Quanta], Clusterer],
    *,
    soft: bool = False,
) -> "ClusterModel":
    """Make the callable that the engine runs, around a clusterer for the resolution chosen.

    `soft` says which one it is to other devices.

    Raises
    ------
    InputError
        If the samples are no real numbers.
    """
    check_samples(settings.name, facts)
    quanta = Quanta.for_compactness(float(settings.compactness))
    return ClusterModel(
        step=int(settings.step),
        iterations=int(settings.iterations),
        quanta=quanta,
        channels=facts.channels,
        rgb=facts.rgb,
        ranges=stretch_ranges(facts, statistics),
        clusterer=clusterer(quanta),
        soft=soft,
    )


def check_samples(name: str, facts: ImageFacts) -> None:
    """Refuse samples that are no real numbers.

    Raises
    ------
    InputError
        With their type.
    """
    if facts.dtype.kind not in "biuf":
        raise InputError(
            f"The samples are of type {facts.dtype}, but {name} needs real numbers; convert them "
            f"first, e.g. with abs()"
        )


def stretch_ranges(
    facts: ImageFacts, statistics: Statistics | None
) -> tuple[tuple[float, float], ...]:
    """Return what to stretch: one pair a channel, one for all of RGB, none for 8-bit RGB."""
    if not needs_statistics(facts):
        return ()
    assert statistics is not None, "the engine measures what needs_statistics asks for"
    return _joint_range(statistics) if facts.rgb else _channel_ranges(statistics)


def valid_of(pixels: NDArray[Any], valid: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Return which pixels hold data, (Y, X), NaN and infinity are none; None for all."""
    if pixels.dtype.kind != "f":
        return valid
    finite: NDArray[np.bool_] = np.isfinite(pixels).all(axis=0)
    return finite if valid is None else valid & finite


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


def connected(result: Clustering, wanted: Box, threads: int, bands: Bands) -> Codes:
    """Return the connected codes of some cells of a clustering."""
    lattice = result.frame.lattice
    near = Box(tuple(side.grow(HALO_CELLS) for side in wanted)).clip(Box.whole(lattice.cells))
    assert result.exact.covers(near), "the tile's halo is too small for what is wanted"
    codes = result.codes(near, bands)
    valid = None if result.complete else codes != NODATA_CODE
    cost, step = result.cost(near), result.frame.step
    whole = connect(codes, valid, step, cost, threads=threads, pulse=bands.pulse)
    place = lattice.to_pixels(wanted).relative_to(lattice.to_pixels(near))
    inner: Codes = whole[place.slices]
    return inner


def cluster_bytes(frame: Frame, bands: int) -> int:
    """Return an upper bound of what clustering uses, cells counted, in so many bands at most."""
    lattice, channels = frame.lattice, frame.channels
    centres = lattice.cells_per_plane * 4 * (2 * channels + 5)
    # Sums once more, and those of bands, which reach one row of cells beyond on either side.
    overlap = 2 * bands * lattice.cells[1]
    sums = (2 * lattice.cells_per_plane + overlap) * 8 * (channels + 3)
    return frame.bytes + centres + sums


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterModel:
    """A clustering method, made ready for one image."""

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
    clusterer: Clusterer
    """What assigns the pixels, on the processor."""
    soft: bool = False
    """Whether that is the soft form."""
    compute: Compute = ON_PROCESSOR
    """Where it is wished to compute; the same bits everywhere."""

    def on(self, compute: Compute) -> "ClusterModel":
        """Return the same model, computing there; see `models.compute.Movable`."""
        return replace(self, compute=compute)

    def __call__(self, tile: Tile, *, threads: int = 1, pulse: Callable[[], None]) -> Codes:
        """Assign the pixels of the wanted cells; see `models.protocol.Model`."""
        used = min(threads, MOST_THREADS)
        with banded(used, pulse) as bands:
            return self._assign(tile, used, bands)

    def _assign(self, tile: Tile, threads: int, bands: Bands) -> Codes:
        frame = self._frame((tile.pixels.shape[1], tile.pixels.shape[2]), tile.step)
        result = self._clustered_on_device(tile, frame, bands.pulse)
        if result is None:
            cells = Cells.gather(frame, partial(self._rows, tile), bands)
            result = self.clusterer(cells, self.iterations, cut=tile.cut, bands=bands)
        return connected(result, tile.wanted, threads, bands)

    def _clustered_on_device(
        self, tile: Tile, frame: Frame, pulse: Callable[[], None]
    ) -> Clustering | None:
        """Cluster on a graphics card; None where there is none, or too little of its memory."""
        device = kernels_device(self.compute)
        if device is None:
            return None
        from napari_superpixels.models.on_cuda import Job, cluster_tile

        def features_at(y: NDArray[np.int64], x: NDArray[np.int64]) -> NDArray[np.int16]:
            return self.features(tile.pixels[:, y, x][:, None])[:, 0]

        samples = self.rgb_samples(tile.pixels) if self.rgb else self.features(tile.pixels)
        job = Job(frame, self.iterations, tile.cut, self.quanta.color, self.soft, features_at)
        return cluster_tile(samples, valid_of(tile.pixels, tile.valid), job, device, pulse)

    def _frame(self, shape: tuple[int, int], step: tuple[int, int]) -> Frame:
        return Frame(Lattice(shape, step), self.channels, self.quanta.position)

    def _rows(self, tile: Tile, part: slice) -> tuple[NDArray[np.int16], NDArray[np.bool_] | None]:
        """Features and validity of a range of pixel rows of a tile."""
        pixels = tile.pixels[:, part]
        return self.features(pixels), valid_of(
            pixels, None if tile.valid is None else tile.valid[part]
        )

    def features(self, pixels: NDArray[Any]) -> NDArray[np.int16]:
        """Turn samples, shape (C, Y, X), into integer features of the same shape."""
        if self.rgb:
            return rgb_to_lab(self.rgb_samples(pixels), self.quanta.color)
        if pixels.dtype == np.bool_:
            pixels = pixels.view(np.uint8)
        low, high = zip(*self.ranges, strict=True)
        return channel_features(pixels, low, high, self.quanta)

    def rgb_samples(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """Return RGB samples as 8 bits, (3, Y, X); those that have 8 as they are."""
        if pixels.dtype == np.bool_:
            pixels = pixels.view(np.uint8)
        return stretch_to_8bit(pixels, *self.ranges[0]) if self.ranges else pixels

    def prepare(self) -> None:
        """Load nothing; see `models.protocol.Model`."""

    def device_bytes_for(self, _shape: tuple[int, int]) -> int:
        """Return 0: what does not fit on a device is computed on the processor, the same bits."""
        return 0

    def held_bytes_for(self, _shape: tuple[int, int]) -> int:
        """Return 0: features are made again of the few pixels that are asked for."""
        return 0

    def bytes_for(self, shape: tuple[int, int]) -> int:
        """Return an upper bound of the memory used for a tile of that shape, in bytes."""
        step = (self.step, self.step)
        connectivity = 2 * shape[0] * shape[1] + connectivity_bytes(
            shape, step, threads=MOST_THREADS
        )
        return cluster_bytes(self._frame(shape, step), BANDS_A_THREAD * MOST_THREADS) + connectivity
