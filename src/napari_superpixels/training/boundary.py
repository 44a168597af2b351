"""Losses on embeddings near borders between segments: AINet's and PCNet's.

Both take small square patches around border pixels that hold exactly two segments, f and g. The
shape suffixes: N batch, C channels, Y X pixels, B patches, P the pixels of one patch.
"""

# ruff: noqa: N803, N806, N815 - names carry shape suffixes

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from napari_superpixels.labels.metrics import boundary_map
from napari_superpixels.training.losses import VOID

PATCH = 5
"""Side of a patch, in pixels."""
MOST_PATCHES = 500
"""Patches of one image."""
SHARE = 5
"""One patch for so many border pixels."""
TINY = 1e-10


@dataclass(frozen=True, slots=True)
class Patches:
    """Embeddings of patches, and which of the two segments each pixel is of."""

    embedding_BPC: Tensor
    first_BP: Tensor
    """1 for the segment with the smaller label, else 0."""

    def halves(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the means of both segments' halves, f1 f2 g1 g2, (B, C) each.

        A segment's pixels are halved in raster order, the middle one belongs to the first half.
        """
        second_BP = 1 - self.first_BP
        parts = [part for side in (self.first_BP, second_BP) for part in _halved(side)]
        f1, f2, g1, g2 = (self.mean(part) for part in parts)
        return f1, f2, g1, g2

    def mean(self, weight_BP: Tensor) -> Tensor:
        """Return weighted means, (B, C)."""
        sums = (self.embedding_BPC * weight_BP[..., None]).sum(dim=1)
        return sums / weight_BP.sum(dim=1, keepdim=True).clamp(min=1)

    def scatter(self, weight_BP: Tensor) -> Tensor:
        """Return the sums of squared distances from the mean, (B)."""
        off = self.embedding_BPC - self.mean(weight_BP)[:, None]
        return (off.square().sum(dim=2) * weight_BP).sum(dim=1)


def _halved(side_BP: Tensor) -> tuple[Tensor, Tensor]:
    order = side_BP.cumsum(dim=1)
    early = (2 * order <= side_BP.sum(dim=1, keepdim=True) + 1).to(side_BP.dtype) * side_BP
    return early, side_BP - early


def sample_patches(embedding: Tensor, labels: Tensor, rng: np.random.Generator) -> Patches:
    """Cut patches around random border pixels that hold exactly two segments.

    Parameters
    ----------
    embedding
        (N, C, Y, X).
    labels
        int64 (N, Y, X), `VOID` where unknown: patches with void pixels are not taken.
    rng
        Chooses among the border pixels: at most `MOST_PATCHES` of an image, and one for each
        `SHARE` of its border pixels.

    Returns
    -------
    Patches
        Those of all images, maybe none. A side of a single pixel is left out: it has no halves.
    """
    found = [_patches_of(plane, truth, rng) for plane, truth in zip(embedding, labels, strict=True)]
    return Patches(
        torch.cat([patch.embedding_BPC for patch in found]),
        torch.cat([patch.first_BP for patch in found]),
    )


def _patches_of(embedding_CYX: Tensor, labels_YX: Tensor, rng: np.random.Generator) -> Patches:
    border = np.argwhere(boundary_map(labels_YX.cpu().numpy()))
    reach, shape = PATCH // 2, np.array(labels_YX.shape)
    wanted = min(MOST_PATCHES, len(border) // SHARE)
    inside = border[((border >= reach) & (border < shape - reach)).all(axis=1)]
    chosen = rng.permutation(len(inside))[:wanted]
    at = torch.from_numpy(inside[chosen]).to(labels_YX.device)
    offset = torch.arange(-reach, reach + 1, device=labels_YX.device)
    y_BP = (at[:, 0, None, None] + offset[:, None]).expand(-1, PATCH, PATCH).flatten(1)
    x_BP = (at[:, 1, None, None] + offset[None, :]).expand(-1, PATCH, PATCH).flatten(1)
    labels_BP = labels_YX[y_BP, x_BP]
    two_B, first_BP = _two_segments(labels_BP)
    embedding_BPC = embedding_CYX[:, y_BP[two_B], x_BP[two_B]].permute(1, 2, 0)
    return Patches(embedding_BPC, first_BP[two_B].to(embedding_CYX.dtype))


def _two_segments(labels_BP: Tensor) -> tuple[Tensor, Tensor]:
    """Return which patches hold exactly two segments of two pixels or more, and the first's."""
    if not len(labels_BP):
        return labels_BP.new_zeros(0, dtype=torch.bool), labels_BP.bool()
    low, high = labels_BP.amin(dim=1, keepdim=True), labels_BP.amax(dim=1, keepdim=True)
    first = labels_BP == low
    only = (first | (labels_BP == high)).all(dim=1)
    count = first.sum(dim=1)
    enough = (count >= 2) & (labels_BP.shape[1] - count >= 2)
    return only & enough & (low[:, 0] != VOID), first


def _similarity(f_BC: Tensor, g_BC: Tensor) -> Tensor:
    """Return 2 / (1 + exp |f - g|) (AINet, Eq. 8) as twice a sigmoid, which never overflows."""
    return 2 * torch.sigmoid(-(f_BC - g_BC).abs().sum(dim=1))


def boundary_perceiving_loss(patches: Patches) -> Tensor:
    """Return AINet's loss (Eq. 6 to 9): like within a segment, unlike across the border.

    Parameters
    ----------
    patches
        Of the pixel embedding.

    Returns
    -------
    Tensor
        The mean over patches, a scalar; 0 without any.
    """
    f1, f2, g1, g2 = patches.halves()
    alike = torch.log(_similarity(f1, f2)) + torch.log(_similarity(g1, g2))
    unlike = [torch.log((1 - _similarity(f, g)).clamp(min=TINY)) for f, g in ((f1, g1), (f2, g2))]
    return -0.5 * (alike + unlike[0] + unlike[1]).sum() / max(len(f1), 1)


def local_discrimination_loss(patches: Patches) -> Tensor:
    """Return PCNet's loss (Eq. 6, 7): distance of the two means over both segments' variances.

    The paper's Eq. 6 divides by the sums of squared distances from the means; here, as in the
    authors' code, each is divided by the segment's number of pixels, so that patches count alike
    however the border cuts them.

    Parameters
    ----------
    patches
        Of the pixel embedding of the global branch.

    Returns
    -------
    Tensor
        The mean over patches, negative, a scalar; 0 without any.
    """
    first, second = patches.first_BP, 1 - patches.first_BP
    apart = (patches.mean(first) - patches.mean(second)).square().sum(dim=1)
    spread = patches.scatter(first) / first.sum(dim=1) + patches.scatter(second) / second.sum(dim=1)
    return -(apart / (spread + TINY)).sum() / max(len(apart), 1)


def near_borders(labels: Tensor, reach: int = 8) -> Tensor:
    """Return 1 within a square of 2 * `reach` pixels around borders, (N, 1, Y, X) float32.

    Parameters
    ----------
    labels
        int64 (N, Y, X).
    reach
        In pixels; 8 is the 16 x 16 of PCNet (17 here, so that it has a middle).
    """
    border = torch.stack([torch.from_numpy(boundary_map(x.cpu().numpy())) for x in labels])
    flags = border[:, None].to(labels.device, torch.float32)
    return max_pool2d(flags, 2 * reach + 1, stride=1, padding=reach)


def masked_image_loss(image: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute difference where the mask is 1 (PCNet, Eq. 5).

    Parameters
    ----------
    image, target
        (N, C, Y, X).
    mask
        (N, 1, Y, X), 1 where pixels count.
    """
    error = (image - target).abs() * mask
    return error.sum() / (mask.sum() * image.shape[1]).clamp(min=1)


def guiding_mask(labels: Tensor) -> Tensor:
    """Return PCNet's dynamic guiding mask (Eq. 4): the segment with the longest border, or not.

    Parameters
    ----------
    labels
        int64 (N, Y, X); `VOID` stays.

    Returns
    -------
    Tensor
        int64 (N, Y, X): 1 in that segment, 0 elsewhere.
    """
    return torch.stack([_guide(plane) for plane in labels])


def _guide(labels_YX: Tensor) -> Tensor:
    border = torch.from_numpy(boundary_map(labels_YX.cpu().numpy())).to(labels_YX.device)
    values, counts = torch.unique(labels_YX[border & (labels_YX != VOID)], return_counts=True)
    if not len(values):
        return labels_YX.clamp(max=0)
    mask: Tensor = (labels_YX == values[counts.argmax()]).long()
    return mask.masked_fill(labels_YX == VOID, VOID)
