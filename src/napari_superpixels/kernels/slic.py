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
from napari_superpixels.kernels.bands import Bands
from napari_superpixels.kernels.cells import Cells, Frame
from napari_superpixels.kernels.cone import WHOLE, Cut, exact_cells
from napari_superpixels.kernels.slic_kernels import Centres
from napari_superpixels.tiling import Box
from napari_superpixels.tiling.lattice import Lattice

Data = tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int32]]


@dataclass(frozen=True, slots=True)
class SlicResult:
    """An assignment, and the centres it was made with."""

    cells: Cells
    """Features and codes, cell by cell."""
    exact: Box
    """The cells whose codes do not depend on what lies beyond a cut."""
    lattice: Centres
    """The centres that the last association used, with a rim of one cell."""

    @property
    def frame(self) -> Frame:
        """How the image is cut into cells."""
        return self.cells.frame

    @property
    def complete(self) -> bool:
        """Whether every pixel of the image holds data."""
        return self.cells.complete

    @property
    def centres(self) -> NDArray[np.int32]:
        """The centres, shape (GH, GW, C + 2): features, and y, x relative to the cell."""
        return self.lattice.values[1:-1, 1:-1]

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Which cells had a valid pixel at the start, shape (GH, GW); others are no candidates."""
        return self.lattice.norms[1:-1, 1:-1] >= 0

    def codes(self, box: Box, bands: Bands) -> NDArray[np.uint8]:
        """Return the codes of a box of cells as an image, 255 where there is no data."""
        return self.cells.image_codes(box, bands)

    def cost(self, box: Box) -> Callable[[NDArray[np.int64], NDArray[np.uint8]], NDArray[np.int32]]:
        """Return the distance of pixels to candidates, for an image that holds a box of cells.

        The function takes flat indices into that image and codes, both of shape (n,), and gives n
        squared distances, int32; `cone.NONE` for a cell that is no candidate. A pixel without data
        has a position only.
        """
        frame = self.cells.frame
        pixels = (self.cells.features, self.cells.codes, frame.offsets())
        width = frame.lattice.to_pixels(box).shape[1]
        place = (*frame.step, box[0].start, box[1].start, width)

        def distances(index: NDArray[np.int64], code: NDArray[np.uint8]) -> NDArray[np.int32]:
            out = np.empty(len(index), np.int32)
            kernel.cost(pixels, self.lattice, frame.position, place, index, code, out)
            return out

        return distances


def data_of(cells: Cells) -> Data:
    """Return what the kernels read and write of cells."""
    return cells.features, cells.codes, cells.frame.shared_pair()


def no_centres(frame: Frame) -> Centres:
    """Return centres of which none is a candidate yet."""
    rows, columns = (n + 2 for n in frame.lattice.cells)
    return Centres(
        np.zeros((rows, columns, frame.channels + 2), np.int32),
        np.full((rows, columns), -1, np.int32),
        np.zeros((rows, columns, frame.pairs), np.int32),
        np.zeros((rows, columns), np.uint8),
    )


def cluster(cells: Cells, iterations: int, *, cut: Cut = WHOLE, bands: Bands) -> SlicResult:
    """Run SLIC on cells fresh from `Cells.gather`, whose codes and sums change in place.

    Parameters
    ----------
    cells
        Features, codes and sums.
    iterations
        Number of associations; one fewer updates of the centres lie between them.
    cut
        Which sides cut the image: what depends on pixels beyond is not computed.
    bands
        The threads; never change the result.
    """
    centres, data = no_centres(cells.frame), data_of(cells)
    exact = Box.whole(cells.grid)
    for association in range(1, iterations + 1):
        rows, columns = exact_cells(cells.grid, cut, 2 * association - 2)
        update = partial(kernel.update, cells.sums, centres, columns.start, columns.stop)
        bands.run(update, rows.start, rows.stop)
        exact = exact_cells(cells.grid, cut, 2 * association - 1)
        associate(data, centres, cells, exact, bands)
    return SlicResult(cells, exact, centres)


def associate(data: Data, centres: Centres, cells: Cells, box: Box, bands: Bands) -> None:
    """Associate the pixels of a box of cells, and bring the sums up to date."""
    sums, position = cells.sums, cells.frame.position
    changes: list[tuple[int, NDArray[np.int64]]] = []

    def one_band(start: int, stop: int) -> None:
        # A row of cells more on either side: pixels may choose a cell of the next band.
        change = np.zeros((stop - start + 2, sums.shape[1] + 2, cells.frame.pairs + 2), np.int64)
        cells_of_band = (start, stop, box[1].start, box[1].stop)
        kernel.associate(data, centres, position, cells_of_band, change)
        changes.append((start - 1, change))

    bands.run(one_band, box[0].start, box[0].stop)
    for top, change in changes:
        low, high = max(top, 0), min(top + len(change), len(sums))
        kernel.merge(change[low - top : high - top], sums[low:high])


def slic(
    features: NDArray[np.int16],
    valid: NDArray[np.bool_] | None,
    step: tuple[int, int],
    position: int,
    iterations: int,
    *,
    cut: Cut = WHOLE,
    bands: Bands,
) -> SlicResult:
    """Cluster an image of integer features: `Cells.gather` and `cluster` in one call.

    Parameters
    ----------
    features
        Shape (C, Y, X), int16, as `features.channel_features` or `lab.rgb_to_lab` give them: none
        above `nearest.LARGEST`, squared distances below 2^25.
    valid
        Which pixels count, shape (Y, X); None for all.
    step
        Size of a cell along y and x, in pixels.
    position
        Quanta that a cell of distance weighs.
    iterations, cut, bands
        As for `cluster`.
    """

    def rows(part: slice) -> tuple[NDArray[np.int16], NDArray[np.bool_] | None]:
        return features[:, part], None if valid is None else valid[part]

    channels, height, width = features.shape
    frame = Frame(Lattice((height, width), step), channels, position)
    return cluster(Cells.gather(frame, rows, bands), iterations, cut=cut, bands=bands)
