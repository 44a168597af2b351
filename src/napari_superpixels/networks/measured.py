"""How far a network of others looks, measured: which outputs change where one pixel does."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]
LARGEST_PX = 1024
"""Edge of the largest image that is tried; networks that look farther have no halo."""
SMALLEST_PX = 128
FAR_PX = 2048
"""Length of a strip in which is looked for what lies past a gap, as with dilated convolutions."""
CHANGES = (float("nan"), 100.0)
"""What is added to a pixel: every sum and maximum that NaN enters becomes it."""
ALIKE = 1e-3
"""Of the spread of values: windows of a network that is what it seems differ by less."""


def measured_halo(network: Network, channels: int, stride: int, edge: int = 0) -> int | None:
    """Return the pixels around an output on which it depends; None where that is no bound.

    A pixel is changed at each phase of the stride, and then a block of them in images so long that
    what is looked at past a gap, of up to half of `FAR_PX`, lies within them.

    Parameters
    ----------
    network
        Maps (1, C, Y, X) to (1, K, Y, X).
    channels, stride
        Of the image; of the network, in pixels.
    edge
        Side of the only image that it takes; 0 where it takes any.
    """
    size = edge or _up(SMALLEST_PX, stride)
    halo = _reach(network, channels, stride, size)
    while halo is None and not edge and size < LARGEST_PX:
        size *= 2
        halo = _reach(network, channels, stride, size)
    return None if halo is None else _reach_past_gaps(network, channels, stride, edge, halo)


def _reach(network: Network, channels: int, stride: int, size: int) -> int | None:
    """Return the farthest change; None where it comes to the image's edge."""
    image = _noise(channels, size, size)
    before = network(image)
    middle, farthest = size // 2 // stride * stride, 0
    for at in range(middle, middle + stride):
        for _, first, last in _changed(network, image, before, (at, at), 1):
            if first == 0 or last == size - 1:
                return None
            farthest = max(farthest, at - first, last - at)
    return farthest


def _reach_past_gaps(
    network: Network, channels: int, stride: int, edge: int, halo: int
) -> int | None:
    """Return a halo that holds what lies farther, too; None where there is no end to it.

    Of the only image that a network takes, the corners are changed: nothing is farther apart.
    """
    short, long = _up(SMALLEST_PX, stride), _up(FAR_PX, stride)
    for sides in [(edge, edge)] if edge else [(short, long), (long, short)]:
        image = _noise(channels, *sides)
        before = network(image)
        middle = tuple(side // 2 // stride * stride for side in sides)
        for block in ((0, 0), (edge - stride,) * 2) if edge else (middle,):
            for axis, first, last in _changed(network, image, before, block, stride):
                start, stop = block[axis], block[axis] + stride - 1
                if not edge and sides[axis] == short:
                    continue
                if not edge and (first == 0 or last == long - 1):
                    return None
                if max(start - first, last - stop) > halo:
                    halo = max(stop - first, last - start)
    return halo


def _changed(
    network: Network, image: Tensor, before: Tensor, block: tuple[int, ...], side: int
) -> Iterator[tuple[int, int, int]]:
    """Yield an axis, and the first and the last place along it that a change of a block changes."""
    rows, columns = (slice(start, start + side) for start in block)
    for change in CHANGES:
        other = image.clone()
        other[..., rows, columns] += change
        changed = (network(other) != before).any(dim=1)[0]
        for axis in (0, 1):
            places = changed.any(dim=1 - axis).nonzero()
            if len(places):
                yield axis, int(places.min()), int(places.max())


def agrees(network: Network, channels: int, step: int, halo: int) -> bool:
    """Whether windows with a halo say what long images do, in both directions.

    They do not where the halo is too small, or a layer depends on the size of what it is given.

    Parameters
    ----------
    network, channels
        As `measured_halo`.
    step
        What windows start at, in pixels.
    halo
        In pixels.
    """
    around, core = _up(halo, step), _up(SMALLEST_PX, step)
    window = 2 * around + core
    short, long = window + 2 * step, max(window + 2 * step, _up(FAR_PX, step))
    far = (long - window) // 2 // step * step
    return all(
        _alike(network, _noise(channels, *sides), starts, (around, core))
        for sides, starts in (((short, long), (step, far)), ((long, short), (far, step)))
    )


def _alike(
    network: Network, image: Tensor, starts: tuple[int, int], parts: tuple[int, int]
) -> bool:
    """Whether the core of a window that starts somewhere is that of the whole."""
    around, core = parts
    rows, columns = (slice(start, start + 2 * around + core) for start in starts)
    inner = slice(around, around + core)
    one = network(image[..., rows, columns])[..., inner, inner]
    other = network(image)[..., rows, columns][..., inner, inner]
    return bool((one - other).abs().max() <= ALIKE * max(float(other.std()), 1e-6))


def _up(size: int, step: int) -> int:
    return -(-size // step) * step


def _noise(channels: int, rows: int, columns: int) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    # Brighter towards one end, so that no two windows have the same mean.
    ramp = torch.linspace(0, 2, max(rows, columns)).square()
    ramp = ramp[:, None] if rows > columns else ramp
    return torch.randn(1, channels, rows, columns, generator=rng) + ramp
