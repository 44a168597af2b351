"""SCN: superpixels with a fully convolutional network, the baseline of the grid networks.

Yang et al., Superpixel Segmentation with Fully Convolutional Networks, CVPR 2020. An encoder with
four strides of 2, so that its last pixels are the cells, and a decoder with skips back to full
resolution. AINet and PCNet take both from here.

Layers follow the authors' public code, where every convolution has batch normalisation and a leaky
ReLU of slope 0.1, but the transposed ones only the latter. Three heads at lower resolutions, which
that code has and never uses, are left out. It decodes labels with candidates outside the lattice
clamped to the nearest cell; here they are no candidates at all.

The shape suffixes: N batch, C channels, Y X pixels, H W cells, K the 9 candidates of a pixel.
"""

from typing import Any

import torch
from torch import Tensor, nn

from napari_superpixels.networks.association import NEIGHBOURS
from napari_superpixels.networks.grid import GridNetwork, Outputs, normalise

__all__ = ["Decoder", "Encoder", "Scn", "convolution", "initialise", "normalise"]

WIDTHS = (16, 32, 64, 128, 256)
"""Channels at full resolution, a half, ... a sixteenth."""
SLOPE = 0.1
"""Of the leaky ReLU."""


def convolution(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Make a 3 x 3 convolution with batch normalisation and leaky ReLU."""
    return nn.Sequential(
        nn.Conv2d(
            inputs, outputs, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
        ),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(SLOPE),
    )


def initialise(network: nn.Module) -> None:
    """Draw weights as the authors do: Kaiming's normal distribution, no biases."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Encoder(nn.Module):
    """From an image to maps at full resolution, a half, ... a sixteenth: one pixel a cell."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        before = (channels, *WIDTHS)
        self.levels = nn.ModuleList(
            nn.Sequential(
                convolution(inputs, outputs, stride=1 if level == 0 else 2),
                convolution(outputs, outputs),
            )
            for level, (inputs, outputs) in enumerate(zip(before, WIDTHS, strict=False))
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the maps of all levels, finest first."""
        maps = [image]
        for level in self.levels:
            maps.append(level(maps[-1]))
        return maps[1:]


class Decoder(nn.Module):
    """From the maps of the encoder to 16 numbers a pixel."""

    def __init__(self) -> None:
        super().__init__()
        finer, coarser = WIDTHS[-2::-1], WIDTHS[:0:-1]
        self.up = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(c, f, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE))
            for f, c in zip(finer, coarser, strict=True)
        )
        self.merge = nn.ModuleList(convolution(2 * width, width) for width in finer)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return the pixel embedding, (N, 16, Y, X)."""
        x = maps[-1]
        for up, merge, skip in zip(self.up, self.merge, maps[-2::-1], strict=True):
            x = merge(torch.cat((skip, up(x)), dim=1))
        return x


class Scn(GridNetwork):
    """The fully convolutional superpixel network.

    Parameters
    ----------
    channels
        Channels of the image.
    """

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.encoder = Encoder(channels)
        self.decoder = Decoder()
        self.head = nn.Conv2d(WIDTHS[0], NEIGHBOURS, 3, padding=1)
        initialise(self)

    @property
    def config(self) -> dict[str, Any]:
        """What makes a network of the same layers."""
        return {"channels": self.channels}

    def outputs(self, image: Tensor) -> Outputs:
        """Return association logits, and the decoder's last map as the embedding."""
        embedding = self.decoder(self.encoder(image))
        return Outputs(self.head(embedding), embedding)
