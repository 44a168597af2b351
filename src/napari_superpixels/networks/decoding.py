"""Decoding by hierarchical clusters: coarse values come back to fine pixels (HCNet, Eq. 3).

Suzuki, Implicit Integration of Superpixel Segmentation into Fully Convolutional Networks, 2021,
sections 3.1 and 3.2. Wherever a map was made coarser by half with soft clustering, values of the
coarse map are brought back by the assignment, soft or hard; what is left to full resolution is
bilinear, as in the paper. Without any assignment this is bilinear interpolation alone.

The shape suffixes: N batch, C channels, Y X pixels, H W coarse pixels, K the 9 candidates.
"""

# ruff: noqa: N803, N806 - names carry shape suffixes

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from napari_superpixels.networks.association import associate, unpool_to_pixels
from napari_superpixels.networks.reach import Reach

HALF = (2, 2)
"""Fine pixels a coarse one."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How values come back to fine pixels."""

    logits: Mapping[int, Tensor] = field(default_factory=dict)
    """Of the assignments, (N, 9, Y, X) each, by the stride of the finer of the two maps."""
    hard: bool = False
    """Whether a pixel takes the value of its cluster (Eq. 2), or a mixture of the 9 around it."""

    def hardened(self) -> Self:
        """Return the same assignments, hard."""
        return replace(self, hard=True)

    def finer(self, x_NCHW: Tensor, stride: int, to: int = 1) -> Tensor:
        """Bring values to finer pixels (Eq. 3): by clusters as far as they go, then bilinear.

        Parameters
        ----------
        x_NCHW
            The values.
        stride
            Of their pixels, in pixels of the image.
        to
            Of the pixels that are wanted.

        Returns
        -------
        Tensor
            (N, C, Y / to, X / to) for an image of Y x X.
        """
        while stride > to and stride // 2 in self.logits:
            stride //= 2
            x_NCHW = self._once(x_NCHW, self.logits[stride])
        return interpolated(x_NCHW, stride // to)

    def _once(self, x_NCHW: Tensor, logits_NKYX: Tensor) -> Tensor:
        if not self.hard:
            return unpool_to_pixels(x_NCHW, associate(logits_NKYX), HALF)
        places = nearest_clusters(logits_NKYX).flatten(1)[:, None].expand(-1, x_NCHW.shape[1], -1)
        n, c = x_NCHW.shape[:2]
        return x_NCHW.flatten(2).gather(2, places).reshape(n, c, *logits_NKYX.shape[2:])


def nearest_clusters(logits_NKYX: Tensor) -> Tensor:
    """Return the hard assignment (Eq. 1): the coarse pixel of each pixel, in raster order.

    Parameters
    ----------
    logits_NKYX
        -inf for candidates outside the map.

    Returns
    -------
    Tensor
        int64 (N, Y, X); of candidates that are equal, the first.
    """
    k_NYX = logits_NKYX.argmax(dim=1)
    y, x = logits_NKYX.shape[-2:]
    row = torch.arange(y, device=logits_NKYX.device)[:, None] // 2 + k_NYX // 3 - 1
    column = torch.arange(x, device=logits_NKYX.device) // 2 + k_NYX % 3 - 1
    return row * ((x + 1) // 2) + column


def interpolated(x_NCHW: Tensor, factor: int) -> Tensor:
    """Enlarge a map, bilinear."""
    if factor == 1:
        return x_NCHW
    return interpolate(x_NCHW, scale_factor=factor, mode="bilinear", align_corners=False)


@dataclass(frozen=True, slots=True)
class DecodingReach:
    """How far pixels look when values come back to them as `Decoding` does it."""

    fine: Mapping[int, Reach] = field(default_factory=dict)
    """Of the assignments: the finer map and the seeds, by the stride of the finer map."""

    def finer(self, reach: Reach, to: int = 1) -> Reach:
        """Return the reach of values that are brought to finer pixels."""
        while reach.stride > to and reach.stride // 2 in self.fine:
            reach = reach.neighboured()
            reach = reach.joined(self.fine[reach.stride])
        return reach.interpolated(reach.stride // to)
