"""PCNet: association at full resolution from an image of a quarter of it.

Wang et al., Patch Calibration Networks for high-resolution superpixel segmentation, 2022. SCN's
encoder and decoder see every fourth row and column; sub-pixel convolution then makes 4 x 4 pixels
of one. Cells have 16 pixels at full resolution, so the coarsest map has one pixel for 4 x 4 cells,
and images start and end at multiples of 64.

Patch calibration is a way of training (the same weights on full-resolution patches, see
`training`); of it the network has only the head that reconstructs the image, unused in inference.

The shape suffixes: N batch, C channels, Y X pixels, K the 9 candidates of a pixel.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from napari_superpixels.networks.association import NEIGHBOURS
from napari_superpixels.networks.grid import GridNetwork, Outputs, normalise
from napari_superpixels.networks.scn import WIDTHS, Decoder, Encoder, convolution, initialise

__all__ = ["FACTOR", "Pcnet", "normalise"]

FACTOR = 4
"""Pixels a side that one pixel of the network's input stands for."""


class Pcnet(GridNetwork):
    """The patch calibration network.

    Parameters
    ----------
    channels
        Channels of the image.
    """

    align_cells: ClassVar[int] = 4

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.encoder = Encoder(channels)
        self.decoder = Decoder()
        width = WIDTHS[0]
        self.enlarge = nn.Sequential(convolution(width, width * FACTOR**2), nn.PixelShuffle(FACTOR))
        self.merge = convolution(width, width)
        self.head = nn.Conv2d(width, NEIGHBOURS, 3, padding=1)
        self.reconstruct = nn.Conv2d(width, channels, 1, bias=False)
        initialise(self)

    @property
    def config(self) -> dict[str, Any]:
        """What makes a network of the same layers."""
        return {"channels": self.channels}

    def outputs(self, image: Tensor) -> Outputs:
        """Return association logits, and the embedding of pixels that sub-pixel convolution made.

        The image is what `normalise` gives at full resolution, Y and X multiples of 64.
        """
        embedding = self.enlarge(self.decoder(self.encoder(image[..., ::FACTOR, ::FACTOR])))
        return Outputs(self.head(self.merge(embedding)), embedding)

    def reconstruction(self, embedding: Tensor) -> Tensor:
        """Return the image that an embedding stands for, (N, C, Y, X), for a loss in training."""
        return torch.tanh(self.reconstruct(embedding))
