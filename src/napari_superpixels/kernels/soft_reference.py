"""The integer soft SLIC in plain numpy: slow, short, and equal to the fast one label by label."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.cone import NONE, OWN, position_table
from napari_superpixels.kernels.features import Quanta
from napari_superpixels.kernels.soft import RECIPROCAL_BITS, WEIGHT_BITS, Weights, weights_for


@dataclass(frozen=True, slots=True)
class SoftReference:
    """What the reference returns, for the whole array: cuts are the caller's business."""

    codes: NDArray[np.uint8]
    """Shape (Y, X); 4 where there is no data."""
    centres: NDArray[np.int64]
    """The centres that the last association used, shape (GH, GW, C + 2): features, y, x."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """An image as a list of pixels, with the 9 candidates of each."""

    stack: NDArray[np.int64]
    """Features, then y and x relative to the candidate's origin, shape (9, n, C + 2)."""
    cell: NDArray[np.int64]
    """The candidates' flat indices, shape (9, n); -1 outside the lattice."""
    keep: NDArray[np.bool_]
    """Which pixels hold data, shape (n,)."""
    cells: int
    """Number of cells."""

    @classmethod
    def of(
        cls,
        features: NDArray[np.int16],
        valid: NDArray[np.bool_] | None,
        step: tuple[int, int],
        position: int,
    ) -> Self:
        shape = features.shape[1:]
        grid = tuple(-(-n // s) for n, s in zip(shape, step, strict=True))
        own = [i.ravel() // s for i, s in zip(np.indices(shape), step, strict=True)]
        offset = [i.ravel() % s for i, s in zip(np.indices(shape), step, strict=True)]
        q = [position_table(s, position)[u] for u, s in zip(offset, step, strict=True)]
        color = list(features.reshape(len(features), -1).astype(np.int64))
        stack, cell = [], []
        for dr, dc in np.ndindex(3, 3):
            r, c = own[0] + dr - 1, own[1] + dc - 1
            inside = (r >= 0) & (r < grid[0]) & (c >= 0) & (c < grid[1])
            cell.append(np.where(inside, r * grid[1] + c, -1))
            apart = [q[0] - (dr - 1) * position, q[1] - (dc - 1) * position]
            stack.append(np.stack([*color, *apart], axis=-1))
        keep = np.ones(q[0].shape, bool) if valid is None else valid.ravel()
        return cls(np.stack(stack), np.stack(cell), keep, grid[0] * grid[1])

    def sums(self, weights: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sum pixels and their weights, shape (9, n), by candidate."""
        used = (self.cell >= 0) & self.keep
        sums = np.zeros((self.cells, self.stack.shape[-1]), np.int64)
        np.add.at(sums, self.cell[used], self.stack[used] * weights[used][:, None])
        mass = np.zeros(self.cells, np.int64)
        np.add.at(mass, self.cell[used], weights[used])
        return sums, mass

    def distances(self, centres: NDArray[np.int64], alive: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Squared distances to the candidates, shape (9, n)."""
        squared = ((self.stack - centres[self.cell]) ** 2).sum(axis=-1)
        return np.where((self.cell >= 0) & alive[self.cell], squared, NONE)


def soft_weights(distances: NDArray[np.int64], weights: Weights) -> NDArray[np.int64]:
    """Return the weights of distances to 9 candidates (first axis), in units of 2^-16."""
    index = (distances - distances.min(axis=0)) >> weights.shift
    raw = weights.table.astype(np.int64)[np.minimum(index, len(weights.table) - 1)]
    reciprocal = (1 << RECIPROCAL_BITS) // raw.sum(axis=0)
    drop = RECIPROCAL_BITS - WEIGHT_BITS
    rounded: NDArray[np.int64] = (raw * reciprocal + (1 << (drop - 1))) >> drop
    return rounded


def _means(
    sums: NDArray[np.int64], mass: NDArray[np.int64], otherwise: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Means of integers, rounded half up; cells without weight keep their centre."""
    n = np.maximum(mass, 1)[:, None]
    return np.where(mass[:, None] > 0, (2 * sums + n) // (2 * n), otherwise)


def soft_reference(
    features: NDArray[np.int16],
    valid: NDArray[np.bool_] | None,
    step: tuple[int, int],
    quanta: Quanta,
    iterations: int,
) -> SoftReference:
    """Cluster as `soft_slic` does; see there for the parameters."""
    shape = features.shape[1:]
    scene, table = _Scene.of(features, valid, step, quanta.position), weights_for(quanta.color)
    weights = np.zeros(scene.cell.shape, np.int64)
    weights[OWN] = 1
    sums, mass = scene.sums(weights)
    alive, centres = mass > 0, _means(sums, mass, np.zeros_like(sums))
    for _ in range(iterations - 1):
        weights = soft_weights(scene.distances(centres, alive), table)
        centres = _means(*scene.sums(weights), centres)
    nearest = scene.distances(centres, alive).argmin(axis=0)
    codes = np.where(scene.keep, nearest, OWN).astype(np.uint8).reshape(shape)
    grid = [-(-n // s) for n, s in zip(shape, step, strict=True)]
    return SoftReference(codes, centres.reshape(*grid, -1))
