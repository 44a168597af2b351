"""Make every superpixel one piece: the connectivity rule, with a bound of five cells.

Sizes below are numbers of valid pixels; of equal ones the component whose first pixel comes first
in raster order wins.

1. A label with pixels in its own cell keeps, of its 4-connected components that touch that cell,
   the largest. These pixels are called home.
2. A label without any there keeps its largest component, but only if its own cell holds home
   pixels (of other labels).
3. A cell without any kept pixel goes whole to its own label.
4. The other pixels are taken in synchronous layers: a pixel may take the label of a 4-neighbour if
   that label is one of its own nine candidates; of several the nearest by the method's own
   distance, then the smaller label.

All labels in a cell are candidates of all its pixels, so growth ends after ``sy + sx - 2`` layers.
Whether a pixel is kept depends on three cells around its own, growth on two more; hence what
happens further than five cells away never shows, and bands of cell rows can be worked on alone.

Rules 1 to 3 are in `components`, rule 4 in `growth`, and all of them once more, slow and plain, in
`connectivity_reference`.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels import components, growth
from napari_superpixels.kernels.growth import Cost
from napari_superpixels.kernels.ids import NODATA

HALO_CELLS = 5
"""Cells around a pixel on which its result depends."""


def connect(
    codes: NDArray[np.uint8],
    valid: NDArray[np.bool_] | None,
    step: tuple[int, int],
    cost: Cost,
    *,
    threads: int = 1,
    pulse: Callable[[], None] = lambda: None,
) -> NDArray[np.uint8]:
    """Apply the connectivity rule to an assignment.

    Parameters
    ----------
    codes : ndarray of uint8, shape (Y, X)
        Assignment, ``3 * (dr + 1) + (dc + 1)``; the array starts at a corner of a cell. A code that
        points outside the array belongs to a label that keeps nothing. Contiguous, or copied.
    valid : ndarray of bool, shape (Y, X), or None
        Which pixels hold data, None where all do. The codes of the others are not read.
    step : (int, int)
        Size of a cell along y and x, in pixels.
    cost : callable
        Maps flat pixel indices (int64) and codes (uint8), both of shape (n,), to n distances of
        any ordered dtype. Asked only where a pixel has a choice, once or a few times a layer.
        Both arrays are reused afterwards.
    threads : int
        How many threads may be used; never changes the result. They call `cost` and `pulse` too.
    pulse : callable
        Called a few times a second or more; may raise to stop.

    Returns
    -------
    ndarray of uint8, shape (Y, X)
        Connected codes, 255 where there is no data.
    """
    assert codes.size < 2**31, "runs are numbered in int32"
    codes = np.ascontiguousarray(codes)
    mask = np.empty((0, 0), np.bool_) if valid is None else np.ascontiguousarray(valid)
    out = np.empty_like(codes)

    def work(core: tuple[int, int]) -> None:
        _connect_band(codes, mask, step, cost, core, out, pulse)

    cores = _bands(codes.shape[0], step[0], threads)
    if len(cores) == 1:
        work(cores[0])
    else:
        with ThreadPoolExecutor(len(cores)) as pool:
            list(pool.map(work, cores))
    if valid is not None:
        np.putmask(out, ~mask, NODATA)
    return out


def bytes_for(shape: tuple[int, int], step: tuple[int, int], *, threads: int = 1) -> int:
    """Return an upper bound of the temporaries of `connect`, in bytes.

    What `cost` allocates, and the returned codes, are not counted.

    Parameters
    ----------
    shape : (int, int)
        Size of the array, in pixels.
    step : (int, int)
        Size of a cell, in pixels.
    threads : int
        As for `connect`.
    """
    cores = _bands(shape[0], step[0], threads)
    total = shape[0] * shape[1]
    for core in cores:
        start, stop = _widen(core, step[0], shape[0])
        band = stop - start, shape[1]
        copy = 0 if len(cores) == 1 else band[0] * band[1]
        total += copy + components.bytes_for(band, step) + growth.bytes_for(band)
    return total


def _bands(rows: int, step: int, threads: int) -> list[tuple[int, int]]:
    """Cut the rows of pixels into at most `threads` bands of whole cells, worth their halo."""
    cells = -(-rows // step)
    count = max(1, min(threads, cells // (2 * HALO_CELLS)))
    edges = [min(cells * i // count * step, rows) for i in range(count + 1)]
    return list(pairwise(edges))


def _widen(core: tuple[int, int], step: int, rows: int) -> tuple[int, int]:
    return max(0, core[0] - HALO_CELLS * step), min(rows, core[1] + HALO_CELLS * step)


def _connect_band(
    codes: NDArray[np.uint8],
    valid: NDArray[np.bool_],
    step: tuple[int, int],
    cost: Cost,
    core: tuple[int, int],
    out: NDArray[np.uint8],
    pulse: Callable[[], None],
) -> None:
    """Write the rows `core` of the result, looking at five cells around them."""
    rows, columns = codes.shape
    start, stop = _widen(core, step[0], rows)
    whole = (start, stop) == core
    band = out[start:stop] if whole else np.empty((stop - start, columns), np.uint8)
    free = components.keep(codes[start:stop], valid[start:stop], step, band, pulse)
    if free:
        growth.grow(band, step, cost, start * columns, free, pulse)
    if not whole:
        out[core[0] : core[1]] = band[core[0] - start : core[1] - start]
