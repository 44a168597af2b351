"""Regression by ordinal classification (DORN, HCDORN).

Fu et al., Deep Ordinal Regression Network for Monocular Depth Estimation, CVPR 2018, sections 3.2
and 3.3. Values between a lowest and a highest one are cut into intervals that get wider as values
grow (spacing-increasing discretisation), and the network says for each threshold between two of
them, with which probability the value lies above it. The value is the middle of the interval
that as many thresholds lie below as are passed with a probability of at least a half.

The paper has two numbers a threshold, of which a softmax matters, so their difference alone; here
that difference is what the network gives. In Suzuki, Implicit Integration of Superpixel
Segmentation, 2021, section 4.4, features come back to finer pixels by clusters and the last layer
works there. It is linear and assignments sum to 1, so its results come back here to the same end.

The shape suffixes: N batch, C channels, Y X pixels, K thresholds.
"""

# ruff: noqa: N803 - names carry shape suffixes

from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from napari_superpixels.errors import InputError
from napari_superpixels.networks.segmentation import SegmentationNetwork

BINS = 80
"""Intervals of values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discretisation:
    """How values are cut into intervals (Eq. 1 of DORN).

    Values are shifted so that the lowest becomes 1, as in the paper: logarithms of them are finite.
    """

    bins: int = BINS
    """Number of intervals, the paper's K."""
    lowest: float = 0.0
    """The paper's alpha, in the values' unit."""
    highest: float = 1.0
    """The paper's beta, in the values' unit."""

    def __post_init__(self) -> None:
        """Refuse what cannot be cut."""
        if self.bins < 2:
            raise InputError(
                f"Values cannot be told apart in {self.bins} intervals; give 2 or more."
            )
        finite = isfinite(self.lowest) and isfinite(self.highest)
        if not (finite and self.lowest < self.highest):
            raise InputError(
                f"There are no values between {self.lowest:g} and {self.highest:g}; give a finite "
                f"lowest that is below a finite highest."
            )

    def edges(self, like: Tensor) -> Tensor:
        """Return where intervals begin and end, (bins + 1,): the lowest first, the highest last."""
        ratio = self.highest - self.lowest + 1
        place = torch.arange(self.bins + 1, dtype=torch.float64) / self.bins
        return (ratio**place - 1 + self.lowest).to(like)

    def labels(self, values: Tensor) -> Tensor:
        """Return the interval of each value, int64 from 0; the first or last of those beyond.

        Parameters
        ----------
        values
            Of any shape, finite.
        """
        inner = self.edges(values)[1:-1]
        return torch.bucketize(values, inner, right=True)

    def values(self, labels: Tensor, like: Tensor) -> Tensor:
        """Return the middle of each interval, of the shape of the labels."""
        edges = self.edges(like)
        return ((edges[:-1] + edges[1:]) / 2)[labels]


def decoded(logits_NKYX: Tensor, discretisation: Discretisation) -> Tensor:
    """Return the values that a network says (Eq. 4 of DORN).

    Parameters
    ----------
    logits_NKYX
        One for each threshold, (N, bins - 1, Y, X).
    discretisation
        What it was trained with.

    Returns
    -------
    Tensor
        (N, Y, X), in the values' unit.
    """
    passed = (logits_NKYX >= 0).sum(dim=1)
    return discretisation.values(passed, logits_NKYX)


class OrdinalNetwork(SegmentationNetwork):
    """A network that gives a logit for each threshold, for every pixel.

    Parameters
    ----------
    head
        As for `SegmentationNetwork`; the papers' is ``"dorn"``, which is not exact.
    bins, lowest, highest
        As for `Discretisation`.
    **backbone
        Fields of `BackboneSettings`.
    """

    def __init__(
        self,
        head: str = "fcn",
        *,
        bins: int = BINS,
        lowest: float = 0.0,
        highest: float = 1.0,
        **backbone: Any,
    ) -> None:
        self.discretisation = Discretisation(bins=bins, lowest=lowest, highest=highest)
        super().__init__(head, classes=bins - 1, **backbone)

    @property
    def config(self) -> dict[str, Any]:
        """What makes a network of the same layers."""
        cut = self.discretisation
        known = {name: value for name, value in super().config.items() if name != "classes"}
        return known | {"bins": cut.bins, "lowest": cut.lowest, "highest": cut.highest}

    def values(self, logits_NKYX: Tensor) -> Tensor:
        """Return the values, (N, Y, X)."""
        return decoded(logits_NKYX, self.discretisation)
