"""CIE Lab of 8-bit sRGB in integers: the same numbers on every machine.

Every 8-bit level contributes a tabulated integer to X, Y and Z (each relative to the white D65,
in units of 2^-22); the cube root is interpolated in a table of 4096 steps, in units of 2^-16. For
greys X = Y = Z holds exactly, so they have no colour.
"""

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

TRISTIMULUS_BITS = 22
ROOT_BITS = 16
FRACTION_BITS = 10
MAX_SCALE = 64
"""The largest scale for which 32 bits hold every product."""

_XYZ_OF_RGB = (
    (0.4123908, 0.3575843, 0.1804808),
    (0.2126390, 0.7151687, 0.0721923),
    (0.0193308, 0.1191948, 0.9505322),
)
"""Linear sRGB (IEC 61966-2-1) to CIE XYZ; the sum of a row is the white."""


@lru_cache(maxsize=1)
def tristimulus_table() -> NDArray[np.int32]:
    """Contribution of each level of R, G, B to X, Y, Z, shape (3 rgb, 256, 4: xyz and padding)."""
    level = np.arange(256) / 255.0
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    matrix = np.array(_XYZ_OF_RGB)
    weights = matrix / matrix.sum(axis=1, keepdims=True)
    table = np.zeros((3, 256, 4), np.int32)
    scaled = linear[None, :, None] * weights.T[:, None, :] * 2**TRISTIMULUS_BITS
    table[:, :, :3] = np.rint(scaled)
    # The green share, the largest of Y, takes up the rounding: greys are exactly neutral.
    total = np.rint(linear * 2**TRISTIMULUS_BITS).astype(np.int32)
    table[1, :, :3] = total[:, None] - table[0, :, :3] - table[2, :, :3]
    table.flags.writeable = False
    return table


@lru_cache(maxsize=1)
def root_table() -> NDArray[np.int32]:
    """CIE's f(t) at t = i / 4096 and its increase up to the next i, shape (4097, 2)."""
    steps = 1 << (TRISTIMULUS_BITS - FRACTION_BITS)
    t = np.arange(steps + 2) / steps
    root = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    value = np.rint(root * 2**ROOT_BITS).astype(np.int32)
    table = np.stack([value[:-1], np.diff(value)], axis=1)
    table.flags.writeable = False
    return table


@njit(nogil=True, cache=True, inline="always")
def _root(t, roots):  # type: ignore[no-untyped-def]  # pragma: no cover
    index = t >> FRACTION_BITS
    fraction = t & ((1 << FRACTION_BITS) - 1)
    return roots[index, 0] + ((roots[index, 1] * fraction) >> FRACTION_BITS)


@njit(nogil=True, cache=True)
def _convert(rgb, shares, roots, scale, out) -> None:  # type: ignore[no-untyped-def]  # pragma: no cover
    half = 1 << (ROOT_BITS - 1)
    for y in range(rgb.shape[1]):
        for x in range(rgb.shape[2]):
            r, g, b = rgb[0, y, x], rgb[1, y, x], rgb[2, y, x]
            fx = _root(shares[0, r, 0] + shares[1, g, 0] + shares[2, b, 0], roots)
            fy = _root(shares[0, r, 1] + shares[1, g, 1] + shares[2, b, 1], roots)
            fz = _root(shares[0, r, 2] + shares[1, g, 2] + shares[2, b, 2], roots)
            out[0, y, x] = (scale * (116 * fy - (16 << ROOT_BITS)) + half) >> ROOT_BITS
            out[1, y, x] = (500 * scale * (fx - fy) + half) >> ROOT_BITS
            out[2, y, x] = (200 * scale * (fy - fz) + half) >> ROOT_BITS


def rgb_to_lab(rgb: NDArray[np.uint8], scale: int) -> NDArray[np.int16]:
    """Convert 8-bit sRGB to CIE Lab (D65, 2 degrees) in integers.

    Parameters
    ----------
    rgb
        Samples, uint8, shape (3, Y, X); any strides.
    scale
        Quanta a Lab unit, 1 to `MAX_SCALE`.

    Returns
    -------
    ndarray of int16, shape (3, Y, X)
        L, a, b times `scale`, rounded; within one quantum of the float formula up to a scale of
        16.
    """
    assert rgb.dtype == np.uint8, "callers stretch other types"
    assert len(rgb) == 3, "red, green, blue"
    assert 1 <= scale <= MAX_SCALE, "32 bits hold no more"
    out = np.empty(rgb.shape, np.int16)
    _convert(rgb, tristimulus_table(), root_table(), scale, out)
    return out
