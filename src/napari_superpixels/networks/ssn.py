"""SSN: superpixel sampling networks, learned features before differentiable SLIC.

Jampani et al., Superpixel Sampling Networks, ECCV 2018, section 4.2. A small network turns scaled
Lab colours and positions into ``features - 5`` numbers a pixel; these, colours and positions are
what differentiable SLIC (`association.soft_slic`) clusters.

- The colour scale is the paper's 0.26 on Lab with L from 0 to 100, as in both public codes.
- Positions are scaled by 2.5 / step; the paper's ``2.5 max(m_w / n_w, m_h / n_h)`` is that for
  images of whole cells. (The authors' training code has a constant of twice that.)
- The last convolution is followed by a ReLU, as in both codes; the paper does not say so.
- Positions count from the image's corner in the paper. Far from it the network would see numbers
  that no training patch ever showed it, so `position` says what it sees: ``"cell"``, the place
  inside the pixel's own cell; ``"none"``; or ``"absolute"``, as published. Clustering always gets
  positions in the image: of these only differences matter.

Layers are named as in the widely used PyTorch code, whose weights `from_public` takes.

The shape suffixes: N batch, C channels, Y X pixels, H W cells, K the 9 candidates of a pixel.
"""

# ruff: noqa: N803 - names carry shape suffixes

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate

from napari_superpixels.networks.association import SoftSlic, Step, soft_slic
from napari_superpixels.networks.grid import fill_up

Position = Literal["cell", "none", "absolute"]
Depth = Literal["deep", "linear"]

COLOR_SCALE = 0.26
"""The paper's gamma_color."""
POSITION_SCALE = 2.5
"""The paper's eta: what a step of distance weighs."""
FEATURES = 20
"""The paper's k: numbers a pixel that are clustered."""
WIDTH = 64
"""Channels of every layer but the last."""
STRIDE = 4
"""The coarsest level has a quarter of the pixels a side."""

# CIE 1931, D65, two degrees; rows X, Y, Z of linear sRGB.
_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169),
        (0.019334, 0.119193, 0.950227))  # fmt: skip
_WHITE = (0.95047, 1.0, 1.08883)


def normalise(image: Tensor) -> Tensor:
    """Turn RGB of values 0 to 1, (N, 3, Y, X), into Lab times `COLOR_SCALE`, (N, 3, Y, X).

    Never in half precision, where colours would be off by half a unit of Lab.
    """
    with torch.autocast(image.device.type, enabled=False):
        return _scaled_lab(image)


def _scaled_lab(image: Tensor) -> Tensor:
    linear = torch.where(
        image > 0.04045, ((image + 0.055) / 1.055).clamp(min=0) ** 2.4, image / 12.92
    )
    xyz = torch.einsum("dc,ncyx->ndyx", image.new_tensor(_XYZ), linear)
    ratio = xyz / image.new_tensor(_WHITE)[:, None, None]
    root = torch.where(ratio > 0.008856, ratio.clamp(min=1e-6) ** (1 / 3), 7.787 * ratio + 16 / 116)
    fx, fy, fz = root.unbind(dim=1)
    lab = torch.stack((116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)), dim=1)
    return lab * COLOR_SCALE


def positions(like: Tensor, step: Step) -> Tensor:
    """Return the scaled positions of an image's pixels, (N, 2, Y, X): y, then x."""
    n, _, height, width = like.shape
    scale = POSITION_SCALE / min(step)
    y, x = (torch.arange(size, dtype=like.dtype, device=like.device) for size in (height, width))
    plane = torch.stack(torch.meshgrid(y * scale, x * scale, indexing="ij"))
    return plane.expand(n, -1, -1, -1)


def positions_in_cell(like: Tensor, step: Step, origin: Step = (0, 0)) -> Tensor:
    """Return the scaled positions from the middle of a pixel's own cell, (N, 2, Y, X).

    The image's first pixel is `origin` pixels from the corner of a cell.
    """
    n, _, height, width = like.shape
    scale = POSITION_SCALE / min(step)
    y, x = (
        ((torch.arange(size, device=like.device) + o) % s - (s - 1) / 2).to(like.dtype) * scale
        for size, s, o in zip((height, width), step, origin, strict=True)
    )
    plane = torch.stack(torch.meshgrid(y, x, indexing="ij"))
    return plane.expand(n, -1, -1, -1)


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    """Make a 3 x 3 convolution with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def pair(inputs: int) -> tuple[nn.Module, nn.Module]:
    """Make two convolutions to `WIDTH` channels."""
    return convolution(inputs, WIDTH), convolution(WIDTH, WIDTH)


def enlarged(x_NCYX: Tensor, factor: int) -> Tensor:
    """Enlarge maps by a whole factor, bilinearly."""
    return interpolate(x_NCYX, scale_factor=float(factor), mode="bilinear", align_corners=False)


class Joined(nn.Sequential):
    """A 3 x 3 convolution of several maps that are concatenated first, and what follows it."""

    split: bool = False
    """Whether each map is convolved alone and the results are added, without the largest tensor of
    all; sums in another order have other last bits."""

    def forward(self, maps_NCYX: Sequence[Tensor]) -> Tensor:
        """Return the features of maps of one size."""
        convolution, *after = self
        assert isinstance(convolution, nn.Conv2d)
        maps = tuple(maps_NCYX) if self.split else (torch.cat(tuple(maps_NCYX), dim=1),)
        weights = torch.split(convolution.weight, [each.shape[1] for each in maps], dim=1)
        out = conv2d(maps[0], weights[0], convolution.bias, padding=1)
        for each, weight in zip(maps[1:], weights[1:], strict=True):
            out = out + conv2d(each, weight, padding=1)
        for layer in after:
            out = layer(out)
        return out


class DeepFeatures(nn.Module):
    """The network of SSN_deep: six convolutions at three resolutions, and one more."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.scale1 = nn.Sequential(*pair(inputs))
        self.scale2 = nn.Sequential(nn.MaxPool2d(3, 2, padding=1), *pair(WIDTH))
        self.scale3 = nn.Sequential(nn.MaxPool2d(3, 2, padding=1), *pair(WIDTH))
        self.output_conv = Joined(nn.Conv2d(3 * WIDTH + inputs, outputs, 3, padding=1), nn.ReLU())

    def forward(self, x_NCYX: Tensor) -> Tensor:
        """Return the learned features; Y and X are multiples of 4."""
        fine = self.scale1(x_NCYX)
        half = self.scale2(fine)
        quarter = self.scale3(half)
        features: Tensor = self.output_conv((x_NCYX, fine, enlarged(half, 2), enlarged(quarter, 4)))
        return features


