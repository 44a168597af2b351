"""The integer SLIC: k-means of pixels over the 9 cells around each, exact on any window.

After Achanta et al. (2012), restricted to the 9 cells as in Jampani et al. (2018), in integers
throughout, so that neither threads nor windows nor machines can change a label.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels import slic_kernels as kernel
from napari_superpixels.kernels.bands import Bands, banded
from napari_superpixels.kernels.cells import Cells
from napari_superpixels.kernels.cone import WHOLE, Cut, exact_cells, position_table
from napari_superpixels.tiling import Box


@dataclass(frozen=True, slots=True)
class SlicResult:
    """An assignment, and the centres it was made with."""

    cells: Cells
    """Features and codes, cell by cell."""
    exact: Box
    """The cells whose codes do not depend on what lies beyond a cut."""
    centres: NDArray[np.int32]
    """The centres that the last association used, shape (GH, GW, C + 2): features, y, x."""
    alive: NDArray[np.bool_]
    """Which cells had a valid pixel at the start, shape (GH, GW); the others are no candidates."""
    position: int
    """Quanta a cell."""

    def codes(self, box: Box) -> NDArray[np.uint8]:
        """Return the codes of a box of cells as an image, 255 where there is no data."""
        return self.cells.image_codes(box[0].slice, box[1].slice)

    def cost(self, box: Box) -> Callable[[NDArray[np.int64], NDArray[np.uint8]], NDArray[np.int32]]:
        """Return the distance of pixels to candidates, for an image that holds a box of cells.

        The function takes flat indices into that image and codes, of one length, and gives
        squared distances; `kernel.NONE` for a cell that is no candidate. A pixel without data
        has a position only.
        """
        width = min(box[1].stop * self.cells.step[1], self.cells.shape[1])
        frame = (box[0].start, box[1].start, width - box[1].start * self.cells.step[1])
        return partial(_cost, self, frame)


def _cost(
    result: SlicResult,
    frame: tuple[int, int, int],
    index: NDArray[np.int64],
    code: NDArray[np.uint8],
) -> NDArray[np.int32]:
    out = np.empty(len(index), np.int32)
    cells = result.cells
    tables = tuple(position_table(step, result.position) for step in cells.step)
    data = (cells.features, cells.codes, result.centres, result.alive)
    kernel.cost(data, tables, result.position, frame, index, code, out)
    return out


def cluster(
    cells: Cells, position: int, iterations: int, *, cut: Cut = WHOLE, bands: Bands
) -> SlicResult:
    """Run SLIC on cells whose codes are all `OWN` or `ABSENT`; the codes are changed in place.

    Parameters
    ----------
    cells
        Features and codes.
    position
        Quanta a cell of distance.
    iterations
        Number of associations; one fewer updates of the centres lie between them.
    cut
        Which sides cut the image: what depends on pixels beyond is not computed.
    bands
        The threads; never change the result.
    """
    grid, channels = cells.grid, cells.features.shape[2]
    sums = np.zeros((*grid, channels + 3), np.int64)
    centres = np.zeros((*grid, channels + 2), np.int32)
    tables = _tables(cells, position)
    bands.run(partial(kernel.own_sums, cells.features, cells.codes, tables, sums), 0, grid[0])
    alive = sums[..., -1] > 0
    for association in range(1, iterations + 1):
        first, last = exact_cells(grid, cut, 2 * association - 2)
        update = partial(kernel.update, sums, centres, last.start, last.stop)
        bands.run(update, first.start, first.stop)
        exact = exact_cells(grid, cut, 2 * association - 1)
        _associate(cells, tables, position, (centres, alive, sums), exact, bands)
    return SlicResult(cells, exact, centres, alive, position)


def _tables(cells: Cells, position: int) -> NDArray[np.int32]:
    """Position along y and x of every pixel of a cell, shape (2, P)."""
    (sy, sx), pixels = cells.step, cells.codes.shape[2]
    out = np.zeros((2, pixels), np.int32)
    out[0, : sy * sx] = np.repeat(position_table(sy, position), sx)
    out[1, : sy * sx] = np.tile(position_table(sx, position), sy)
    return out


def _associate(
    cells: Cells,
    tables: NDArray[np.int32],
    position: int,
    state: tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.int64]],
    box: Box,
    bands: Bands,
) -> None:
    centres, alive, sums = state
    columns = (box[1].start, box[1].stop)
    changes: list[tuple[int, NDArray[np.int64]]] = []

    def associate(start: int, stop: int) -> None:
        # One row of cells more on either side: pixels may choose a cell of the next band.
        change = np.zeros((stop - start + 2, *sums.shape[1:]), np.int64)
        data = (cells.features, cells.codes, centres, alive)
        kernel.associate(data, tables, position, (start, stop, *columns), change)
        changes.append((start - 1, change))

    bands.run(associate, box[0].start, box[0].stop)
    for top, change in changes:
        low, high = max(top, 0), min(top + len(change), len(sums))
        sums[low:high] += change[low - top : high - top]


def slic(
    features: NDArray[np.int16],
    valid: NDArray[np.bool_] | None,
    step: tuple[int, int],
    position: int,
    iterations: int,
    *,
    cut: Cut = WHOLE,
    threads: int = 1,
    pulse: Callable[[], None] = lambda: None,
) -> SlicResult:
    """Cluster an image of integer features.

    Parameters
    ----------
    features
        Shape (C, Y, X), int16, as `features.channel_features` or `lab.rgb_to_lab` give them.
    valid
        Which pixels count, shape (Y, X); None for all.
    step
        Size of a cell along y and x, in pixels.
    position, iterations, cut
        As for `cluster`.
    threads
        How many threads to use; never changes the result.
    pulse
        Called between pieces of work; what it raises ends the work.
    """

    def rows(part: slice) -> tuple[NDArray[np.int16], NDArray[np.bool_] | None]:
        return features[:, part], None if valid is None else valid[part]

    channels, *shape = features.shape
    with banded(threads, pulse) as bands:
        cells = Cells.gather((shape[0], shape[1]), step, channels, rows, bands)
        return cluster(cells, position, iterations, cut=cut, bands=bands)
