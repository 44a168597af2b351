"""Several methods at several counts: every annotation a row, compared pairwise at equal counts.

A method is asked for some counts and leaves others, so a reference is interpolated, image by image,
at the count that a method left there; the differences over images have a mean and a standard error.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.evaluation.bsds import Sample
from napari_superpixels.evaluation.protocol import Method, Scores, score

MEASURES = tuple(field.name for field in fields(Scores))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The measures of one method on one annotation."""

    method: str
    target: int
    """Superpixels that were asked for."""
    image: str
    annotation: int
    scores: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A difference to the reference at equal actual counts."""

    mean: float
    error: float
    """Standard error of the mean; NaN for a single image."""
    images: int
    """Images where the reference's counts reach around the method's."""


Told = Callable[[str, int, str], None]
"""Is given method, target and image when they are done."""


def _nothing(_method: str, _target: int, _image: str) -> None:
    """Tell nobody."""


def run(
    methods: Mapping[str, Method],
    samples: Sequence[Sample],
    targets: Sequence[int],
    *,
    workers: int = 1,
    told: Told = _nothing,
) -> list[Row]:
    """Measure methods on samples.

    Parameters
    ----------
    methods
        By name.
    samples
        Images with annotations.
    targets
        Wanted numbers of superpixels.
    workers
        Threads that work on different images.
    told
        Called from those threads.

    Returns
    -------
    list of Row
        In the order of methods, targets, images, annotations.
    """

    def rows_of(index: int) -> list[Row]:
        return list(_measured(methods, samples[index], targets, told))

    with ThreadPoolExecutor(workers) as pool:
        rows = [row for rows in pool.map(rows_of, range(len(samples))) for row in rows]
    order = {pair: place for place, pair in enumerate(product(methods, targets))}
    return sorted(rows, key=lambda row: order[row.method, row.target])


def _measured(
    methods: Mapping[str, Method], sample: Sample, targets: Sequence[int], told: Told
) -> Iterator[Row]:
    for name, target in product(methods, targets):
        found = score(methods[name](sample.image, target), sample)
        for number, scores in enumerate(found):
            yield Row(
                method=name, target=target, image=sample.name, annotation=number, scores=scores
            )
        told(name, target, sample.name)


def curve(rows: Sequence[Row], method: str) -> list[Scores]:
    """Return the means of a method over all annotations, one a target, by actual count."""
    found = [row for row in rows if row.method == method]
    targets = sorted({row.target for row in found})
    means = [Scores.mean([r.scores for r in found if r.target == target]) for target in targets]
    return sorted(means, key=lambda scores: scores.superpixels)


def gain(
    rows: Sequence[Row], method: str, target: int, reference: str, measure: str
) -> Gain | None:
    """Compare a method with a reference at the counts that the method left, image by image.

    Parameters
    ----------
    rows
        What `run` returned.
    method, target
        What is compared.
    reference
        With what; it is interpolated in the logarithm of its counts, never extrapolated.
    measure
        One of `MEASURES`.

    Returns
    -------
    Gain or None
        None where the reference reaches around the method's count in no image.
    """
    ours = _by_image(rows, method, target, measure)
    differences = []
    for image, (count, value) in ours.items():
        theirs = _interpolated(rows, reference, image, count, measure)
        if theirs is not None:
            differences.append(value - theirs)
    if not differences:
        return None
    many = len(differences)
    error = float(np.std(differences, ddof=1) / np.sqrt(many)) if many > 1 else float("nan")
    return Gain(mean=float(np.mean(differences)), error=error, images=many)


def _by_image(
    rows: Sequence[Row], method: str, target: int, measure: str
) -> dict[str, tuple[float, float]]:
    """Return count and mean measure of each image."""
    found: dict[str, list[Scores]] = {}
    for row in rows:
        if row.method == method and row.target == target:
            found.setdefault(row.image, []).append(row.scores)
    means = {image: Scores.mean(scores) for image, scores in found.items()}
    return {image: (s.superpixels, getattr(s, measure)) for image, s in means.items()}


def _interpolated(
    rows: Sequence[Row], method: str, image: str, count: float, measure: str
) -> float | None:
    of_image = [row for row in rows if row.image == image]
    targets = {row.target for row in of_image if row.method == method}
    points = sorted(_by_image(of_image, method, target, measure)[image] for target in targets)
    if not points or not points[0][0] <= count <= points[-1][0]:
        return None
    counts, values = zip(*points, strict=True)
    return float(np.interp(np.log(count), np.log(counts), values))


TABLE = ("superpixels", "asa", "br", "bp", "ue_np", "co", "ev", "br_thin")
"""The measures of a table; UE is 1 - ASA."""
TITLES = ("K", "ASA", "BR", "BP", "UE_NP", "CO", "EV", "BR thin")
COMPARED = ("asa", "br")


def summary(rows: Sequence[Row], reference: str | None) -> tuple[list[str], list[list[Any]]]:
    """Return the means as a table, with gains over a reference.

    Parameters
    ----------
    rows
        What `run` returned.
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
    for method, target in dict.fromkeys((row.method, row.target) for row in rows):
        mean = Scores.mean(
            [row.scores for row in rows if (row.method, row.target) == (method, target)]
        )
        line: list[Any] = [method, target, round(mean.superpixels)]
        line += [getattr(mean, name) for name in TABLE[1:]]
        if reference is not None:
            line += [_told(rows, method, target, reference, measure) for measure in COMPARED]
        lines.append(line)
    return header, lines


def _told(rows: Sequence[Row], method: str, target: int, reference: str, measure: str) -> str:
    found = None if method == reference else gain(rows, method, target, reference, measure)
    if found is None:
        return ""
    spread = f" ± {found.error:.4f}" if found.images > 1 else ""
    return f"{found.mean:+.4f}{spread} ({found.images})"


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[Any]]]:
    """Return every row with all its measures, for `tables.to_csv`."""
    header = ["method", "asked", "image", "annotation", *MEASURES]
    return header, [
        [row.method, row.target, row.image, row.annotation, *asdict(row.scores).values()]
        for row in rows
    ]


def plot_curves(rows: Sequence[Row], asa: Any, br_bp: Any) -> None:
    """Draw ASA over counts, and recall over precision, into two axes of matplotlib.

    Parameters
    ----------
    rows
        What `run` returned.
    asa, br_bp
        The axes.
    """
    for method in dict.fromkeys(row.method for row in rows):
        points: NDArray[np.float64] = np.array(
            [(s.superpixels, s.asa, s.br, s.bp) for s in curve(rows, method)]
        )
        asa.plot(points[:, 0], points[:, 1], marker=".", label=method)
        br_bp.plot(points[:, 2], points[:, 3], marker=".", label=method)
    asa.set(xlabel="superpixels", ylabel="ASA", xscale="log")
    br_bp.set(xlabel="boundary recall", ylabel="boundary precision")
    for axes in (asa, br_bp):
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
