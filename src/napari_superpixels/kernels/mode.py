"""Coarser levels of a label image: the most frequent label of each block."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.jit import kernel

Labels = NDArray[np.unsignedinteger[Any]]


def mode_downsample(labels: Labels, factor: tuple[int, int]) -> Labels:
    """Return the most frequent label of each block; of several the smallest.

    Parameters
    ----------
    labels : ndarray of an unsigned integer, shape (Y, X)
        Labels; 0 counts like any other.
    factor : (int, int)
        Size of a block along y and x. Blocks at the end may be cut; what is there counts.

    Returns
    -------
    ndarray of the same dtype, shape (ceil(Y / fy), ceil(X / fx))
        The coarser labels.
    """
    assert min(factor) >= 1, "a block holds at least one pixel"
    shape = (-(-labels.shape[0] // factor[0]), -(-labels.shape[1] // factor[1]))
    out = np.empty(shape, labels.dtype)
    if factor != (2, 2):
        _downsample(labels, factor, 0, 0, out)
        return out
    whole = labels.shape[0] // 2, labels.shape[1] // 2
    _downsample_pairs(labels, out[: whole[0], : whole[1]])
    _downsample(labels, factor, whole[0], 0, out)
    _downsample(labels, factor, 0, whole[1], out)
    return out


@kernel()
def _downsample_pairs(labels: Labels, out: Labels) -> None:
    """Reduce whole blocks of 2 x 2: sort the four; equal ones then lie side by side."""
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            p, q = labels[2 * r, 2 * c], labels[2 * r, 2 * c + 1]
            s, t = labels[2 * r + 1, 2 * c], labels[2 * r + 1, 2 * c + 1]
            p, q = min(p, q), max(p, q)
            s, t = min(s, t), max(s, t)
            first, last = min(p, s), max(q, t)
            second, third = min(max(p, s), min(q, t)), max(max(p, s), min(q, t))
            pair = third if third == last else first
            pair = second if second == third else pair
            out[r, c] = first if first == second else pair


@kernel()
def _downsample(labels: Labels, factor: tuple[int, int], top: int, left: int, out: Labels) -> None:
    """Reduce the blocks from row `top` and column `left` on."""
    values = np.empty(factor[0] * factor[1], labels.dtype)
    counts = np.empty(values.size, np.int64)
    for r in range(top, out.shape[0]):
        rows = r * factor[0], min((r + 1) * factor[0], labels.shape[0])
        for c in range(left, out.shape[1]):
            columns = c * factor[1], min((c + 1) * factor[1], labels.shape[1])
            size = _count(labels, rows, columns, values, counts)
            out[r, c] = _mode(values, counts, size)


@kernel(forceinline=True)
def _count(
    labels: Labels,
    rows: tuple[int, int],
    columns: tuple[int, int],
    values: Labels,
    counts: NDArray[np.int64],
) -> int:
    """Count the labels of a block; return how many different ones there are."""
    size = last = 0
    for y in range(rows[0], rows[1]):
        for x in range(columns[0], columns[1]):
            label = labels[y, x]
            if size == 0 or values[last] != label:
                last = 0
                while last < size and values[last] != label:
                    last += 1
            if last == size:
                values[size] = label
                counts[size] = 0
                size += 1
            counts[last] += 1
    return size


@kernel(forceinline=True)
def _mode(values: Labels, counts: NDArray[np.int64], size: int) -> int:
    """Return the most frequent one of counted labels, of several the smallest."""
    best = 0
    for i in range(1, size):
        tie = counts[i] == counts[best] and values[i] < values[best]
        if counts[i] > counts[best] or tie:
            best = i
    return values[best]  # type: ignore[no-any-return]
