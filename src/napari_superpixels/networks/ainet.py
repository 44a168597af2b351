"""AINet: SCN whose pixels meet the cells around them before they choose.

Wang et al., AINet: Association Implantation for Superpixel Segmentation, ICCV 2021. The encoder's
last map has one pixel a cell, the decoder's one a pixel of the image. Around every pixel's
embedding those of its 9 cells are implanted, 3 x 3 with the pixel added to the middle, and a 3 x 3
convolution reads that square (Eq. 4 and 5).

The squares are never made. The part of the convolution that reads cells is the same for all pixels
of a cell: an ordinary 3 x 3 convolution of the map of cells. The part that reads the pixel is the
middle weight alone. The two are added, and cells outside the lattice are zeros.

The published code convolves the tensor of squares with a padding of 1, which moves its window off
the squares by one; this is the paper's form. That code also has two blocks of local attention on
the map of cells, which the paper does not mention: `attention` adds them.

The shape suffixes: N batch, C channels, Y X pixels, H W cells, K the 9 candidates of a pixel.
"""

# ruff: noqa: N803 - names carry shape suffixes

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, unfold

from napari_superpixels.networks.association import NEIGHBOURS, cells_to_pixels
from napari_superpixels.networks.grid import CELL, GridNetwork, Outputs, normalise
from napari_superpixels.networks.scn import SLOPE, WIDTHS, Decoder, Encoder, convolution, initialise

__all__ = ["Ainet", "Implantation", "LocalAttention", "normalise"]

Square = Literal["middle", "neighbours", "pixel"]
"""What is implanted: the pixel added to its own cell's embedding (the paper's choice); every pixel
of its 3 x 3 added to the cell at that place (AINet-PNbor); the pixel instead of its own cell
(AINet-CPix)."""


class Implantation(nn.Module):
    """The association implantation module.

    Parameters
    ----------
    channels
        Of the embeddings, of pixels as of cells.
    square
        What is implanted.
    """

    def __init__(self, channels: int, square: Square = "middle") -> None:
        super().__init__()
        assert square in get_args(Square), square
        self.square = square
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))
        nn.init.kaiming_normal_(self.weight, a=SLOPE)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, pixels_NCYX: Tensor, cells_NCHW: Tensor) -> Tensor:
        """Return embeddings that know the cells around, (N, C, Y, X); Y = 16 H and X = 16 W."""
        middle = self.weight[..., 1:2, 1:2]
        if self.square == "pixel":
            ring = torch.ones_like(middle[:1, :1]).new_ones(3, 3)
            ring[1, 1] = 0
            cells = conv2d(cells_NCHW, self.weight * ring, padding=1)
        else:
            cells = conv2d(cells_NCHW, self.weight, padding=1)
        if self.square == "neighbours":
            pixels = conv2d(pixels_NCYX, self.weight, padding=1)
        else:
            pixels = conv2d(pixels_NCYX, middle)
        shape = (pixels_NCYX.shape[-2], pixels_NCYX.shape[-1])
        return leaky_relu(self.norm(pixels + cells_to_pixels(cells, (CELL, CELL), shape)), SLOPE)


class LocalAttention(nn.Module):
    """Attention of each cell to the 3 x 3 around it, a channel at a time."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (
            convolution(channels, channels, dilation=dilation) for _ in range(3)
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return what was attended to, (N, C, H, W); keys outside the map are zeros."""
        n, c, h, w = x_NCHW.shape
        query = self.query(x_NCHW)
        key, value = (
            unfold(part(x_NCHW), 3, padding=1).reshape(n, c, NEIGHBOURS, h, w)
            for part in (self.key, self.value)
        )
        share = torch.softmax(query[:, :, None] * key / c**0.5, dim=2)
        return (share * value).sum(dim=2)


class Ainet(GridNetwork):
    """The association implantation network.

    Parameters
    ----------
    channels
        Channels of the image.
    square
        What is implanted around a pixel.
    attention
        Whether cells attend to those around them first, as in the published code only.
    """

    def __init__(
        self, channels: int = 3, square: Square = "middle", *, attention: bool = False
    ) -> None:
        super().__init__()
        self.channels, self.square, self.attention = channels, square, attention
        self.encoder = Encoder(channels)
        cells, pixels = WIDTHS[-1], WIDTHS[0]
        blocks = [LocalAttention(cells, dilation) for dilation in (1, 2)] if attention else []
        self.attend = nn.Sequential(*blocks)
        self.decoder = Decoder()
        self.squeeze = nn.Sequential(convolution(cells, 64), convolution(64, pixels))
        self.implant = Implantation(pixels, square)
        self.merge = convolution(pixels, pixels)
        self.head = nn.Conv2d(pixels, NEIGHBOURS, 3, padding=1)
        initialise(self)

    @property
    def config(self) -> dict[str, Any]:
        """What makes a network of the same layers."""
        return {"channels": self.channels, "square": self.square, "attention": self.attention}

    def outputs(self, image: Tensor) -> Outputs:
        """Return association logits, and the embedding of pixels before the implantation."""
        maps = self.encoder(image)
        if self.attention:
            maps[-1] = maps[-1] + self.attend(maps[-1])
        embedding = self.decoder(maps)
        implanted = self.implant(embedding, self.squeeze(maps[-1]))
        return Outputs(self.head(self.merge(implanted)), embedding)
