"""How well superpixels fit a segmentation: the measures of the papers, on whole label arrays.

S_j are the superpixels, G_i the segments of one annotation, N the number of pixels. Labels are
integers of any size and sign; every value is a label, 0 too. A pixel's *boundary* is defined in two
ways, because papers differ: *thick* marks both sides of a border (any 4-neighbour differs; Stutz et
al., "Superpixels: An evaluation of the state-of-the-art", CVIU 2018), *thin* one of them (the right
or the lower neighbour differs; the public evaluation script of SEAL, which SSN used).
"""

from math import hypot
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from napari_superpixels.errors import InputError

Labels = NDArray[np.integer[Any]]
"""A label array, shape (Y, X)."""

TOLERANCE = 0.0025
"""The boundary tolerance of Stutz et al., as a fraction of the image's diagonal."""


def check_same_shape(first: NDArray[Any], second: NDArray[Any]) -> None:
    """Refuse arrays of different shapes.

    Raises
    ------
    InputError
        With both.
    """
    if first.shape != second.shape or first.ndim != 2 or not first.size:
        raise InputError(
            f"The label arrays have the shapes {first.shape} and {second.shape}, but measures "
            f"compare two arrays of one shape (Y, X) with pixels in it; crop or resize one of them."
        )


def consecutive(labels: Labels) -> tuple[NDArray[np.intp], int]:
    """Number labels 0, 1, ... without gaps, in their own order.

    Parameters
    ----------
    labels
        Label array of any shape, with pixels in it.

    Returns
    -------
    ndarray of intp, int
        The numbered labels of the same shape, and how many labels there are.
    """
    low, high = int(labels.min()), int(labels.max())
    if high - low >= 4 * labels.size:
        values, ranks = np.unique(labels, return_inverse=True)
        return ranks.reshape(labels.shape), len(values)
    wide = labels if labels.dtype.kind == "u" else labels.astype(np.int64)
    shifted = (wide - wide.dtype.type(low)).astype(np.intp)
    used = np.bincount(shifted.ravel()) > 0
    return (np.cumsum(used) - 1)[shifted], int(used.sum())


def count_superpixels(labels: Labels) -> int:
    """Return how many different labels there are.

    Parameters
    ----------
    labels
        Label array, shape (Y, X).

    Returns
    -------
    int
        The actual number of superpixels, which is what the measures are compared at.
    """
    return consecutive(labels)[1]


def overlaps(superpixels: Labels, segments: Labels) -> csr_array:
    """Count the pixels that each superpixel shares with each segment.

    Parameters
    ----------
    superpixels, segments
        Label arrays of one shape (Y, X).

    Returns
    -------
    csr_array of int64, shape (superpixels, segments)
        ``|S_j n G_i|``, both numbered in the order of their labels.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    check_same_shape(superpixels, segments)
    return shared(consecutive(superpixels), consecutive(segments))


Ranked = tuple[NDArray[np.intp], int]
"""What `consecutive` returns."""


def shared(superpixels: Ranked, segments: Ranked) -> csr_array:
    """Count as `overlaps` does, of labels that are numbered already.

    Parameters
    ----------
    superpixels, segments
        As `consecutive` returns them, of one shape.
    """
    (rows, n_rows), (columns, n_columns) = superpixels, segments
    pairs, size = (rows * n_columns + columns).ravel(), n_rows * n_columns
    if size <= 8 * rows.size:
        counts = np.bincount(pairs, minlength=size)
        found = np.flatnonzero(counts)
        counts = counts[found]
    else:
        found, counts = np.unique(pairs, return_counts=True)
    starts = np.searchsorted(found, np.arange(n_rows + 1) * n_columns)
    return csr_array((counts, found % n_columns, starts), shape=(n_rows, n_columns))


def accuracy_of(counts: csr_array) -> float:
    """Return ASA by the `overlaps`."""
    best = np.maximum.reduceat(counts.data, counts.indptr[:-1])  # no superpixel is empty
    return float(best.sum() / counts.data.sum())


def achievable_segmentation_accuracy(superpixels: Labels, segments: Labels) -> float:
    r"""Return the accuracy of the best segmentation that keeps superpixels whole (ASA).

    .. math:: ASA = \frac{1}{N} \sum_j \max_i |S_j \cap G_i|

    Parameters
    ----------
    superpixels, segments
        Label arrays of one shape (Y, X).

    Returns
    -------
    float
        Between 0 and 1, higher is better.

    Raises
    ------
    InputError
        If the shapes differ.

    References
    ----------
    Liu et al., "Entropy rate superpixel segmentation", CVPR 2011.
    """
    return accuracy_of(overlaps(superpixels, segments))


def undersegmentation_error(superpixels: Labels, segments: Labels) -> float:
    r"""Return the share of pixels that leak out of the segment they fit best (UE).

    .. math:: UE = \frac{1}{N} \sum_j \min_i |S_j \setminus G_i| = 1 - ASA

    Parameters
    ----------
    superpixels, segments
        Label arrays of one shape (Y, X).

    Returns
    -------
    float
        Between 0 and 1, lower is better.

    Raises
    ------
    InputError
        If the shapes differ.

    References
    ----------
    Stutz et al., CVIU 2018, its public code.
    """
    return 1.0 - achievable_segmentation_accuracy(superpixels, segments)


def leak_of(counts: csr_array) -> float:
    """Return UE_NP by the `overlaps`."""
    sizes = np.add.reduceat(counts.data, counts.indptr[:-1])
    outside = np.repeat(sizes, np.diff(counts.indptr)) - counts.data
    return float(np.minimum(counts.data, outside).sum() / counts.data.sum())


def undersegmentation_error_np(superpixels: Labels, segments: Labels) -> float:
    r"""Return the undersegmentation error of Neubert and Protzel (UE_NP).

    .. math:: UE_{NP} = \frac{1}{N} \sum_i \sum_{S_j \cap G_i \neq \emptyset}
              \min(|S_j \cap G_i|, |S_j \setminus G_i|)

    Parameters
    ----------
    superpixels, segments
        Label arrays of one shape (Y, X).

    Returns
    -------
    float
        0 for a perfect fit, lower is better.

    Raises
    ------
    InputError
        If the shapes differ.

    References
    ----------
    Neubert and Protzel, "Superpixel benchmark and comparison", Forum Bildverarbeitung 2012.
    """
    return leak_of(overlaps(superpixels, segments))


def boundary_map(labels: Labels, *, thin: bool = False) -> NDArray[np.bool_]:
    """Return which pixels lie on a border between labels.

    Parameters
    ----------
    labels
        Label array, shape (Y, X).
    thin
        Whether only the upper and left side of a border counts (SEAL), or both sides (Stutz).

    Returns
    -------
    ndarray of bool, shape (Y, X)
        The edge of the image is no boundary.
    """
    below, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    boundary = np.zeros(labels.shape, np.bool_)
    boundary[:-1] |= below
    boundary[:, :-1] |= right
    if not thin:
        boundary[1:] |= below
        boundary[:, 1:] |= right
    return boundary


def tolerance_radius(height: int, width: int) -> int:
    """Return the boundary tolerance of Stutz et al. in pixels, ``round(0.0025 * diagonal)``.

    Parameters
    ----------
    height, width
        Size of the image, in pixels.

    Returns
    -------
    int
        1 for 481 x 321, 2 for 448 x 608.
    """
    return round(TOLERANCE * hypot(height, width))


def widen(boundary: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Return the pixels with a boundary pixel in the square of ``2 * radius + 1`` around them.

    Parameters
    ----------
    boundary
        Boundary pixels, shape (Y, X).
    radius
        Half the width of the square, in pixels.
    """
    wide = boundary.copy()
    for shift in range(1, radius + 1):
        wide[shift:] |= boundary[:-shift]
        wide[:-shift] |= boundary[shift:]
    square = wide.copy()
    for shift in range(1, radius + 1):
        square[:, shift:] |= wide[:, :-shift]
        square[:, :-shift] |= wide[:, shift:]
    return square


