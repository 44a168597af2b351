"""The integer SLIC in plain numpy: slow, short, and equal to the fast one label by label."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.cone import NONE, OWN, WHOLE, Cut, exact_cells, position_table
from napari_superpixels.tiling import Box

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SlicReference:
    """What the reference returns; the same as `slic.SlicResult`, as plain arrays."""

    codes: NDArray[np.uint8]
    """Codes of the pixels of the exact cells; 4 where there is no data."""
    exact: Box
    """The cells whose codes do not depend on what lies beyond a cut."""
    centres: Numbers
    """The centres that the last association used, shape (GH, GW, C + 2): features, y, x."""
    distances: Numbers
    """Squared distances to the 9 candidates, shape (9, Y, X), for the whole array."""


def _own_cells(shape: tuple[int, ...], step: tuple[int, int]) -> tuple[Numbers, Numbers]:
    y, x = np.indices(shape)
    return y // step[0], x // step[1]


def _position(size: int, step: int, position: int) -> Numbers:
    table: Numbers = position_table(step, position).astype(np.int64)
    return table[np.arange(size) % step]


def _mean(sums: Numbers, count: Numbers) -> Numbers:
    """Mean of integers, rounded half up."""
    n = np.maximum(count, 1)[..., None]
    mean: Numbers = (2 * sums + n) // (2 * n)
    return mean


def _distances(
    stack: Numbers,
    own: tuple[Numbers, Numbers],
    centres: Numbers,
    alive: NDArray[np.bool_],
    position: int,
) -> Numbers:
    """Squared distance of every pixel to its 9 candidates, shape (9, Y, X)."""
    rows, columns = alive.shape
    out = np.full((9, *own[0].shape), NONE, np.int64)
    for code in range(9):
        dr, dc = code // 3 - 1, code % 3 - 1
        r, c = own[0] + dr, own[1] + dc
        inside = (r >= 0) & (r < rows) & (c >= 0) & (c < columns)
        r, c = np.clip(r, 0, rows - 1), np.clip(c, 0, columns - 1)
        apart = stack - np.moveaxis(centres[r, c], -1, 0)
        apart[-2] -= dr * position
        apart[-1] -= dc * position
        out[code] = np.where(inside & alive[r, c], (apart**2).sum(axis=0), NONE)
    return out


def slic_reference(
    features: NDArray[np.int16],
    valid: NDArray[np.bool_] | None,
    step: tuple[int, int],
    position: int,
    iterations: int,
    cut: Cut = WHOLE,
) -> SlicReference:
    """Cluster as `slic` does; see there for the parameters."""
    shape = features.shape[1:]
    cells = (-(-shape[0] // step[0]), -(-shape[1] // step[1]))
    own = _own_cells(shape, step)
    q = np.meshgrid(*(_position(n, s, position) for n, s in zip(shape, step)), indexing="ij")
    stack = np.concatenate([features.astype(np.int64), np.stack(q)])
    keep = np.ones(shape, bool) if valid is None else valid
    codes = np.full(shape, OWN, np.uint8)
    sums, count = _sums(stack, keep, own, codes, cells, position)
    alive, centres = count > 0, _mean(sums, count)
    for association in range(iterations):
        if association > 0:
            sums, count = _sums(stack, keep, own, codes, cells, position)
            centres = np.where((count > 0)[..., None], _mean(sums, count), centres)
        distances = _distances(stack, own, centres, alive, position)
        codes = np.where(keep, distances.argmin(axis=0), OWN).astype(np.uint8)
    exact = exact_cells(cells, cut, 2 * iterations - 1)
    pixels = tuple(slice(i.start * s, i.stop * s) for i, s in zip(exact, step))
    return SlicReference(codes[pixels], exact, centres, distances)


def _sums(
    stack: Numbers,
    keep: NDArray[np.bool_],
    own: tuple[Numbers, Numbers],
    codes: NDArray[np.uint8],
    cells: tuple[int, int],
    position: int,
) -> tuple[Numbers, Numbers]:
    """Sum features and positions of the pixels of each label, and count them."""
    dr, dc = codes.astype(np.int64) // 3 - 1, codes.astype(np.int64) % 3 - 1
    label = ((own[0] + dr) * cells[1] + own[1] + dc)[keep]
    relative = stack.copy()
    relative[-2] -= dr * position
    relative[-1] -= dc * position
    sums = np.zeros((cells[0] * cells[1], len(stack)), np.int64)
    for i, values in enumerate(relative):
        np.add.at(sums[:, i], label, values[keep])
    count = np.bincount(label, minlength=len(sums)).astype(np.int64)
    return sums.reshape(*cells, -1), count.reshape(cells)
