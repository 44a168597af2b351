"""The measures of one image's superpixels against every annotation of it.

What belongs to the image is computed once for all methods, and what belongs to the superpixels
once for all annotations; the numbers are those of `labels.metrics`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.evaluation.bsds import Sample
from napari_superpixels.labels import metrics, shapes
from napari_superpixels.labels.metrics import Labels

THIN_PX = 1
"""The tolerance of `Scores.br_thin`."""
WIDE_PX = 2
"""The tolerance of `Scores.br_wide`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The measures of one annotation, or their means."""

    superpixels: float
    """Actual number of superpixels."""
    asa: float
    """Achievable segmentation accuracy; UE is 1 - ASA."""
    br: float
    """Boundary recall, both sides of borders, tolerance of Stutz et al. (1 px on BSDS500)."""
    bp: float
    """Boundary precision, likewise."""
    ue_np: float
    """Undersegmentation error of Neubert and Protzel."""
    co: float
    """Compactness."""
    ev: float
    """Explained variation of the 8-bit colours."""
    br_thin: float
    """Boundary recall as SEAL and SSN measure it: one side of borders, 1 px."""
    br_wide: float
    """Boundary recall, both sides, 2 px."""

    @classmethod
    def mean(cls, rows: Sequence[Self]) -> Self:
        """Return the mean of each measure."""
        values = np.mean([list(asdict(row).values()) for row in rows], axis=0)
        return cls(**dict(zip((f.name for f in fields(cls)), map(float, values), strict=True)))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What measures see of labels: their numbers, and their borders, also widened."""

    ranked: metrics.Ranked
    thick: NDArray[np.bool_]
    thin: NDArray[np.bool_]
    near: NDArray[np.bool_]
    """Within the tolerance of Stutz et al. of a thick border."""

    @classmethod
    def of(cls, labels: Labels) -> Self:
        thick = metrics.boundary_map(labels)
        near = metrics.widen(thick, metrics.tolerance_radius(*thick.shape))
        thin = metrics.boundary_map(labels, thin=True)
        return cls(metrics.consecutive(labels), thick, thin, near)


class Scorer:
    """Measures superpixels of one image.

    Parameters
    ----------
    sample
        The image and its annotations.
    """

    def __init__(self, sample: Sample) -> None:
        self._image = sample.image
        self._truths = [_Drawn.of(truth) for truth in sample.segmentations]

    def __call__(self, labels: Labels) -> list[Scores]:
        """Measure superpixels against every annotation.

        Parameters
        ----------
        labels
            Superpixels, shape (Y, X).

        Returns
        -------
        list of Scores
            One an annotation.
        """
        ours = _Drawn.of(labels)
        co = shapes.compactness(labels)
        ev = shapes.explained_variation(labels, self._image)
        thin = metrics.widen(ours.thin, THIN_PX)
        wide = metrics.widen(ours.thick, WIDE_PX)
        return [
            Scores(
                superpixels=ours.ranked[1],
                co=co,
                ev=ev,
                br_thin=metrics.recall_of(truth.thin, thin),
                br_wide=metrics.recall_of(truth.thick, wide),
                **_fit(ours, truth),
            )
            for truth in self._truths
        ]


def _fit(ours: _Drawn, truth: _Drawn) -> dict[str, float]:
    """Return the measures that need both at the tolerance of Stutz et al."""
    counts = metrics.shared(ours.ranked, truth.ranked)
    hits = int(np.count_nonzero(truth.thick & ours.near))
    return {
        "asa": metrics.accuracy_of(counts),
        "ue_np": metrics.leak_of(counts),
        "br": metrics.recall_of(truth.thick, ours.near),
        "bp": metrics.precision_of(hits, ours.thick, truth.near),
    }
