"""How far a network looks, computed from its layers.

A pixel of a map whose pixels are `stride` pixels of the image apart lies at the corner of a square
of the image. What it depends on is told from that corner: so many pixels before it and after it,
along each axis. Convolutions and poolings are exact in that; after an enlargement the pixels of one
coarse pixel look differently far, and the farthest counts for all.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Self

from torch import nn

from napari_superpixels.networks.deformable import LIMIT, DeformableDownsampling

SEE_THEMSELVES = (nn.BatchNorm2d, nn.ReLU, nn.Dropout, nn.Identity)
"""Layers in which a pixel depends on itself alone, in use."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a pixel of a map depends on; by itself, a pixel of the image."""

    stride: int = 1
    """Pixels of the image from one pixel of the map to the next."""
    before: int = 0
    """Pixels of the image that it sees before its corner, along each axis."""
    after: int = 0
    """Pixels of the image that it sees after its corner."""
    pooled: bool = False
    """Whether it depends on the whole image too, however large that is."""

    def windowed(
        self, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1
    ) -> Self:
        """Return the reach after a convolution or a pooling over windows, in pixels of the map."""
        return replace(
            self,
            stride=self.stride * stride,
            before=self.before + self.stride * padding,
            after=self.after + self.stride * (dilation * (kernel - 1) - padding),
        )

    def joined(self, *others: Self) -> Self:
        """Return the reach of what depends on several maps of one stride."""
        assert all(other.stride == self.stride for other in others), "maps of different sizes"
        every = (self, *others)
        return replace(
            self,
            before=max(each.before for each in every),
            after=max(each.after for each in every),
            pooled=any(each.pooled for each in every),
        )

    def interpolated(self, factor: int) -> Self:
        """Return the reach after a bilinear enlargement by an even factor, or by 1.

        Pixels of a coarse pixel's first half see the one before it too, the others the one after.
        """
        if factor == 1:
            return self
        assert factor % 2 == 0, "there is a pixel in the middle"
        fine, half = self.stride // factor, self.stride // 2
        before = self.before + self.stride + half - fine
        return replace(self, stride=fine, before=before, after=self.after + half)

    def neighboured(self) -> Self:
        """Return the reach of pixels half as wide that see the 3 x 3 coarse pixels around."""
        fine = self.stride // 2
        before, after = self.before + self.stride + fine, self.after + self.stride
        return replace(self, stride=fine, before=before, after=after)

    def through(self, layers: nn.Module) -> Self:
        """Return the reach after a layer or a sequence of layers.

        Raises
        ------
        TypeError
            If it is not known how far a layer looks.
        """
        if isinstance(layers, nn.Sequential):
            return reduce(type(self).through, layers, self)
        if isinstance(layers, SEE_THEMSELVES):
            return self
        if isinstance(layers, nn.AdaptiveAvgPool2d):
            return replace(self, pooled=True)
        if isinstance(layers, DeformableDownsampling):
            # Places move by less than LIMIT, between pixels: to the pixel at LIMIT.
            return self.windowed(3 + 2 * LIMIT, stride=2, padding=1 + LIMIT)
        if isinstance(layers, nn.Conv2d | nn.MaxPool2d):
            kernel, stride, padding, dilation = _window(layers)
            return self.windowed(kernel, stride=stride, padding=padding, dilation=dilation)
        raise TypeError(f"how far does a {type(layers).__name__} look?")


def farthest(reaches: Iterable[Reach]) -> Reach:
    """Return the reach of what depends on all of several maps of one stride."""
    first, *others = reaches
    return first.joined(*others)


def _window(layer: nn.Conv2d | nn.MaxPool2d) -> tuple[int, ...]:
    """Return kernel, stride, padding and dilation of a layer."""
    sizes = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    return tuple(_one(size) for size in sizes)


def _one(size: object) -> int:
    """Return the number that holds for both axes."""
    first, second = size if isinstance(size, tuple) else (size, size)
    assert isinstance(first, int), "a number of pixels"
    assert first == second, "windows are squares"
    return first
