"""The soft SLIC of SSN in integers: the same labels on any window, threads and machine.

Jampani et al., Superpixel Sampling Networks, ECCV 2018, section 4.1: between associations every
pixel adds to the centres of all its candidates, with the softmax of -||F - S||^2 as its weight.
`networks.association` is the differentiable form; here nothing but integers decides.

- Squared distances d are those of `slic`, so the SSN distance is ``d * (0.26 / A)^2`` with A quanta
  a Lab unit: the paper's gamma_color is 0.26, and a compactness m means gamma_pos = 0.26 * m / S
  (its 2.5 / S is m = 2.5 / 0.26, about 9.6).
- ``exp(-(d - d_min) * (0.26 / A)^2)`` comes from a table of integers, in units of 2^-16, by index
  ``(d - d_min) >> shift``. Its values are made in decimal arithmetic, which has one result
  everywhere.
- Weights are the table's values times the integer reciprocal of their sum, rounded to 2^-16. A
  centre is the mean of integers rounded half up; without any weight a cell keeps its centre.
- A cell is chosen, last, by the least distance alone, as in `slic`.

Sums cannot overflow: a weight is at most 2^16, a feature or position below 2^12, and at most
9 * 64 * 64 < 2^16 pixels add to a cell of 64 pixels a side; so a sum stays under 2^44 of int64's
2^63, and far larger cells would do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache, partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_superpixels.kernels import slic_kernels
from napari_superpixels.kernels.bands import Bands, banded
from napari_superpixels.kernels.cells import ABSENT, Cells
from napari_superpixels.kernels.cone import NONE, WHOLE, Cut, exact_cells
from napari_superpixels.kernels.features import Quanta
from napari_superpixels.kernels.slic import SlicResult, add_up, pixel_positions

Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Data = tuple[Int16, UInt8, Int32, NDArray[np.bool_]]
"""Features and codes of cells, their centres, and whether they are candidates."""

GAMMA_COLOR = Decimal("0.26")
"""The paper's scale of Lab (its section 4.4)."""

WEIGHT_BITS = 16
"""A weight of one is 2^16."""

RECIPROCAL_BITS = 40
"""The reciprocal of a sum of up to nine weights keeps 20 bits at least."""

MAX_ENTRIES = 8192
"""The table stays in a processor's nearest cache; neighbouring values differ by 0.2 % at most."""


@dataclass(frozen=True, slots=True)
class Weights:
    """exp(-x) of differences of squared distances, in integers."""

    table: NDArray[np.int32]
    """exp(-(i << shift) * scale) in units of 2^-16, rounded half to even; the last one is 0."""
    shift: int
    """Bits of a difference that are dropped before it is looked up."""


