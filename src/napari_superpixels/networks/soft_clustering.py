"""Soft clustering: how a map was made coarser, kept to make what comes of it finer again.

Suzuki, Implicit Integration of Superpixel Segmentation into Fully Convolutional Networks, 2021,
sections 3.2 and 3.3. Where a network makes a map coarser, every pixel is associated softly with the
9 coarse pixels around it, by the cosine of two learned projections; a result on the coarse pixels
comes back to the fine ones through that association, not by interpolation. Nothing else in the
network changes.

The paper's listing leaves out that vectors have length one, and lets pixels at the border choose
the zeros that were padded; here both are as in its equations. A fixed temperature as in the paper.

The shape suffixes: N batch, C channels, Y X fine pixels, H W coarse ones, K the 9 candidates.
"""

# ruff: noqa: N803 - names carry shape suffixes

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from napari_superpixels.networks.association import associate, products, unpool_to_pixels

DIMENSION = 64
"""The paper's K: length of the vectors that are compared."""
TEMPERATURE = 0.07
"""The paper's tau."""


def _not_half(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


class SoftClustering(nn.Module):
    """Associates the pixels of a map with those of a coarser one.

    Parameters
    ----------
    fine, coarse
        Channels of the two maps.
    factor
        Fine pixels a coarse one, along each axis.
    dimension, temperature
        The paper's K and tau.
    """

    def __init__(
        self,
        fine: int,
        coarse: int,
        *,
        factor: int = 2,
        dimension: int = DIMENSION,
        temperature: float = TEMPERATURE,
    ) -> None:
        super().__init__()
        self.step, self.temperature = (factor, factor), temperature
        self.fine = nn.Conv2d(fine, dimension, 1, bias=False)
        self.coarse = nn.Conv2d(coarse, dimension, 1, bias=False)

    def forward(self, fine_NCYX: Tensor, coarse_NCHW: Tensor) -> Tensor:
        """Return the soft assignment of fine pixels (Eq. 4).

        Parameters
        ----------
        fine_NCYX
            The map before it is made coarser.
        coarse_NCHW
            The map after; H and W are Y and X over the factor, rounded up.

        Returns
        -------
        Tensor
            (N, 9, Y, X): sums to 1 over the candidates, 0 for those outside the map.
        """
        return associate(self.logits(fine_NCYX, coarse_NCHW))

    def logits(self, fine_NCYX: Tensor, coarse_NCHW: Tensor) -> Tensor:
        """Return what the soft assignment is the softmax of, -inf for candidates outside the map.

        The largest tells the hard assignment (Eq. 1). The maps as in `forward`; (N, 9, Y, X).
        """
        # A temperature of 0.07 makes differences of cosines 14 times larger: no half precision.
        fine = normalize(_not_half(self.fine(fine_NCYX)), dim=1)
        coarse = normalize(_not_half(self.coarse(coarse_NCHW)), dim=1)
        return products(fine, coarse, self.step) / self.temperature

    def decode(self, values_NCHW: Tensor, assignment_NKYX: Tensor) -> Tensor:
        """Bring values on coarse pixels to the fine ones (Eq. 2), (N, C, Y, X)."""
        return unpool_to_pixels(values_NCHW, assignment_NKYX, self.step)
