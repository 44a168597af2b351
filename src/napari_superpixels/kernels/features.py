"""Features of pixels as integers: what a quantum is, and how channels become quanta."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.jit import kernel

DISTANCE_LIMIT = 2**24
"""Squared distances stay below this, so float32 holds them exactly too."""

COLOR_DIAMETER = 260
"""No two sRGB colours are further apart in Lab (the largest distance is 258.7)."""

MAX_COMPACTNESS = 960.0
"""Above this even one quantum a Lab unit would break `DISTANCE_LIMIT`."""

SPAN = 100.0
"""Lab units between the low and the high end of all channels together: black to white."""
LOWEST, HIGHEST = -80.0, 180.0
"""Lab units at which outliers are clipped; their difference is `COLOR_DIAMETER`."""


@dataclass(frozen=True, slots=True)
class Quanta:
    """How fine the integers are in which distances are measured."""

    color: int
    """Quanta a Lab unit."""
    position: int
    """Quanta a cell, along y as along x."""

    @classmethod
    def for_compactness(cls, compactness: float) -> Self:
        """Choose the finest quanta whose squared distances stay below `DISTANCE_LIMIT`.

        Parameters
        ----------
        compactness
            Lab units that weigh as much as one cell of distance, above 0, at most
            `MAX_COMPACTNESS`.
        """
        assert 0 < compactness <= MAX_COMPACTNESS, "callers check the compactness"
        # A pixel and the centre of a candidate lie within 3 cells of each other along an axis.
        reach = COLOR_DIAMETER**2 + 2 * (3 * compactness) ** 2
        color = max(1, isqrt(int(DISTANCE_LIMIT / reach)))
        return cls(color, round(color * compactness))


@dataclass(frozen=True, slots=True)
class _Ramp:
    """A straight line through samples, clipped and rounded half to even, in float64."""

    low: float
    """The sample that becomes 0."""
    high: float
    """The sample that becomes `unit`; if it is not above `low`, all become 0."""
    unit: float
    floor: float
    ceiling: float

    def apply(self, pixels: NDArray[Any], out: NDArray[Any]) -> None:
        """Fill `out` from samples of any real type, shape (Y, X)."""
        samples = _native(pixels)
        if not self.high > self.low:
            out[...] = 0
        elif samples.dtype.kind in "iu" and samples.dtype.itemsize <= 2:
            first = int(np.iinfo(samples.dtype).min)
            _look_up(samples, _table(self, samples.dtype.str, out.dtype.str), first, out)
        else:
            self.compute(samples, out)

    def compute(self, samples: NDArray[Any], out: NDArray[Any]) -> None:
        """Fill `out` without a table."""
        _scale(samples, self.low, self.high, self.unit, self.floor, self.ceiling, out)


@lru_cache(maxsize=64)
def _table(ramp: _Ramp, dtype: str, result: str) -> NDArray[Any]:
    """Tabulate a ramp for all values of an integer type of 8 or 16 bits."""
    info = np.iinfo(dtype)
    every = np.arange(info.min, int(info.max) + 1, dtype=np.int32)
    table = np.empty((1, len(every)), result)
    ramp.compute(every[None], table)
    flat: NDArray[Any] = table[0]
    return flat


def _native(pixels: NDArray[Any]) -> NDArray[Any]:
    """Make samples contiguous and of a type that numba knows."""
    dtype = pixels.dtype.newbyteorder("=")
    if dtype == np.bool_:
        dtype = np.dtype(np.uint8)
    elif dtype.kind == "f" and dtype.itemsize not in (4, 8):
        dtype = np.dtype(np.float64)
    return np.ascontiguousarray(pixels, dtype)


@kernel()
def _look_up(pixels: NDArray[Any], table: NDArray[Any], first: int, out: NDArray[Any]) -> None:
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            out[y, x] = table[np.uintp(np.int64(pixels[y, x]) - first)]


@kernel(error_model="numpy")
def _scale(
    pixels: NDArray[Any],
    low: float,
    high: float,
    unit: float,
    floor: float,
    ceiling: float,
    out: NDArray[Any],
) -> None:
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            sample = np.float64(pixels[y, x])
            value = unit * ((sample - low) / (high - low))
            # The second test is for inf / inf, where the range overflows.
            if np.isfinite(sample) and not np.isnan(value):
                out[y, x] = np.rint(min(max(value, floor), ceiling))
            else:
                out[y, x] = 0


def channel_features(
    pixels: NDArray[Any], low: Sequence[float], high: Sequence[float], quanta: Quanta
) -> NDArray[np.int16]:
    """Turn channels into features: all channels from low to high together weigh 100 Lab units.

    With A quanta a Lab unit, a sample x of one of C channels becomes ``A * 100 / sqrt(C) *
    (x - low) / (high - low)``, clipped to ``A / sqrt(C)`` times -80 .. 180, rounded half to even
    in float64. Where high is not above low the channel is 0; so are samples that are not finite.

    Parameters
    ----------
    pixels
        Samples, shape (C, Y, X), boolean, integer or floating; any strides.
    low, high
        One pair a channel, as the 1st and 99th percentile of the whole image.
    quanta
        The resolution.

    Returns
    -------
    ndarray of int16, shape (C, Y, X)
    """
    share = quanta.color / sqrt(len(pixels))
    out = np.empty(pixels.shape, np.int16)
    for channel, (bottom, top) in enumerate(zip(low, high, strict=True)):
        ramp = _Ramp(bottom, top, SPAN * share, LOWEST * share, HIGHEST * share)
        ramp.apply(pixels[channel], out[channel])
    return out


def stretch_to_8bit(pixels: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Map low..high to 0..255, clipped and rounded half to even; what is not finite becomes 0.

    Parameters
    ----------
    pixels
        Samples, shape (C, Y, X), boolean, integer or floating; any strides.
    low, high
        The ends of the range; everything is 0 where high is not above low.

    Returns
    -------
    ndarray of uint8, shape (C, Y, X)
    """
    ramp = _Ramp(low, high, 255.0, 0.0, 255.0)
    out = np.empty(pixels.shape, np.uint8)
    for channel in range(len(pixels)):
        ramp.apply(pixels[channel], out[channel])
    return out
