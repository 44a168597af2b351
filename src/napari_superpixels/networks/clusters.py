"""The superpixels of a network with hierarchical clustering, as an association with its cells.

Suzuki, Implicit Integration of Superpixel Segmentation into Fully Convolutional Networks, 2021,
section 3.2. Hard assignments compose (`decoding`): a pixel's cluster is the cluster of its cluster.
The pixels of a map at stride s are the cells of a lattice of step s, so that is a choice among
cells. One assignment moves a pixel to a cell beside its own at most; several in a row to the next
but one. Superpixels lie within the 3 x 3 cells around their own, so of the last assignment only
those candidates count that do: which always are some, the pixel's own cell among them.

The shape suffixes: N batch, C channels, Y X pixels, H W cells, K the 9 candidates of a pixel.
"""

# ruff: noqa: N803, N806 - names carry shape suffixes

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from napari_superpixels.networks.association import (
    NEIGHBOURS,
    Step,
    candidates_only,
    cells_to_pixels,
)
from napari_superpixels.networks.backbone import PLAIN_STRIDES, Backbone
from napari_superpixels.networks.decoding import nearest_clusters
from napari_superpixels.networks.grid import fill_up, to_image_cells, to_network_cells
from napari_superpixels.networks.reach import Reach


class Clusters(nn.Module):
    """What a backbone says of the superpixels of one stride; no head is needed.

    Parameters
    ----------
    backbone
        Of the HC form.
    stride
        One of its `clustered`.
    """

    align_cells: ClassVar[int] = 1
    """Images start at a multiple of so many cells, and are filled up to one."""

    def __init__(self, backbone: Backbone, stride: int) -> None:
        super().__init__()
        assert stride in backbone.clustered, "callers refuse others"
        self.backbone, self.stride = backbone, stride

    @property
    def channels(self) -> int:
        """Channels of the image."""
        return self.backbone.settings.channels

    @property
    def reach_px(self) -> int:
        """Pixels around a pixel's own cell on which its logits depend."""
        farthest = moved = 0
        stages = zip(PLAIN_STRIDES, self.backbone.trunk.reaches(), strict=True)
        for coarse, (own, seeds, _) in stages:
            if coarse not in self.backbone.clustered or coarse > self.stride:
                continue
            farthest = max(farthest, _beyond(own, moved))
            moved = 1 + (moved + 1) // 2  # of two pixels that far, one is a coarse one
            farthest = max(farthest, _beyond(seeds, moved))
        return farthest

    def forward(self, image_NCYX: Tensor) -> Tensor:
        """Return association logits, (N, 9, Y, X); Y and X are multiples of the stride."""
        return self.associate(image_NCYX, (self.stride, self.stride))

    def associate(
        self, image_NCYX: Tensor, step: Step, populated_NHW: Tensor | None = None
    ) -> Tensor:
        """Return association logits of an image of any size.

        Parameters
        ----------
        image_NCYX
            As the network was trained on.
        step
            Size of a cell along y and x, in pixels: the stride, or in a coarser level of an image,
            which is resampled to that cell by cell.
        populated_NHW
            Which cells hold data, bool; None where all do.

        Returns
        -------
        Tensor
            (N, 9, Y, X); -inf for what is no candidate.
        """
        shape = (image_NCYX.shape[-2], image_NCYX.shape[-1])
        image_NCYX = to_network_cells(fill_up(image_NCYX, step), step, self.stride)
        logits = self.backbone.assignments(image_NCYX, self.stride)
        found, block = composed(logits, self.stride), min(logits)
        per_cell = self.stride // block
        found = candidates_only(found, (per_cell, per_cell), populated_NHW)
        filled = (image_NCYX.shape[-2], image_NCYX.shape[-1])
        found = cells_to_pixels(found, (block, block), filled)
        return to_image_cells(found, step, shape, self.stride)


def _beyond(reach: Reach, moved: int) -> int:
    """Return how far pixels of a map see beyond a cell that they left by some of them at most."""
    before = moved * reach.stride + reach.before
    after = (moved - 1) * reach.stride + reach.after + 1
    return max(before, after)


def composed(logits: Mapping[int, Tensor], stride: int) -> Tensor:
    """Return the logits of the last of several assignments, hard ones before it.

    Parameters
    ----------
    logits
        Of assignments in a row up to that of `stride`, (N, 9, Y, X) each, by the stride of the
        finer of the two maps, which halves from one to the next.
    stride
        Of the coarser map of the last one.

    Returns
    -------
    Tensor
        (N, 9, Y, X) for the pixels of the finest map: of the 9 cells around a pixel's own, at
        `stride`; -inf for what is no candidate of the pixel's cluster before.
    """
    *before, last = sorted(logits)
    assert last == stride // 2, "the last one leads there"
    n, _, y, x = logits[min(logits)].shape
    place_NP = torch.arange(y * x, device=logits[last].device).expand(n, -1)
    for fine in before:
        place_NP = nearest_clusters(logits[fine]).flatten(1).gather(1, place_NP)
    width, per_cell = logits[last].shape[-1], stride // min(logits)
    row, column = (torch.arange(size, device=place_NP.device) // per_cell for size in (y, x))
    down_NP = place_NP // width // 2 - row[:, None].expand(y, x).flatten()
    right_NP = place_NP % width // 2 - column.expand(y, x).flatten()
    values_NKP = logits[last].flatten(2).gather(2, place_NP[:, None].expand(-1, NEIGHBOURS, -1))
    return _moved(values_NKP, down_NP[:, None], right_NP[:, None]).reshape(n, NEIGHBOURS, y, x)


def _moved(values_NKP: Tensor, down_N1P: Tensor, right_N1P: Tensor) -> Tensor:
    """Return values of the 9 cells around one as values of those around another; else -inf.

    Parameters
    ----------
    values_NKP
        Of the cells around the first.
    down_N1P, right_N1P
        How many cells the first lies below the other, and right of it.
    """
    k = torch.arange(NEIGHBOURS, device=values_NKP.device)[:, None]
    row, column = k // 3 - down_N1P, k % 3 - right_N1P
    there = (row >= 0) & (row < 3) & (column >= 0) & (column < 3)
    code = (3 * row + column).clamp(0, NEIGHBOURS - 1)
    return values_NKP.gather(1, code).masked_fill(~there, -torch.inf)
