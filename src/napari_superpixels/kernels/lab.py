"""CIE Lab of 8-bit sRGB in integers: the same numbers on every machine.

Every 8-bit level contributes a tabulated integer to X, Y and Z (each relative to the white D65, in
units of 2^-22); the cube root is interpolated in a table of 4096 steps, in units of 2^-16. For
greys X = Y = Z holds exactly, so they have no colour.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.jit import kernel

TRISTIMULUS_BITS = 22
ROOT_BITS = 16
FRACTION_BITS = 10
VALUE_BITS = 24
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
    """Return what each level of R, G, B adds to X, Y, Z, shape (3 rgb, 256, 4: xyz and nothing)."""
    level = np.arange(256) / 255.0
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    matrix = np.array(_XYZ_OF_RGB)
    weights = matrix / matrix.sum(axis=1, keepdims=True)
    table = np.zeros((3, 256, 4), np.int32)
    table[:, :, :3] = np.rint(linear[None, :, None] * weights.T[:, None, :] * 2**TRISTIMULUS_BITS)
    # The share of green takes up the rounding, so that greys are exactly neutral.
    total = np.rint(linear * 2**TRISTIMULUS_BITS).astype(np.int32)
    table[1, :, :3] = total[:, None] - table[0, :, :3] - table[2, :, :3]
    table.flags.writeable = False
    return table


@lru_cache(maxsize=1)
def root_table() -> NDArray[np.uint32]:
    """Return CIE's f(t) at t = i / 4096, and from bit 24 on its increase up to the next i."""
    steps = 1 << (TRISTIMULUS_BITS - FRACTION_BITS)
    t = np.arange(steps + 2) / steps
    root = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    value = np.rint(root * 2**ROOT_BITS).astype(np.uint32)
    table: NDArray[np.uint32] = value[:-1] | np.diff(value) << np.uint32(VALUE_BITS)
    table.flags.writeable = False
    return table


@lru_cache(maxsize=1)
def _paired_table() -> NDArray[np.uint64]:
    """Return what each level adds to X, to Y in the upper half; and to Z, shape (3 rgb, 256, 2)."""
    shares = tristimulus_table().astype(np.uint64)
    table = np.stack([shares[..., 0] | shares[..., 1] << np.uint64(32), shares[..., 2]], axis=-1)
    table.flags.writeable = False
    return table


@kernel()
def _convert(
    rgb: NDArray[np.uint8],
    shares: NDArray[np.uint64],
    roots: NDArray[np.uint32],
    scale: int,
    out: NDArray[np.int16],
) -> None:
    # Two loops a row: the first looks up, the second is vectorised. Everything has 32 bits; a
    # product is at most 500 * MAX_SCALE * 2^16 < 2^31. Unsigned indices spare a test for negatives.
    width = rgb.shape[2]
    words, sums = np.empty((3, width), np.uint32), np.empty((3, width), np.uint32)
    half, bits = np.int32(1 << (ROOT_BITS - 1)), np.int32(ROOT_BITS)
    for_l, for_a, for_b = np.int32(116 * scale), np.int32(500 * scale), np.int32(200 * scale)
    offset = half - np.int32(scale * (16 << ROOT_BITS))
    for y in range(rgb.shape[1]):
        for x in range(width):
            r, g, b = rgb[0, y, x], rgb[1, y, x], rgb[2, y, x]
            two = shares[0, r, 0] + shares[1, g, 0] + shares[2, b, 0]
            tx, ty = np.uint32(two), np.uint32(two >> np.uint64(32))
            tz = np.uint32(shares[0, r, 1] + shares[1, g, 1] + shares[2, b, 1])
            sums[0, x], sums[1, x], sums[2, x] = tx, ty, tz
            words[0, x] = roots[tx >> np.uint32(FRACTION_BITS)]
            words[1, x] = roots[ty >> np.uint32(FRACTION_BITS)]
            words[2, x] = roots[tz >> np.uint32(FRACTION_BITS)]
        for x in range(width):
            fx = _root(words[0, x], sums[0, x])
            fy = _root(words[1, x], sums[1, x])
            fz = _root(words[2, x], sums[2, x])
            out[0, y, x] = (for_l * fy + offset) >> bits
            out[1, y, x] = (for_a * (fx - fy) + half) >> bits
            out[2, y, x] = (for_b * (fy - fz) + half) >> bits


@kernel(forceinline=True)
def _root(word: np.uint32, t: np.uint32) -> np.int32:
    """Interpolate f(t) from the entry of `root_table` before it."""
    fraction = np.int32(t & np.uint32((1 << FRACTION_BITS) - 1))
    rise = np.int32(np.int32(word >> np.uint32(VALUE_BITS)) * fraction)
    return np.int32(word & np.uint32((1 << VALUE_BITS) - 1)) + (rise >> np.int32(FRACTION_BITS))


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
    _convert(rgb, _paired_table(), root_table(), scale, out)
    return out
