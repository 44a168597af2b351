"""Several methods at several counts: every annotation a row, told as soon as it is measured.

A method is asked for some counts and leaves others. Where one of the methods is the reference, it
is asked for further counts in each image, until its own reach around those of the others there.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from itertools import product
from math import ceil
from typing import Any

from napari_superpixels.errors import InputError
from napari_superpixels.evaluation.bsds import Sample
from napari_superpixels.evaluation.protocol import Method
from napari_superpixels.evaluation.scores import Scorer, Scores

MEASURES = tuple(field.name for field in fields(Scores))
MORE, FEWER = 1.7, 0.6
"""Ratios between the further counts that the reference is asked for."""
TRIES = 8
"""Further counts in each direction, at most: more than a factor of 50."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The measures of one method on one annotation."""

    method: str
    target: int
    """Superpixels that were asked for."""
    image: str
    annotation: int
    scores: Scores
    further: bool = False
    """Whether the reference was run here only to reach around the others' counts."""


Told = Callable[[Sequence[Row]], None]
"""Is given the rows of one image by one method at one count as soon as they are measured."""


def _nothing(_rows: Sequence[Row]) -> None:
    """Tell nobody."""


def run(
    methods: Mapping[str, Method],
    samples: Sequence[Sample],
    targets: Sequence[int],
    *,
    reference: str | None = None,
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
    reference
        One of the methods, which gets further rows where its counts do not reach around others'.
    workers
        Threads that work on different images.
    told
        Called from those threads.

    Returns
    -------
    list of Row
        In the order of methods, targets, images, annotations; further rows after all others.
    """

    def rows_of(index: int) -> list[Row]:
        measuring = _Measuring(methods, samples[index], told)
        rows = [row for pair in product(methods, targets) for row in measuring(*pair)]
        return rows if reference is None else rows + measuring.further(rows, reference)

    with ThreadPoolExecutor(workers) as pool:
        rows = [row for rows in pool.map(rows_of, range(len(samples))) for row in rows]
    order = {pair: place for place, pair in enumerate(product(methods, targets))}
    return sorted(rows, key=lambda row: order.get((row.method, row.target), len(order)))


class _Measuring:
    """One image in work."""

    def __init__(self, methods: Mapping[str, Method], sample: Sample, told: Told) -> None:
        self._methods, self._sample, self._told = methods, sample, told
        self._scorer = Scorer(sample)

    def __call__(self, name: str, target: int, *, further: bool = False) -> list[Row]:
        """Measure one method at one count."""
        found = self._scorer(self._methods[name](self._sample.image, target))
        rows = [
            Row(
                method=name,
                target=target,
                image=self._sample.name,
                annotation=number,
                scores=scores,
                further=further,
            )
            for number, scores in enumerate(found)
        ]
        self._told(rows)
        return rows

    def further(self, rows: Sequence[Row], reference: str) -> list[Row]:
        """Measure the reference until its counts reach around those of the others."""
        theirs = {r.target: r.scores.superpixels for r in rows if r.method == reference}
        others = [row.scores.superpixels for row in rows if row.method != reference]
        if not others:
            return []
        low, high = min(others), max(others)
        found = []
        if max(theirs.values()) < high:
            found += self._until(reference, max(theirs), MORE, lambda count: count >= high)
        if min(theirs.values()) > low:
            found += self._until(reference, min(theirs), FEWER, lambda count: count <= low)
        return found

    def _until(
        self, reference: str, target: int, ratio: float, reached: Callable[[float], bool]
    ) -> list[Row]:
        rows: list[Row] = []
        for _ in range(TRIES):
            target = ceil(target * ratio) if ratio > 1 else int(target * ratio)
            if target < 1:
                break
            try:
                rows += self(reference, target, further=True)
            except InputError:  # no step of the reference gives that count
                break
            if reached(rows[-1].scores.superpixels):
                break
        return rows


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[Any]]]:
    """Return every row with all its measures, for `tables.to_csv`."""
    header = ["method", "asked", "image", "annotation", "further", *MEASURES]
    return header, [
        [
            row.method,
            row.target,
            row.image,
            row.annotation,
            int(row.further),
            *asdict(row.scores).values(),
        ]
        for row in rows
    ]
