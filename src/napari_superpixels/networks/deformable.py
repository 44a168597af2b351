"""Making a map coarser at places that the network chooses: modulated deformable convolution.

Suzuki, Implicit Integration of Superpixel Segmentation into Fully Convolutional Networks, 2021,
section 3.3, takes it for better seeds of clusters; Zhu et al., Deformable ConvNets v2, CVPR 2019.
A 3 x 3 convolution of stride 2 each of whose nine places is moved and weighed by numbers that a
second convolution of the same pixels gives; these begin as zeros, which move and weigh nothing.

In the papers a place may move anywhere. Here it moves by less than `LIMIT` pixels of the map, so
that what a pixel depends on has a bound and windows stay exact. In use it moves by whole multiples
of 1 / `PARTS`, so that where it lands is exact in float32 and a shift of the image changes nothing.

The shape suffixes: N batch, C channels, Y X pixels.
"""

# ruff: noqa: N803 - names carry shape suffixes

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torchvision.ops import deform_conv2d

LIMIT = 2
"""Pixels of the finer map below which places move, along each axis."""
PARTS = 256
"""Parts of a pixel by which they move."""
PLACES = 9
"""Of a 3 x 3 convolution."""


class DeformableDownsampling(nn.Module):
    """A modulated deformable convolution with a stride of 2.

    Its weights are no layers of convolution, so what initialises those leaves the zeros alone.

    Parameters
    ----------
    channels
        Of the map that is made coarser.
    outputs
        Of the coarser one; by default as many.
    """

    def __init__(self, channels: int, outputs: int | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs or channels, channels, 3, 3))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        self.places = nn.Parameter(torch.zeros(3 * PLACES, channels, 3, 3))
        self.places_bias = nn.Parameter(torch.zeros(3 * PLACES))

    def forward(self, x_NCYX: Tensor) -> Tensor:
        """Return the map at half the resolution, rounded up."""
        chosen = conv2d(x_NCYX, self.places, self.places_bias, stride=2, padding=1)
        offsets, weights = chosen[:, : 2 * PLACES], chosen[:, 2 * PLACES :]
        coarse: Tensor = deform_conv2d(
            x_NCYX,
            self.clamped(offsets),
            self.weight,
            stride=2,
            padding=1,
            mask=self.weighed(weights),
        )
        return coarse

    def clamped(self, offsets: Tensor) -> Tensor:
        """Return by how much places move; the sampling would read anywhere for no number."""
        most = LIMIT - 1 / PARTS
        near = offsets.nan_to_num(0.0).clamp(-most, most)
        return near if self.training else (near * PARTS).round() / PARTS

    @staticmethod
    def weighed(weights: Tensor) -> Tensor:
        """Return what places weigh, 0 to 2; zeros leave them as they are."""
        return 2 * torch.sigmoid(weights)


def downsampling(channels: int) -> nn.Sequential:
    """Make a deformable downsampling with batch normalisation and ReLU."""
    return nn.Sequential(DeformableDownsampling(channels), nn.BatchNorm2d(channels), nn.ReLU())
