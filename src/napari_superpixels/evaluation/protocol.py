"""How methods are compared: every annotation a row, means over rows, at the actual counts.

A method is anything that turns an image into labels, given how many superpixels are wanted. It may
leave another number than it was asked for, so two methods are compared at equal *actual* count, by
interpolation on the curve of one of them.

Examples
--------
>>> import numpy as np
>>> from napari_superpixels.evaluation.bsds import Sample
>>> truth = np.kron([[1, 2], [3, 4]], np.ones((4, 4), int))
>>> sample = Sample("squares", np.zeros((8, 8, 3), np.uint8), truth[np.newaxis])
>>> evaluate(lambda image, target: truth, [sample], 4).asa
1.0
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.evaluation.bsds import Sample
from napari_superpixels.evaluation.scores import Scorer, Scores
from napari_superpixels.labels.merge import merge_small
from napari_superpixels.labels.metrics import Labels

Method = Callable[[NDArray[np.uint8], int], Labels]
"""Image (Y, X, 3) and wanted number of superpixels -> labels (Y, X)."""


def evaluate(method: Method, samples: Sequence[Sample], target: int, *, workers: int = 1) -> Scores:
    """Run a method over samples and average its measures over all annotations.

    Parameters
    ----------
    method
        The method.
    samples
        Images with annotations.
    target
        Wanted number of superpixels an image.
    workers
        Threads that work on different images.

    Returns
    -------
    Scores
        Means over rows, one row an annotation: an image with more annotations weighs more, as in
        the papers.
    """

    def rows_of(index: int) -> list[Scores]:
        sample = samples[index]
        return Scorer(sample)(method(sample.image, target))

    with ThreadPoolExecutor(workers) as pool:
        return Scores.mean([row for rows in pool.map(rows_of, range(len(samples))) for row in rows])


class Curve:
    """A baseline's measures against its actual counts, evaluated where they are asked for.

    Parameters
    ----------
    method
        The baseline.
    samples
        Images with annotations.
    workers
        Threads that work on different images.
    """

    STRIDE = 1.06
    """Ratio of neighbouring targets; the points around a count lie about that close."""

    def __init__(self, method: Method, samples: Sequence[Sample], *, workers: int = 1) -> None:
        self.points: dict[int, Scores] = {}
        self._evaluate = partial(evaluate, method, samples, workers=workers)

    def count(self, target: int) -> float:
        """Evaluate at a target, once, and return the actual count.

        Parameters
        ----------
        target
            Wanted number of superpixels.
        """
        if target not in self.points:
            self.points[target] = self._evaluate(target)
        return self.points[target].superpixels

    def at(self, superpixels: float) -> Scores:
        """Return the measures at an actual count, from targets just below and above it.

        Parameters
        ----------
        superpixels
            Actual number of superpixels to compare at.
        """
        target = max(1, round(superpixels))
        while self.count(target) < superpixels:
            target = max(target + 1, round(target * self.STRIDE))
        while target > 1 and self.count(target) > superpixels:
            target = min(target - 1, round(target / self.STRIDE))
        points = sorted(self.points.values(), key=lambda point: point.superpixels)
        return at_count(points, superpixels)


def at_count(points: Sequence[Scores], superpixels: float) -> Scores:
    """Return what a curve says at an actual number of superpixels, interpolated in its logarithm.

    Parameters
    ----------
    points
        The curve, in the order of actual counts.
    superpixels
        The count to compare at.

    Returns
    -------
    Scores
        All measures at that count.

    Raises
    ------
    InputError
        If the count lies outside the curve: nothing is extrapolated.
    """
    counts = [point.superpixels for point in points]
    if not counts or not counts[0] <= superpixels <= counts[-1]:
        reach = f"{counts[0]:.0f} to {counts[-1]:.0f}" if counts else "nothing"
        raise InputError(
            f"The curve reaches from {reach} superpixels, but {superpixels:.0f} were asked for; "
            f"evaluate the baseline at targets on both sides."
        )
    names = [f.name for f in fields(Scores)]
    table = {name: [getattr(point, name) for point in points] for name in names}
    place, places = np.log(superpixels), np.log(counts)
    values = {name: float(np.interp(place, places, table[name])) for name in names}
    return Scores(**values | {"superpixels": float(superpixels)})


def merged(method: Method) -> Method:
    """Return a method followed by the papers' merging of small pieces.

    Parameters
    ----------
    method
        A method whose labels had no clean-up yet.

    Returns
    -------
    callable
        A method that asks `merge_small` for the same target.
    """

    def run(image: NDArray[np.uint8], target: int) -> Labels:
        return merge_small(method(image, target), target=target)

    return run
