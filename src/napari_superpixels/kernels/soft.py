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

Sums cannot overflow: a weight is at most 2^16, a feature or position is below 2^12 in size, and
only the pixels of 3 x 3 cells add to a cell, at most 9 * `cells.LARGEST_CELL` = 126,000 < 2^17 of
them (a cell of 118 pixels a side has 13,924). So sums stay below 2^45 of int64's 2^63.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.bands import Bands
from napari_superpixels.kernels.cells import Cells, Frame
from napari_superpixels.kernels.cone import NONE, WHOLE, Cut, exact_cells
from napari_superpixels.kernels.features import Quanta
from napari_superpixels.kernels.jit import kernel
from napari_superpixels.kernels.nearest import ABSENT, FEATURE_SCALE
from napari_superpixels.kernels.slic import SlicResult, associate, data_of, no_centres
from napari_superpixels.kernels.slic_kernels import Centres, update
from napari_superpixels.tiling import Box
from napari_superpixels.tiling.lattice import Lattice

Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

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


@kernel()
def _weigh(centres: Centres, position: int, r: int, c: int, factors: Int32, base: Int32) -> None:
    """|f - c|^2 - |f|^2 = base + sum(factors * f) for the candidates of a cell (rim counted)."""
    channels = factors.shape[1] - 2
    for code in range(9):
        dr, dc = code // 3 - 1, code % 3 - 1
        base[code], factors[code] = NONE, 0
        if centres.norms[r + dr, c + dc] >= 0:
            factors[code] = centres.values[r + dr, c + dc]
            factors[code, channels] += dr * position
            factors[code, channels + 1] += dc * position
            base[code] = (factors[code] * factors[code]).sum()
            factors[code] *= -2


