"""What a benchmark's rows say: means over annotations, and gains over a reference at equal counts.

A method leaves other counts than it was asked for, so the reference is interpolated, image by
image, at the count that the method left there. Means weigh annotations, as in the papers, so an
image with more of them weighs more; gains weigh images, which alone are independent of each other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.evaluation.benchmark import Row
from napari_superpixels.evaluation.protocol import at_count
from napari_superpixels.evaluation.scores import Scores

TABLE = ("superpixels", "asa", "br", "bp", "ue_np", "co", "ev", "br_thin")
"""The measures of a table; UE is 1 - ASA."""
TITLES = ("K", "ASA", "BR", "BP", "UE_NP", "CO", "EV", "BR thin")
COMPARED = ("asa", "br")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A difference to the reference at equal actual counts."""

    mean: float
    """Mean over images; NaN where there is none."""
    error: float
    """Standard error of the mean; NaN for less than two images."""
    images: int
    """Images where the reference's counts reach around the method's."""
    of: int
    """Images where the method was measured."""

    def __str__(self) -> str:
        """Return it as a table shows it."""
        reached = f"({self.images} of {self.of})"
        if not self.images:
            return reached
        spread = f" ± {self.error:.4f}" if self.images > 1 else ""
        return f"{self.mean:+.4f}{spread} {reached}"


class Comparison:
    """Rows, in order of methods, counts and images.

    Parameters
    ----------
    rows
        What `benchmark.run` returned.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._annotations: dict[tuple[str, int], list[Scores]] = {}
        by_place: dict[tuple[str, int, str], list[Scores]] = {}
        for row in rows:
            by_place.setdefault((row.method, row.target, row.image), []).append(row.scores)
            if not row.further:
                self._annotations.setdefault((row.method, row.target), []).append(row.scores)
        self._images: dict[tuple[str, int], dict[str, Scores]] = {}
        self._points: dict[tuple[str, str], list[Scores]] = {}
        for (method, target, image), scores in by_place.items():
            mean = Scores.mean(scores)
            self._images.setdefault((method, target), {})[image] = mean
            self._points.setdefault((method, image), []).append(mean)
        self._points = {place: _distinct(points) for place, points in self._points.items()}

    @property
    def measured(self) -> list[tuple[str, int]]:
        """Methods and the counts that they were asked for; further ones of a reference are none."""
        return list(self._annotations)

    def mean(self, method: str, target: int) -> Scores:
        """Return the means over all annotations."""
        return Scores.mean(self._annotations[method, target])

    def curve(self, method: str) -> list[Scores]:
        """Return the means of a method at all its counts, by actual count."""
        means = [self.mean(*pair) for pair in self.measured if pair[0] == method]
        return sorted(means, key=lambda scores: scores.superpixels)

    def spread(self, method: str, target: int, measure: str) -> float:
        """Return the standard error of a measure's mean over images; NaN for one image."""
        images = self._images[method, target].values()
        return _error([getattr(scores, measure) for scores in images])

    def gain(self, method: str, target: int, reference: str, measure: str) -> Gain:
        """Compare a method with a reference at the counts that the method left, image by image.

        Parameters
        ----------
        method, target
            What is compared.
        reference
            With what; it is interpolated in the logarithm of its counts, never extrapolated.
        measure
            A name of `Scores`.
        """
        ours = self._images[method, target]
        pairs = ((scores, self._at(reference, image, scores)) for image, scores in ours.items())
        found = [
            getattr(scores, measure) - getattr(theirs, measure)
            for scores, theirs in pairs
            if theirs is not None
        ]
        mean = float(np.mean(found)) if found else float("nan")
        return Gain(mean=mean, error=_error(found), images=len(found), of=len(ours))

    def _at(self, reference: str, image: str, scores: Scores) -> Scores | None:
        points = self._points.get((reference, image), [])
        count = scores.superpixels
        if not points or not points[0].superpixels <= count <= points[-1].superpixels:
            return None
        return at_count(points, count)


def _distinct(points: Iterable[Scores]) -> list[Scores]:
    """Return a curve by count; several points at one count become their mean."""
    found: dict[float, list[Scores]] = {}
    for point in points:
        found.setdefault(point.superpixels, []).append(point)
    return [Scores.mean(found[count]) for count in sorted(found)]


def _error(values: Sequence[float]) -> float:
    many = len(values)
    return float(np.std(values, ddof=1) / np.sqrt(many)) if many > 1 else float("nan")


def summary(comparison: Comparison, reference: str | None) -> tuple[list[str], list[list[Any]]]:
    """Return the means as a table, with gains over a reference.

    Parameters
    ----------
    comparison
        What was measured.
    reference
        One of the methods; without one there are no gains.

    Returns
    -------
    list of str, list of list
        Header and lines, for `tables`.
    """
    header = ["method", "asked", *TITLES]
    if reference is not None:
        header += [f"{measure.upper()} - {reference}" for measure in COMPARED]
    lines = []
    for method, target in comparison.measured:
        mean = comparison.mean(method, target)
        line: list[Any] = [method, target, round(mean.superpixels)]
        line += [getattr(mean, name) for name in TABLE[1:]]
        if reference is not None:
            gains = (comparison.gain(method, target, reference, measure) for measure in COMPARED)
            line += ["" if method == reference else str(gain) for gain in gains]
        lines.append(line)
    return header, lines


def plot_curves(comparison: Comparison, asa: Any, br_bp: Any) -> None:
    """Draw ASA over counts, and recall over precision, into two axes of matplotlib.

    Parameters
    ----------
    comparison
        What was measured.
    asa, br_bp
        The axes.
    """
    for method in dict.fromkeys(method for method, _ in comparison.measured):
        points: NDArray[np.float64] = np.array(
            [(s.superpixels, s.asa, s.br, s.bp) for s in comparison.curve(method)]
        )
        asa.errorbar(
            points[:, 0], points[:, 1], _errors(comparison, method), fmt=".-", label=method
        )
        br_bp.plot(points[:, 2], points[:, 3], ".-", label=method)
        for count, _, recall, precision in points:
            place = {"textcoords": "offset points", "xytext": (3, 3), "fontsize": 6}
            br_bp.annotate(f"{count:.0f}", (recall, precision), **place)
    asa.set(xlabel="superpixels, on average", ylabel="ASA", xscale="log")
    _plain(asa.xaxis)
    br_bp.set(xlabel="boundary recall", ylabel="boundary precision")
    for axes in (asa, br_bp):
        axes.grid(visible=True, alpha=0.3)
        axes.legend()


def _errors(comparison: Comparison, method: str) -> list[float]:
    """Return the standard errors of ASA in the order of `Comparison.curve`."""
    pairs = [pair for pair in comparison.measured if pair[0] == method]
    pairs.sort(key=lambda pair: comparison.mean(*pair).superpixels)
    return [comparison.spread(*pair, "asa") for pair in pairs]


def _plain(axis: Any) -> None:
    """Write 100, 200, 500 on a logarithmic axis, not powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axis.set_major_formatter(ScalarFormatter())
    axis.set_minor_formatter(NullFormatter())
