"""Features of pixels as integers: what a quantum is, and how channels become quanta."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt, sqrt
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

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


def quantize(
    values: NDArray[np.float64], low: float, high: float, color: int, channels: int
) -> NDArray[np.int16]:
    """Turn samples of one of `channels` channels into quanta; the formula of `channel_features`."""
    unit = color * SPAN / sqrt(channels)
    if not high > low:
        return np.zeros(values.shape, np.int16)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = unit * ((values - low) / (high - low))
        scaled = np.clip(scaled, unit * LOWEST / SPAN, unit * HIGHEST / SPAN)
        scaled = np.where(np.isfinite(values) & np.isfinite(scaled), np.rint(scaled), 0.0)
    return scaled.astype(np.int16)


@njit(nogil=True, cache=True)
def _look_up(pixels, table, first, out) -> None:  # type: ignore[no-untyped-def]  # pragma: no cover
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            out[y, x] = table[np.int64(pixels[y, x]) - first]


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
        Samples, shape (C, Y, X), integer or floating; any strides.
    low, high
        One pair a channel, as the 1st and 99th percentile of the whole image.
    quanta
        The resolution.

    Returns
    -------
    ndarray of int16, shape (C, Y, X)
    """
    out = np.empty(pixels.shape, np.int16)
    for channel, bounds in enumerate(zip(low, high, strict=True)):
        _one_channel(pixels[channel], bounds, quanta.color, out[channel], len(pixels))
    return out


def _one_channel(
    pixels: NDArray[Any],
    bounds: tuple[float, float],
    color: int,
    out: NDArray[np.int16],
    channels: int,
) -> None:
    if pixels.dtype.kind in "iu" and pixels.dtype.itemsize <= 2:
        info = np.iinfo(pixels.dtype)
        every = np.arange(info.min, int(info.max) + 1, dtype=np.float64)
        table = quantize(every, *bounds, color, channels)
        _look_up(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("=")), table, info.min, out)
    else:
        out[...] = quantize(pixels.astype(np.float64), *bounds, color, channels)


def stretch_to_8bit(pixels: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Map low..high to 0..255, clipped and rounded half to even; what is not finite becomes 0.

    Parameters
    ----------
    pixels
        Samples of any real type and shape.
    low, high
        The ends of the range; everything is 0 where high is not above low.

    Returns
    -------
    ndarray of uint8, shape of `pixels`
    """
    if not high > low:
        return np.zeros(pixels.shape, np.uint8)
    values = pixels.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.clip(255.0 * ((values - low) / (high - low)), 0.0, 255.0)
        return np.where(np.isfinite(values) & np.isfinite(scaled), np.rint(scaled), 0.0).astype(
            np.uint8
        )