class LinearFeatures(nn.Module):
    """The network of SSN_linear: one convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.output_conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x_NCYX: Tensor) -> Tensor:
        """Return the learned features."""
        features: Tensor = self.output_conv(x_NCYX)
        return features


class Ssn(nn.Module):
    """A superpixel sampling network.

    Parameters
    ----------
    depth
        ``"deep"`` or ``"linear"``: the network of the paper, or its baseline of one convolution.
    position
        Which position the network sees: ``"cell"``, ``"none"`` or ``"absolute"``.
    features
        Numbers a pixel that are clustered, colours and position counted.
    """

    def __init__(
        self, depth: Depth = "deep", position: Position = "cell", features: int = FEATURES
    ) -> None:
        super().__init__()
        assert depth in get_args(Depth), depth
        assert position in get_args(Position), position
        self.depth, self.position, self.features_a_pixel = depth, position, features
        self.channels = 3
        inputs = self.channels + (0 if position == "none" else 2)
        outputs = features - self.channels - 2
        self.network = self.make(inputs, outputs)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, 0.0, 0.001)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def make(self, inputs: int, outputs: int) -> DeepFeatures | LinearFeatures:
        """Make the network."""
        made = DeepFeatures if self.depth == "deep" else LinearFeatures
        return made(inputs, outputs)

    @property
    def config(self) -> dict[str, Any]:
        """What makes a network of the same layers."""
        return {"depth": self.depth, "position": self.position, "features": self.features_a_pixel}

    def inputs(self, lab_NCYX: Tensor, step: Step, origin: Step) -> Tensor:
        """Return what the network sees: scaled L, a, b and, by `position`, y and x."""
        if self.position == "none":
            return lab_NCYX
        if self.position == "absolute":
            return torch.cat((lab_NCYX, positions(lab_NCYX, step)), dim=1)
        return torch.cat((lab_NCYX, positions_in_cell(lab_NCYX, step, origin)), dim=1)

    def learned(self, image: Tensor, step: Step, origin: Step = (0, 0)) -> Tensor:
        """Return the learned features and the colours, without positions.

        Parameters
        ----------
        image
            (N, 3, Y, X) as `normalise` gives it; Y and X of any size.
        step
            Size of a cell along y and x, in pixels.
        origin
            Where the image starts, in pixels from the corner of a cell.

        Returns
        -------
        Tensor
            (N, features - 2, Y, X).
        """
        shape = image.shape[-2:]
        seen = self.inputs(fill_up(image, (STRIDE, STRIDE)), step, origin)
        return torch.cat((self.network(seen)[..., : shape[0], : shape[1]], image), dim=1)

    def forward(self, image: Tensor, step: Step) -> Tensor:
        """Return the features that are clustered: learned ones, L, a, b, y, x.

        Parameters
        ----------
        image, step
            As for `learned`.

        Returns
        -------
        Tensor
            (N, features, Y, X).
        """
        return torch.cat((self.learned(image, step), positions(image, step)), dim=1)

    def associate(self, image: Tensor, step: Step, iterations: int = 10) -> Tensor:
        """Return association logits, (N, 9, Y, X); -inf for what is no candidate.

        Parameters
        ----------
        image, step
            As for `learned`; the image starts at the corner of a cell.
        iterations
            The paper's v: 5 in training, 10 in use.
        """
        return self.cluster(image, step, iterations).logits

    def cluster(self, image: Tensor, step: Step, iterations: int = 10) -> SoftSlic:
        """Return logits, association and centres; arguments as for `associate`."""
        return soft_slic(self(image, step), step, iterations)

    @classmethod
    def from_public(cls, state: Mapping[str, Tensor]) -> Self:
        """Make SSN_deep from a state dict of the widely used PyTorch layout.

        Parameters
        ----------
        state
            ``scale1.0.0.weight`` and so on, ``output_conv.0.weight`` and ``output_conv.0.bias``;
            for inputs L, a, b, y, x.

        Raises
        ------
        KeyError, RuntimeError
            If keys or shapes are others.
        """
        inputs = state["scale1.0.0.weight"].shape[1]
        learned = state["output_conv.0.weight"].shape[0]
        made = cls("deep", "absolute", learned + inputs)
        made.network.load_state_dict(dict(state))
        return made