def recall_of(truth: NDArray[np.bool_], near: NDArray[np.bool_]) -> float:
    """Return BR by the annotation's boundary, and the widened one of the superpixels."""
    total = np.count_nonzero(truth)
    return float(np.count_nonzero(truth & near) / total) if total else 1.0


def precision_of(
    hits: int | np.signedinteger[Any], found: NDArray[np.bool_], near: NDArray[np.bool_]
) -> float:
    """Return BP by the hits, the superpixels' boundary, and the widened one of the annotation."""
    misses = np.count_nonzero(found & ~near)
    return float(hits / (hits + misses)) if hits + misses else 1.0


def boundary_recall(
    superpixels: Labels, segments: Labels, *, radius: int | None = None, thin: bool = False
) -> float:
    r"""Return the share of the annotation's boundary that superpixel boundaries find (BR).

    .. math:: BR = \frac{TP}{TP + FN}

    over the boundary pixels of the annotation; one is found (TP) where the square of
    ``2 * radius + 1`` pixels around it holds a superpixel boundary.

    Parameters
    ----------
    superpixels, segments
        Label arrays of one shape (Y, X).
    radius
        The tolerance in pixels; that of Stutz et al. where not given. SEAL and SSN: 1, `thin`.
    thin
        Which boundaries are compared, see `boundary_map`.

    Returns
    -------
    float
        Between 0 and 1, higher is better; 1 for an annotation without boundary.

    Raises
    ------
    InputError
        If the shapes differ.

    References
    ----------
    Stutz et al., CVIU 2018, its public code (a square, although its text says a disc).
    """
    check_same_shape(superpixels, segments)
    truth = boundary_map(segments, thin=thin)
    reach = tolerance_radius(*truth.shape) if radius is None else radius
    return recall_of(truth, widen(boundary_map(superpixels, thin=thin), reach))


def boundary_precision(
    superpixels: Labels, segments: Labels, *, radius: int | None = None, thin: bool = False
) -> float:
    r"""Return the boundary precision as the superpixel papers report it (BP).

    .. math:: BP = \frac{TP}{TP + FP}

    TP are the found boundary pixels *of the annotation*, as in `boundary_recall`; FP are the
    superpixel boundary pixels that have no boundary of the annotation in the square around them.

    Parameters
    ----------
    superpixels, segments
        Label arrays of one shape (Y, X).
    radius
        The tolerance in pixels; that of Stutz et al. where not given.
    thin
        Which boundaries are compared, see `boundary_map`.

    Returns
    -------
    float
        Between 0 and 1; about 0.1 at the usual numbers of superpixels. 1 without any boundary.

    Raises
    ------
    InputError
        If the shapes differ.

    References
    ----------
    Stutz et al., CVIU 2018, its public code; used by SCN, AINet and PCNet.
    """
    check_same_shape(superpixels, segments)
    truth, found = boundary_map(segments, thin=thin), boundary_map(superpixels, thin=thin)
    reach = tolerance_radius(*truth.shape) if radius is None else radius
    hits = int(np.count_nonzero(truth & widen(found, reach)))
    return precision_of(hits, found, widen(truth, reach))
