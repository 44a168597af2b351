"""How well a map of classes fits an annotation: IoU, accuracy and the F measure of boundaries.

Classes are whole numbers from 1; 0 in the annotation means that nobody knows, and such pixels count
for nothing. Measures of several images come from the sums of their counts, as in Cityscapes and
PASCAL VOC: they are no means of images' measures.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.labels.metrics import Labels, check_same_shape, widen

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]
"""One number a class; NaN where there is nothing to measure."""


def confusion(truth: Labels, found: Labels, classes: int) -> Counts:
    """Count the pixels of each class that were taken for each class.

    Parameters
    ----------
    truth
        The annotation, (Y, X), 0 to `classes`; 0 is not counted.
    found
        What was predicted, of the same shape. 0 means none: it agrees with no class.
    classes
        How many there are.

    Returns
    -------
    ndarray of int64, shape (classes, classes + 1)
        Rows are true classes; columns are predicted ones, the last one is none.

    Raises
    ------
    InputError
        If the shapes differ, or a number is beyond the classes.
    """
    check_same_shape(truth, found)
    _check_range(truth, classes, "annotation")
    _check_range(found, classes, "prediction")
    known = truth > 0
    rows = truth[known].astype(np.int64) - 1
    columns = (found[known].astype(np.int64) - 1) % (classes + 1)
    width = classes + 1
    counts = np.bincount(rows * width + columns, minlength=classes * width)
    return counts.reshape(classes, width).astype(np.int64)


def _check_range(ids: Labels, classes: int, what: str) -> None:
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high > classes:
        raise InputError(
            f"The {what} has ids from {low} to {high}, but classes are numbered 1 to {classes}, "
            f"and 0 is unknown; renumber them."
        )


def iou_of(counts: Counts) -> Shares:
    r"""Return the intersection over union of each class, by the `confusion`.

    .. math:: IoU_c = \frac{TP_c}{TP_c + FP_c + FN_c}
    """
    classes = len(counts)
    hits = np.diagonal(counts)
    union = counts.sum(axis=1) + counts[:, :classes].sum(axis=0) - hits
    return _ratio(hits, union)


def mean_iou_of(counts: Counts) -> float:
    """Return the mean IoU over classes that are annotated or predicted; NaN without any."""
    return _mean(iou_of(counts))


def pixel_accuracy_of(counts: Counts) -> float:
    """Return the share of pixels whose class was found, by the `confusion`; NaN without any."""
    total = int(counts.sum())
    return float(np.trace(counts) / total) if total else float("nan")


@dataclass(frozen=True, slots=True)
class BoundaryCounts:
    """Boundary pixels of each class, and how many of them have a partner; images add up.

    References
    ----------
    Csurka et al., "What is a good evaluation measure for semantic segmentation?", BMVC 2013; there
    near means a distance of at most .75 % of the diagonal, here a square whose side is told.
    """

    found: Counts
    """Of the prediction."""
    found_near: Counts
    """Those near an annotated boundary of the same class."""
    truth: Counts
    """Of the annotation."""
    truth_near: Counts
    """Those near a predicted boundary of the same class."""

    @classmethod
    def of(
        cls, truth: Labels, found: Labels, classes: int, *, tolerance_px: int
    ) -> "BoundaryCounts":
        """Compare the boundaries of two maps.

        A pixel is at a boundary of its class where a 4-neighbour has another class, and both are
        known in the annotation; the edge of the image is none.

        Parameters
        ----------
        truth, found
            As in `confusion`.
        classes
            How many there are.
        tolerance_px
            Two boundary pixels are near where they lie at most so far apart along y and along x.
        """
        check_same_shape(truth, found)
        known = truth > 0
        wanted, given = at_boundary(truth, known), at_boundary(found, known)
        rows = [
            _compared(wanted & (truth == number), given & (found == number), tolerance_px)
            for number in range(1, classes + 1)
        ]
        return cls(*np.array(rows, np.int64).reshape(classes, 4).T)

    def __add__(self, other: "BoundaryCounts") -> "BoundaryCounts":
        """Return the counts of both."""
        return BoundaryCounts(
            self.found + other.found,
            self.found_near + other.found_near,
            self.truth + other.truth,
            self.truth_near + other.truth_near,
        )

    @property
    def f_per_class(self) -> Shares:
        r"""The harmonic mean of precision and recall of each class; NaN without any boundary.

        .. math:: F_c = \frac{2 P_c R_c}{P_c + R_c}
        """
        precision = np.nan_to_num(_ratio(self.found_near, self.found))
        recall = np.nan_to_num(_ratio(self.truth_near, self.truth))
        both = precision + recall
        f = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
        return np.where(self.found + self.truth > 0, f, np.nan)

    @property
    def mean_f(self) -> float:
        """The mean over classes that have a boundary; NaN without any."""
        return _mean(self.f_per_class)


def at_boundary(ids: Labels, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which known pixels have a known 4-neighbour of another class, shape (Y, X)."""
    below = (ids[1:] != ids[:-1]) & known[1:] & known[:-1]
    right = (ids[:, 1:] != ids[:, :-1]) & known[:, 1:] & known[:, :-1]
    boundary = np.zeros(ids.shape, np.bool_)
    boundary[:-1] |= below
    boundary[1:] |= below
    boundary[:, :-1] |= right
    boundary[:, 1:] |= right
    return boundary


def _compared(
    wanted: NDArray[np.bool_], given: NDArray[np.bool_], radius: int
) -> tuple[int, int, int, int]:
    """Return predicted, predicted and near, annotated, annotated and near boundary pixels."""
    return (
        int(np.count_nonzero(given)),
        int(np.count_nonzero(given & widen(wanted, radius))),
        int(np.count_nonzero(wanted)),
        int(np.count_nonzero(wanted & widen(given, radius))),
    )


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Shares:
    shares = np.full(len(whole), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def _mean(values: Shares) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")
