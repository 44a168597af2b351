"""How well a map of values fits an annotation: the measures of depth estimation.

Eigen et al., "Depth map prediction from a single image using a multi-scale deep network", NeurIPS
2014, in the form in which DORN and HCNet report them.
"""

from dataclasses import dataclass
from math import log10, sqrt

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.labels.metrics import check_same_shape

Values = NDArray[np.floating]
"""A map, (Y, X)."""

DELTA = 1.25
"""delta1, delta2 and delta3 count ratios below its first, second and third power."""
LEAST = 1e-3
"""Predictions below are taken for it where a ratio or a logarithm is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSums:
    """Sums over pixels, from which the measures come; images add up."""

    pixels: int
    """Pixels with a known value."""
    positive: int
    """Those above 0: ratios and logarithms are taken of them alone."""
    squares: float
    """Of differences, over `pixels`."""
    relative: float
    """Differences over true values."""
    decades: float
    """Differences of decimal logarithms."""
    within: tuple[int, int, int]
    """Ratios below each power of `DELTA`."""

    @classmethod
    def of(cls, truth: Values, found: Values) -> "ValueSums":
        """Compare two maps.

        Parameters
        ----------
        truth
            The annotation, (Y, X), 0 or more; NaN where nobody knows.
        found
            What was predicted, of the same shape, finite.

        Raises
        ------
        InputError
            If the shapes differ, or a value cannot be compared.
        """
        check_same_shape(truth, found)
        known = np.isfinite(truth)
        wanted, given = truth[known].astype(np.float64), found[known].astype(np.float64)
        _check_values(wanted, given)
        above = wanted > 0
        relative, decades, within = _ratios(wanted[above], given[above])
        return cls(
            pixels=len(wanted),
            positive=int(above.sum()),
            squares=float(np.square(given - wanted).sum()),
            relative=relative,
            decades=decades,
            within=within,
        )

    def __add__(self, other: "ValueSums") -> "ValueSums":
        """Return the sums of both."""
        one, two, three = (a + b for a, b in zip(self.within, other.within, strict=True))
        return ValueSums(
            pixels=self.pixels + other.pixels,
            positive=self.positive + other.positive,
            squares=self.squares + other.squares,
            relative=self.relative + other.relative,
            decades=self.decades + other.decades,
            within=(one, two, three),
        )

    def measures(self) -> dict[str, float]:
        """Return ``delta1`` to ``delta3`` (higher is better), ``rel``, ``log10`` and ``rms``.

        NaN where there is nothing to measure.
        """
        count = self.positive or float("nan")
        return {
            **{f"delta{n}": hits / count for n, hits in enumerate(self.within, start=1)},
            "rel": self.relative / count,
            "log10": self.decades / count,
            "rms": sqrt(self.squares / self.pixels) if self.pixels else float("nan"),
        }


def _check_values(truth: Values, found: Values) -> None:
    if (truth < 0).any() or not np.isfinite(found).all():
        raise InputError(
            f"Values are compared from 0 on, but the annotation goes down to {truth.min():g}, and "
            f"{np.count_nonzero(~np.isfinite(found))} predictions are not finite; shift the "
            f"annotation, and predict numbers."
        )


def _ratios(truth: Values, found: Values) -> tuple[float, float, tuple[int, int, int]]:
    """Return the sums over relative differences and logarithms, and the counts of near ratios."""
    shown = np.maximum(found, LEAST)
    decades = np.abs(np.log10(shown) - np.log10(truth))
    one, two, three = (int(np.count_nonzero(decades < power * log10(DELTA))) for power in (1, 2, 3))
    relative = np.abs(found - truth) / truth
    return float(relative.sum()), float(decades.sum()), (one, two, three)
