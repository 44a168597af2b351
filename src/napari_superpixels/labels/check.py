"""Is every label one piece, near its own cell? Window by window, on images of any size.

A superpixel lies inside the 3 x 3 cells around its own, so a window that is read with one cell
around its core holds all pixels of the labels of its core.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.jit import kernel
from napari_superpixels.tiling import Box, Lattice

Labels = NDArray[np.unsignedinteger[Any]]


def count_components(labels: Labels) -> tuple[Labels, NDArray[np.int64]]:
    """Return the labels that occur, without 0, and the number of 4-connected components of each.

    Parameters
    ----------
    labels : ndarray of an unsigned integer, shape (Y, X)
        Labels. Besides them one row and a table of components are held in memory.

    Returns
    -------
    ids : ndarray of the same dtype, shape (n,)
        The labels, ascending.
    counts : ndarray of int64, shape (n,)
        Number of components.
    """
    label, parent = _components(labels)
    roots = label[parent == np.arange(parent.size)]
    ids, counts = np.unique(roots[roots != 0], return_counts=True)
    return ids, counts.astype(np.int64)


def split_labels(
    labels: Labels, lattice: Lattice, read: Box, core: Box, *, plane: int = 0
) -> Labels:
    """Return the labels of a window's core that are in several pieces.

    Parameters
    ----------
    labels : ndarray of an unsigned integer, shape of `read` in pixels
        What was read.
    lattice : Lattice
        The lattice of the image.
    read, core : Box
        The window's cells; `read` holds one cell around `core` where the image goes on.
    plane : int
        Number of the plane.
    """
    assert read.covers(core), "a core lies in what is read"
    ids, counts = count_components(labels)
    cell = ids.astype(np.int64) - 1 - plane * lattice.cells_per_plane
    row, column = cell // lattice.cells[1], cell % lattice.cells[1]
    inside = (row >= core[0].start) & (row < core[0].stop)
    inside &= (column >= core[1].start) & (column < core[1].stop)
    return np.asarray(ids[inside & (counts > 1)])


def pixels_outside_cells(
    labels: Labels, lattice: Lattice, origin: tuple[int, int], *, plane: int = 0
) -> int:
    """Return how many pixels lie outside the 3 x 3 cells around the cell of their label.

    Parameters
    ----------
    labels : ndarray of an unsigned integer, shape (Y, X)
        Labels; 0 lies nowhere and is not counted.
    lattice : Lattice
        The lattice of the image.
    origin : (int, int)
        The array's first pixel in the image.
    plane : int
        Number of the plane; the labels of other planes lie outside.
    """
    first = plane * lattice.cells_per_plane + 1
    step = lattice.step[0], lattice.step[1]
    cells = lattice.cells[0], lattice.cells[1]
    return int(_count_outside(labels, first, step, cells, origin))


@kernel()
def _count_outside(
    labels: Labels,
    first: int,
    step: tuple[int, int],
    cells: tuple[int, int],
    origin: tuple[int, int],
) -> int:
    outside = 0
    for y in range(labels.shape[0]):
        row = (origin[0] + y) // step[0]
        for x in range(labels.shape[1]):
            if labels[y, x] == 0:
                continue
            column = (origin[1] + x) // step[1]
            cell = np.int64(labels[y, x]) - first
            r, c = cell // cells[1], cell % cells[1]
            near = abs(r - row) <= 1 and abs(c - column) <= 1
            outside += not (near and 0 <= r < cells[0])
    return outside


@kernel()
def _components(labels: Labels) -> tuple[Labels, NDArray[np.int64]]:
    """Return a forest of parts, their labels and parents; its roots are 4-connected components."""
    rows, columns = labels.shape
    parent = np.empty(1024, np.int64)
    label = np.empty(1024, labels.dtype)
    line = np.empty(columns, np.int64)  # the component of each pixel in the row above, then here
    count = 0
    for y in range(rows):
        for x in range(columns):
            here = labels[y, x]
            component = -1
            if y > 0 and labels[y - 1, x] == here:
                component = line[x]
            if x > 0 and labels[y, x - 1] == here:
                component = _unite(parent, line[x - 1], component)
            if component < 0:
                if count == parent.size:
                    parent = np.concatenate((parent, np.empty_like(parent)))
                    label = np.concatenate((label, np.empty_like(label)))
                parent[count] = count
                label[count] = here
                component = count
                count += 1
            line[x] = component
    return label[:count], parent[:count]


@kernel()
def _unite(parent: NDArray[np.int64], i: int, j: int) -> int:
    """Make one component of two and return it; `j` may be none."""
    if i == j or j < 0:
        return i
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    while parent[j] != j:
        parent[j] = parent[parent[j]]
        j = parent[j]
    parent[max(i, j)] = min(i, j)
    return min(i, j)