@kernel()
def _spread(features: Int32, numbers: Int32) -> None:
    """Store the features of a cell (two a word, see `Cells`) one plane each, before y and x."""
    for i in range(numbers.shape[0] - 2):
        words, plane = features[i // 2], numbers[i]
        shift = np.int32(16 * (i % 2))
        for p in range(plane.shape[0]):
            plane[p] = np.int16(words[p] >> shift) // FEATURE_SCALE


@kernel()
def _measure(numbers: Int32, factors: Int32, base: Int32, values: Int32, least: Int32) -> None:
    """Distances to the 9 candidates, less a number common to all, and the least of them."""
    least[:] = NONE
    for code in range(9):
        row = values[code]
        row[:] = base[code]
        for i in range(numbers.shape[0]):
            factor = factors[code, i]
            for p in range(row.shape[0]):
                row[p] += factor * numbers[i, p]
        for p in range(row.shape[0]):
            least[p] = min(least[p], row[p])


@kernel(error_model="numpy")
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


@kernel()
def _add(numbers: Int32, weights: Int32, dy: int, dx: int, sums: Int64) -> None:
    """Add the weighted pixels of a cell to the sums of a candidate that far from it, in quanta."""
    last, mass = numbers.shape[0], np.int64(0)
    for p in range(weights.shape[0]):
        mass += weights[p]
    for i in range(last):
        total = np.int64(0)
        for p in range(weights.shape[0]):
            total += np.int64(weights[p]) * np.int64(numbers[i, p])
        sums[i] += total
    sums[last - 2] -= dy * mass
    sums[last - 1] -= dx * mass
    sums[last] += mass


@kernel()
def _associate(
    weights: tuple[Int32, int],
    pixels_of: tuple[Int32, UInt8, Int32],
    centres: Centres,
    position: int,
    box: tuple[int, int, int, int],
    sums: Int64,
) -> None:
    """Add the weighted pixels of a box of cells to the sums of all cells around.

    `weights` holds the table and its shift; `pixels_of` the features and codes of `Cells` and the
    offsets of its frame; `box` the first and last row and column of cells, half open; `sums` has
    one row of cells more than the box above and below.
    """
    features, codes, offsets = pixels_of
    top, bottom, left, right = box
    exponential, shift = weights
    last, pixels = centres.values.shape[2], codes.shape[2]
    factors = np.empty((9, last), np.int32)
    base = np.empty(9, np.int32)
    numbers = np.empty((last, pixels), np.int32)
    numbers[last - 2 :] = offsets
    values = np.empty((9, pixels), np.int32)
    least = np.empty(pixels, np.int32)
    reciprocal = np.empty(pixels, np.int64)
    for r in range(top, bottom):
        for c in range(left, right):
            _weigh(centres, position, r + 1, c + 1, factors, base)
            _spread(features[r, c], numbers)
            _measure(numbers, factors, base, values, least)
            _share(values, least, codes[r, c], exponential, shift, reciprocal)
            for code in range(9):
                dr, dc = code // 3 - 1, code % 3 - 1
                if base[code] != NONE:
                    target = sums[r - top + 1 + dr, c + dc]
                    _add(numbers, values[code], dr * position, dc * position, target)


def soft_cluster(
    cells: Cells, iterations: int, *, color: int, cut: Cut = WHOLE, bands: Bands
) -> SlicResult:
    """Run soft SLIC on cells fresh from `Cells.gather`, whose codes and sums change in place.

    Parameters
    ----------
    cells, iterations, cut, bands
        As for `slic.cluster`.
    color
        Quanta a Lab unit of the features.
    """
    centres, table = no_centres(cells.frame), weights_for(color)
    weigh = partial(
        _associate,
        (table.table, table.shift),
        (cells.features, cells.codes, cells.frame.offsets()),
        centres,
        cells.frame.position,
    )
    sums = cells.sums.copy()
    exact = Box.whole(cells.grid)
    for association in range(1, iterations + 1):
        rows, columns = exact_cells(cells.grid, cut, 2 * association - 2)
        move = partial(update, sums, centres, columns.start, columns.stop)
        bands.run(move, rows.start, rows.stop)
        exact = exact_cells(cells.grid, cut, 2 * association - 1)
        if association < iterations:
            _sum_up(weigh, exact, sums, bands)
    # The hard kernel passes over cells whose candidates rest: here, none has been assigned yet.
    centres.moved[...] = 1
    associate(data_of(cells), centres, cells, exact, bands)
    return SlicResult(cells, exact, centres)


def _sum_up(
    weigh: Callable[[tuple[int, int, int, int], Int64], None], box: Box, sums: Int64, bands: Bands
) -> None:
    """Set the sums of cells to what the pixels of a box of cells give them."""
    parts: list[tuple[int, Int64]] = []

    def one_band(start: int, stop: int) -> None:
        # A row of cells more on either side: pixels weigh in cells of the next band too.
        part = np.zeros((stop - start + 2, *sums.shape[1:]), np.int64)
        weigh((start, stop, box[1].start, box[1].stop), part)
        parts.append((start - 1, part))

    bands.run(one_band, box[0].start, box[0].stop)
    sums[...] = 0
    for top, part in parts:
        low, high = max(top, 0), min(top + len(part), len(sums))
        sums[low:high] += part[low - top : high - top]


def soft_slic(
    features: Int16,
    valid: NDArray[np.bool_] | None,
    step: tuple[int, int],
    quanta: Quanta,
    iterations: int,
    *,
    cut: Cut = WHOLE,
    bands: Bands,
) -> SlicResult:
    """Cluster an image of integer features by soft SLIC: `Cells.gather` and `soft_cluster`.

    Parameters
    ----------
    features, valid, step, iterations, cut, bands
        As for `slic.slic`.
    quanta
        The resolution of the features.
    """

    def rows(part: slice) -> tuple[Int16, NDArray[np.bool_] | None]:
        return features[:, part], None if valid is None else valid[part]

    channels, height, width = features.shape
    frame = Frame(Lattice((height, width), step), channels, quanta.position)
    cells = Cells.gather(frame, rows, bands)
    return soft_cluster(cells, iterations, color=quanta.color, cut=cut, bands=bands)
