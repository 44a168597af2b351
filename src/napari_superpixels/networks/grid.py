"""What the grid networks share: association logits on a lattice of 16 pixels, for any step.

SCN, AINet and PCNet predict 9 numbers a pixel, one for each of the cells around it, on cells of 16
pixels and no others. For another step the cells of the image are mapped onto theirs: every cell is
resampled to 16 x 16 pixels, and what the network says is mapped back to the pixels of the same
cell. Channel k means another cell on the other side of a cell's border, so nothing is ever
interpolated across one on the way back.

The shape suffixes: N batch, C channels, Y X pixels, H W cells, K the 9 candidates of a pixel.
"""

# ruff: noqa: N803 - names carry shape suffixes

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from napari_superpixels.networks.association import Step, candidates_only

CELL = 16
"""Size of a cell of the networks, in pixels."""

MEAN_RGB = (0.411, 0.432, 0.450)
"""Mean colour of BSDS500, which SCN and those after it subtract."""

Shape = tuple[int, int]


def normalise(image: Tensor) -> Tensor:
    """Subtract the mean colour from an image of values 0 to 1, (N, C, Y, X).

    Images of other than three channels have the mean of the three subtracted.
    """
    return image - mean_of(image.shape[1], image)[:, None, None]


def mean_of(channels: int, like: Tensor) -> Tensor:
    """Return what `normalise` subtracts from each channel, (C,)."""
    grey = sum(MEAN_RGB) / len(MEAN_RGB)
    values = MEAN_RGB if channels == len(MEAN_RGB) else (grey,) * channels
    return torch.tensor(values, dtype=like.dtype, device=like.device)


def fill_up(x_NCYX: Tensor, multiple: Step) -> Tensor:
    """Repeat the last row and column until both sides are multiples."""
    y, x = x_NCYX.shape[-2:]
    return pad(x_NCYX, (0, -x % multiple[1], 0, -y % multiple[0]), mode="replicate")


def to_network_cells(x_NCYX: Tensor, step: Step, cell: int = CELL) -> Tensor:
    """Resample an image of whole cells so that each has 16 x 16 pixels, or `cell` along each axis.

    Bilinear, with a filter as wide as the pixels that are skipped. All positions are multiples of
    1 / 32 and far below 2^19, so they are exact in float32 and a shift by a cell changes nothing.
    """
    if step == (cell, cell):
        return x_NCYX
    size = [n // s * cell for n, s in zip(x_NCYX.shape[-2:], step, strict=True)]
    return interpolate(x_NCYX, size=size, mode="bilinear", align_corners=False, antialias=True)


def to_image_cells(x_NKYX: Tensor, step: Step, shape: Shape, cell: int = CELL) -> Tensor:
    """Map values on such cells to an image of `shape` (Y, X): the nearest in the cell."""
    if step == (cell, cell):
        return x_NKYX[..., : shape[0], : shape[1]]
    rows, columns = (nearest_in_cell(n, s, x_NKYX, cell) for n, s in zip(shape, step, strict=True))
    return x_NKYX[:, :, rows][..., columns]


def nearest_in_cell(size: int, step: int, like: Tensor, cell: int = CELL) -> Tensor:
    """Return, for each of `size` pixels, the nearest of the `cell` pixels a cell, (size,)."""
    place = torch.arange(size, device=like.device)
    return place // step * cell + (2 * (place % step) + 1) * cell // (2 * step)


class Outputs(NamedTuple):
    """What a grid network gives."""

    logits: Tensor
    """Association logits, (N, 9, Y, X)."""
    embedding: Tensor
    """The numbers of pixels that losses look at, (N, 16, Y, X)."""


class GridNetwork(nn.Module, ABC):
    """A network that gives association logits on cells of 16 pixels."""

    align_cells: ClassVar[int] = 1
    """Images start at a multiple of so many cells, and are filled up to one."""
    channels: int
    """Channels of the image."""

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What makes a network of the same layers: the parameters of its class."""

    @abstractmethod
    def outputs(self, image: Tensor) -> Outputs:
        """Return association logits and what losses need beside them.

        Parameters
        ----------
        image
            (N, C, Y, X) as `normalise` gives it, Y and X multiples of 16 `align_cells` pixels.
        """

    def forward(self, image: Tensor) -> Tensor:
        """Return association logits, (N, 9, Y, X); the image as for `outputs`."""
        return self.outputs(image).logits

    def associate(
        self, image: Tensor, step: Step = (CELL, CELL), populated: Tensor | None = None
    ) -> Tensor:
        """Return association logits for any step and size.

        Parameters
        ----------
        image
            (N, C, Y, X) as `normalise` gives it.
        step
            Size of a cell along y and x, in pixels.
        populated
            Which cells hold data, bool (N, H, W); None where all do.

        Returns
        -------
        Tensor
            (N, 9, Y, X); -inf for what is no candidate.
        """
        shape = (image.shape[-2], image.shape[-1])
        whole = fill_up(image, (step[0] * self.align_cells, step[1] * self.align_cells))
        logits = self(to_network_cells(whole, step))
        return candidates_only(to_image_cells(logits, step, shape), step, populated)
