"""Axes of other resolution: which sample lies under the centre of another."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.tiling.intervals import Interval


@dataclass(frozen=True, slots=True)
class Nearest:
    """For each sample of one axis, the sample of another over the same length that is nearest.

    Sample `j` looks at sample ``floor((j + 1/2) * numerator / denominator)``, or at the last one
    where that lies beyond the end. All in integers, so that two ways to the same place agree.
    """

    size: int
    """Samples of the axis that is looked at."""
    count: int
    """Samples of the axis that looks."""
    numerator: int
    """Together with `denominator`: samples looked at a sample that looks."""
    denominator: int

    @classmethod
    def between(cls, size: int, count: int) -> Self:
        """Make the lookup of `count` samples that span the same length as `size` samples."""
        return cls(size, count, size, count)

    @property
    def stride(self) -> float:
        """Samples looked at a sample that looks."""
        return self.numerator / self.denominator

    def __call__(self, part: Interval) -> NDArray[np.int64]:
        """Return the samples that those of an interval look at."""
        centres = 2 * np.arange(part.start, part.stop, dtype=np.int64) + 1
        return np.minimum(centres * self.numerator // (2 * self.denominator), self.size - 1)

    def cover(self, part: Interval) -> Interval:
        """Return the interval of the samples that those of an interval look at."""
        if not len(part):
            return Interval(0, 0)
        return Interval(self._one(part.start), self._one(part.stop - 1) + 1)

    def looking_at(self, part: Interval) -> Interval:
        """Return the samples that look at those of an interval."""
        return Interval(self._first(part.start), self._first(part.stop))

    def _one(self, sample: int) -> int:
        return min((2 * sample + 1) * self.numerator // (2 * self.denominator), self.size - 1)

    def _first(self, looked_at: int) -> int:
        """Return the first sample that looks at a sample or at a later one."""
        if looked_at >= self.size:
            return self.count
        twice = 2 * looked_at * self.denominator - self.numerator
        return min(max(0, -(-twice // (2 * self.numerator))), self.count)
