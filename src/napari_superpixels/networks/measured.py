"""How far a network of others looks, measured: which outputs change where one pixel does."""

from collections.abc import Callable

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]
LARGEST_PX = 1024
"""Edge of the largest image that is tried; networks that look farther have no halo."""
SMALLEST_PX = 128
CHANGE = 100.0
"""By how much the pixel is changed."""
ALIKE = 1e-3
"""Of the spread of values: windows of a network that is what it seems differ by less."""


def measured_halo(network: Network, channels: int, stride: int, edge: int = 0) -> int | None:
    """Return the pixels around an output on which it depends; None where that is no bound.

    A pixel is set to NaN, which every sum and maximum that it enters becomes, and to a large
    number, at each phase of the stride.

    Parameters
    ----------
    network
        Maps (1, C, Y, X) to (1, K, Y, X).
    channels, stride
        Of the image; of the network, in pixels.
    edge
        Side of the only image that it takes; 0 where it takes any.
    """
    size = edge or -(-SMALLEST_PX // stride) * stride
    while True:
        halo = _reach(network, channels, stride, size)
        if halo is not None or edge or size >= LARGEST_PX:
            return halo
        size *= 2


def _reach(network: Network, channels: int, stride: int, size: int) -> int | None:
    """Return the farthest change; None where it comes to the image's edge."""
    image = _noise(channels, size)
    before = network(image)
    middle, farthest = size // 2 // stride * stride, 0
    for phase in range(stride):
        at = middle + phase
        for change in (float("nan"), CHANGE):
            other = image.clone()
            other[..., at, at] += change
            changed = (network(other) != before).any(dim=1)[0]
            for axis in (0, 1):
                places = changed.any(dim=axis).nonzero()
                if not len(places):
                    continue
                first, last = int(places.min()), int(places.max())
                if first == 0 or last == size - 1:
                    return None
                farthest = max(farthest, at - first, last - at)
    return farthest


def agrees(network: Network, channels: int, step: int, halo: int) -> bool:
    """Whether a window with a halo says what the whole image does.

    It does not where the halo is too small, or a layer depends on the size of what it is given.

    Parameters
    ----------
    network, channels
        As `measured_halo`.
    step
        What windows start at, in pixels.
    halo
        In pixels.
    """
    around = -(-halo // step) * step
    core = max(step, -(-SMALLEST_PX // step) * step)
    image = _noise(channels, 2 * around + core + 2 * step)
    whole, part = network(image), image[..., step:-step, step:-step]
    inner = slice(around, around + core)
    outer = slice(around + step, around + step + core)
    one, other = network(part)[..., inner, inner], whole[..., outer, outer]
    return bool((one - other).abs().max() <= ALIKE * max(float(other.std()), 1e-6))


def _noise(channels: int, size: int) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    brighter = torch.linspace(0, 2, size).square()  # so that no two windows have the same mean
    return torch.randn(1, channels, size, size, generator=rng) + brighter