@lru_cache(maxsize=16)
def weights_for(color: int) -> Weights:
    """Tabulate the weights for `color` quanta a Lab unit.

    Decimal arithmetic of 40 digits is exactly specified, exp included, so that no machine's
    mathematical library has a say in a weight.
    """
    context = Context(prec=40, rounding=ROUND_HALF_EVEN)
    scale = context.power(context.divide(GAMMA_COLOR, Decimal(color)), 2)
    one = Decimal(1 << WEIGHT_BITS)
    # Weights under half a unit are 0: those of differences over ln(2^17) / scale.
    reach = int(context.divide(context.ln(one * 2), scale)) + 1
    shift = max(0, (-(-reach // (MAX_ENTRIES - 2)) - 1).bit_length())
    ratio = context.exp(-scale * (1 << shift))
    values, value = [], one
    for _ in range((reach >> shift) + 1):
        values.append(int(value.to_integral_value(ROUND_HALF_EVEN, context)))
        value = context.multiply(value, ratio)
    table = np.array([*values, 0], np.int32)
    table.flags.writeable = False
    return Weights(table, shift)


@njit(nogil=True, cache=True)
def _measure(  # pragma: no cover
    features: Int16, table: Int32, factors: Int32, base: Int32, values: Int32, least: Int32
) -> None:
    """Distances to the 9 candidates, less a number common to all, and the least of them."""
    channels, pixels = features.shape
    least[:] = NONE
    for code in range(9):
        w, b, out = factors[code], base[code], values[code]
        for p in range(pixels):
            out[p] = b + w[channels] * table[0, p] + w[channels + 1] * table[1, p]
        for i in range(channels):
            for p in range(pixels):
                out[p] += w[i] * np.int32(features[i, p])
        for p in range(pixels):
            least[p] = min(least[p], out[p])


@njit(nogil=True, cache=True, error_model="numpy")
def _share(  # pragma: no cover
    values: Int32, least: Int32, codes: UInt8, exponential: Int32, shift: int, reciprocal: Int64
) -> None:
    """Replace distances by weights that add up to 2^16, but for rounding; 0 for absent pixels."""
    pixels, last = least.shape[0], exponential.shape[0] - 1
    reciprocal[:] = 0
    for code in range(9):
        row = values[code]
        for p in range(pixels):
            row[p] = exponential[min((row[p] - least[p]) >> shift, last)]
            reciprocal[p] += row[p]
    for p in range(pixels):
        # The quotient has 24 bits and its fraction is a multiple of 1 / sum > 2^-20: float64's
        # 53 bits never round it up to the next integer, so this is the integer quotient.
        quotient = np.int64(np.float64(1 << RECIPROCAL_BITS) / np.float64(reciprocal[p]))
        reciprocal[p] = 0 if codes[p] == ABSENT else quotient
    half, drop = 1 << (RECIPROCAL_BITS - WEIGHT_BITS - 1), RECIPROCAL_BITS - WEIGHT_BITS
    for code in range(9):
        row = values[code]
        for p in range(pixels):
            row[p] = (np.int64(row[p]) * reciprocal[p] + half) >> drop


@njit(nogil=True, cache=True)
def _dot(  # pragma: no cover
    weights: Int32, numbers: Int16 | Int32
) -> np.int64:
    total = np.int64(0)
    for p in range(weights.shape[0]):
        total += np.int64(weights[p]) * np.int64(numbers[p])
    return total


@njit(nogil=True, cache=True)
def _add(  # pragma: no cover
    features: Int16, table: Int32, position: int, code: int, weights: Int32, sums: Int64
) -> None:
    """Add the weighted pixels of a cell to the sums of one of its candidates."""
    channels = features.shape[0]
    mass = np.int64(0)
    for p in range(weights.shape[0]):
        mass += weights[p]
    for i in range(channels):
        sums[i] += _dot(weights, features[i])
    sums[channels] += _dot(weights, table[0]) - (code // 3 - 1) * position * mass
    sums[channels + 1] += _dot(weights, table[1]) - (code % 3 - 1) * position * mass
    sums[channels + 2] += mass


@njit(nogil=True, cache=True)
def _associate(  # pragma: no cover
    exponential: Int32,
    shift: int,
    data: Data,
    table: Int32,
    position: int,
    box: tuple[int, int, int, int],
    sums: Int64,
) -> None:
    """Add the weighted pixels of a box of cells to the sums of all cells around."""
    features, codes, centres, alive = data
    top, bottom, left, right = box
    channels, pixels = features.shape[2:]
    factors = np.empty((9, channels + 2), np.int32)
    base = np.empty(9, np.int32)
    values = np.empty((9, pixels), np.int32)
    least = np.empty(pixels, np.int32)
    reciprocal = np.empty(pixels, np.int64)
    for r in range(top, bottom):
        for c in range(left, right):
            slic_kernels.weigh(centres, alive, position, r, c, factors, base)
            _measure(features[r, c], table, factors, base, values, least)
            _share(values, least, codes[r, c], exponential, shift, reciprocal)
            for code in range(9):
                if base[code] != NONE:
                    out = sums[r - top + code // 3, c + code % 3 - 1]
                    _add(features[r, c], table, position, code, values[code], out)


@njit(nogil=True, cache=True)
def _choose(  # pragma: no cover
    data: Data, table: Int32, position: int, left: int, right: int, top: int, bottom: int
) -> None:
    """Set the codes of a box of cells to the nearest candidates, the lowest code of equal ones."""
    features, codes, centres, alive = data
    channels, pixels = features.shape[2:]
    factors = np.empty((9, channels + 2), np.int32)
    base = np.empty(9, np.int32)
    values = np.empty((9, pixels), np.int32)
    least = np.empty(pixels, np.int32)
    for r in range(top, bottom):
        for c in range(left, right):
            slic_kernels.weigh(centres, alive, position, r, c, factors, base)
            _measure(features[r, c], table, factors, base, values, least)
            for code in range(8, -1, -1):
                for p in range(pixels):
                    if codes[r, c, p] != ABSENT and values[code, p] == least[p]:
                        codes[r, c, p] = code


def soft_cluster(
    cells: Cells, iterations: int, *, quanta: Quanta, cut: Cut = WHOLE, bands: Bands
) -> SlicResult:
    """Run soft SLIC on cells whose codes are all `OWN` or `ABSENT`; the codes are changed in place.

    Parameters
    ----------
    cells, iterations, cut, bands
        As for `slic.cluster`.
    quanta
        The resolution of the features.
    """
    grid, position, channels = cells.grid, quanta.position, cells.features.shape[2]
    sums = np.zeros((*grid, channels + 3), np.int64)
    centres = np.zeros((*grid, channels + 2), np.int32)
    table, weights = pixel_positions(cells, position), weights_for(quanta.color)
    own_sums = partial(slic_kernels.own_sums, cells.features, cells.codes, table, sums)
    bands.run(own_sums, 0, grid[0])
    alive = sums[..., -1] > 0
    data = (cells.features, cells.codes, centres, alive)
    task = partial(_associate, weights.table, weights.shift, data, table, position)
    for association in range(1, iterations + 1):
        first, last = exact_cells(grid, cut, 2 * association - 2)
        update = partial(slic_kernels.update, sums, centres, last.start, last.stop)
        bands.run(update, first.start, first.stop)
        exact = exact_cells(grid, cut, 2 * association - 1)
        if association < iterations:
            sums[...] = 0
            add_up(task, exact, sums, bands)
    choose = partial(_choose, data, table, position, exact[1].start, exact[1].stop)
    bands.run(choose, exact[0].start, exact[0].stop)
    return SlicResult(cells, exact, centres, alive, position)


def soft_slic(
    features: NDArray[np.int16],
    valid: NDArray[np.bool_] | None,
    step: tuple[int, int],
    quanta: Quanta,
    iterations: int,
    *,
    cut: Cut = WHOLE,
    threads: int = 1,
    pulse: Callable[[], None] = lambda: None,
) -> SlicResult:
    """Cluster an image of integer features by soft SLIC.

    Parameters
    ----------
    features, valid, step, iterations, cut, threads, pulse
        As for `slic.slic`.
    quanta
        The resolution of the features.
    """

    def rows(part: slice) -> tuple[NDArray[np.int16], NDArray[np.bool_] | None]:
        return features[:, part], None if valid is None else valid[part]

    channels, *shape = features.shape
    with banded(threads, pulse) as bands:
        cells = Cells.gather((shape[0], shape[1]), step, channels, rows, bands)
        return soft_cluster(cells, iterations, quanta=quanta, cut=cut, bands=bands)
