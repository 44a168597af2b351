"""Differentiable SLIC: the soft association of pixels with the 9 cells around them.

Jampani et al., Superpixel Sampling Networks, ECCV 2018, section 4.1. The learned networks reuse
these operators on features or associations of their own.

A pixel of cell (h, w) may go to the cells (h + dr, w + dc), dr and dc in -1..1; channel
``3 * (dr + 1) + (dc + 1)`` of an association belongs to that candidate. Pixels are kept cell by
cell, so both directions are products of small matrices, 9 by C and C by P a cell: neither the
pixels x cells matrix of the paper nor a tensor with C x 9 values a pixel is ever made, and the
backward pass keeps 9 numbers and a mask of them a pixel and iteration.

The shape suffixes: N batch, C channels, Y X pixels, H W cells, K the 9 candidates of a pixel,
P the pixels of one cell. The last cells of an image may be cut: their missing pixels weigh nothing.
"""

# ruff: noqa: N803, N806, N815 - names carry shape suffixes

from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.functional import pad

from napari_superpixels.tiling.lattice import count_cells

NEIGHBOURS = 9
"""Candidates of a pixel."""

MIN_MASS = 1e-12
"""A cell with less weight than this keeps its centre; bounds the gradient of the division too."""

Step = tuple[int, int]


class SoftSlic(NamedTuple):
    """The result of `soft_slic`."""

    logits: Tensor
    """Negative squared distances to the 9 candidates, (N, 9, Y, X).

    -inf for what is no candidate; without meaning, but no NaN, at pixels without data.
    """
    association: Tensor
    """Softmax of the logits over the candidates, (N, 9, Y, X); 0 at pixels without data."""
    centres: Tensor
    """The centres that the logits were measured from, (N, C, H, W)."""


def to_blocks(x_NCYX: Tensor, step: Step) -> Tensor:
    """Gather the pixels of each cell: (N, C, Y, X) to (N, H, W, C, P); zeros fill cut cells."""
    (sy, sx), (n, c, y, x) = step, x_NCYX.shape
    h, w = count_cells(y, sy), count_cells(x, sx)
    padded = pad(x_NCYX, (0, w * sx - x, 0, h * sy - y))
    blocks = padded.reshape(n, c, h, sy, w, sx).permute(0, 2, 4, 1, 3, 5)
    return blocks.reshape(n, h, w, c, sy * sx)


def from_blocks(x_NHWCP: Tensor, step: Step, shape: tuple[int, int]) -> Tensor:
    """Undo `to_blocks` for an image of `shape` (Y, X)."""
    (sy, sx), (n, h, w, c, _) = step, x_NHWCP.shape
    pixels = x_NHWCP.reshape(n, h, w, c, sy, sx).permute(0, 3, 1, 4, 2, 5)
    return pixels.reshape(n, c, h * sy, w * sx)[..., : shape[0], : shape[1]]


def _around(x_NHWC: Tensor) -> Tensor:
    """Return the values of the 9 cells around each: (N, H, W, K, C), zeros outside."""
    h, w = x_NHWC.shape[1:3]
    bordered = pad(x_NHWC, (0, 0, 1, 1, 1, 1))
    shifts = [bordered[:, r : r + h, c : c + w] for r in range(3) for c in range(3)]
    return torch.stack(shifts, dim=3)


def _collect(x_NHWKC: Tensor) -> Tensor:
    """Add up what the 9 cells around hold for each cell, the adjoint of `_around`: (N, H, W, C)."""
    h, w = x_NHWKC.shape[1:3]
    parts = [
        pad(x_NHWKC[:, :, :, k], (0, 0, k % 3, 2 - k % 3, k // 3, 2 - k // 3))
        for k in range(NEIGHBOURS)
    ]
    return torch.stack(parts).sum(dim=0)[:, 1 : h + 1, 1 : w + 1]


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    """Multiply in the tensors' own precision: squared distances do not survive half precision."""
    precision = torch.promote_types(a.dtype, b.dtype)
    with torch.autocast(a.device.type, enabled=False):
        return a.to(precision) @ b.to(precision)


def _sums(x_NHWCP: Tensor, weight_NHW1P: Tensor, q_NHWKP: Tensor) -> tuple[Tensor, Tensor]:
    """Sum the pixels of cells for their candidates: values (N, H, W, K, C), weights (..., 1)."""
    sums = _matmul(q_NHWKP, x_NHWCP.transpose(-1, -2))
    return sums, (q_NHWKP * weight_NHW1P).sum(dim=-1, keepdim=True)


def _ratio(sums: Tensor, mass: Tensor, otherwise: Tensor) -> Tensor:
    """Divide where there is weight; the inner `where` keeps the gradient finite elsewhere."""
    some = mass >= MIN_MASS
    return torch.where(some, sums / torch.where(some, mass, 1.0), otherwise)


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Pixels by cell, relative to a point near them.

    ||F - S||^2 is computed as a product of matrices, which would cancel badly far from zero
    (positions). Neither distances nor means depend on the origin, so it carries no gradient.
    """

    x_NHWCP: Tensor
    """Features less the cell's origin; zero where there is no data."""
    origin_NHWC: Tensor
    """The cells' origins, constants."""
    weight_NHW1P: Tensor
    """1 where there is data, else 0."""
    candidate_NHW1: Tensor
    """Whether the cell has any data: others are no candidates."""

    @classmethod
    def of(cls, x_NCYX: Tensor, step: Step, valid_NYX: Tensor | None) -> Self:
        """Gather features, (N, C, Y, X), with their means as origins."""
        x_NHWCP = to_blocks(_cleaned(x_NCYX, valid_NYX), step)
        weight_NHW1P = _weights(x_NCYX, step, valid_NYX)
        count_NHW1 = weight_NHW1P.sum(dim=-1)
        origin = (x_NHWCP.detach().sum(dim=-1) / count_NHW1.clamp(min=1)).contiguous()
        local = (x_NHWCP - origin[..., None]) * weight_NHW1P
        return cls(local, origin, weight_NHW1P, count_NHW1 > 0)

    def means(self) -> Tensor:
        """Return the mean of each cell's own pixels, (N, H, W, C)."""
        count_NHW1 = self.weight_NHW1P.sum(dim=-1)
        return self.origin_NHWC + self.x_NHWCP.sum(dim=-1) / count_NHW1.clamp(min=1)

    def logits(self, centres_NHWC: Tensor) -> Tensor:
        """Return -||F - S||^2, (N, H, W, K, P), -inf for what is no candidate."""
        s_NHWKC = _around(centres_NHWC) - self.origin_NHWC[..., None, :]
        cross = _matmul(s_NHWKC, self.x_NHWCP)
        squares = s_NHWKC.square().sum(dim=-1, keepdim=True)
        own = self.x_NHWCP.square().sum(dim=-2, keepdim=True)
        distance = squares + own - 2 * cross
        return -distance.masked_fill(~_around(self.candidate_NHW1), torch.inf)

    def updated(self, q_NHWKP: Tensor, centres_NHWC: Tensor) -> Tensor:
        """Return the centres after Eq. 4; cells without weight keep theirs."""
        sums, mass = _sums(self.x_NHWCP, self.weight_NHW1P, q_NHWKP)
        moved = sums + mass * (self.origin_NHWC[..., None, :] - _around(self.origin_NHWC))
        local = _ratio(_collect(moved), _collect(mass), centres_NHWC - self.origin_NHWC)
        return local + self.origin_NHWC


def _cleaned(x_NCYX: Tensor, valid_NYX: Tensor | None) -> Tensor:
    """Return at least float32, zero (not NaN times zero) where there is no data."""
    x = x_NCYX.to(torch.promote_types(x_NCYX.dtype, torch.float32))
    return x if valid_NYX is None else torch.where(valid_NYX[:, None], x, 0.0)


def _weights(x_NCYX: Tensor, step: Step, valid_NYX: Tensor | None) -> Tensor:
    """Return 1 where there is data and 0 elsewhere, cut cells' missing pixels too."""
    dtype = torch.promote_types(x_NCYX.dtype, torch.float32)
    plane = torch.ones_like(x_NCYX[:, :1], dtype=dtype)
    return to_blocks(plane if valid_NYX is None else plane * valid_NYX[:, None], step)


def _softmax(logits: Tensor, dim: int) -> Tensor:
    """Return the softmax, finite (and its gradient too) even where every logit is -inf."""
    lowest = torch.finfo(logits.dtype).min
    return torch.softmax(logits.masked_fill(logits == -torch.inf, lowest), dim=dim)


def _cells_last(x_NCHW: Tensor) -> Tensor:
    return x_NCHW.permute(0, 2, 3, 1)


def _cells_second(x_NHWC: Tensor) -> Tensor:
    return x_NHWC.permute(0, 3, 1, 2)


def initial_centres(features: Tensor, step: Step, valid: Tensor | None = None) -> Tensor:
    """Average the features over the regular cells (Algorithm 1, line 2).

    Parameters
    ----------
    features
        (N, C, Y, X), floating point.
    step
        Size of a cell along y and x, in pixels.
    valid
        Which pixels hold data, bool (N, Y, X); None where all do.

    Returns
    -------
    Tensor
        (N, C, H, W) with H = ceil(Y / sy) and W = ceil(X / sx); 0 for cells without data.
    """
    return _cells_second(_Blocks.of(features, step, valid).means())


def association_logits(
    features: Tensor, centres: Tensor, step: Step, valid: Tensor | None = None
) -> Tensor:
    """Return -||F_p - S_i||^2 from each pixel to its 9 candidates (the exponent of Eq. 3).

    Parameters
    ----------
    features, step, valid
        As in `initial_centres`.
    centres
        (N, C, H, W).

    Returns
    -------
    Tensor
        (N, 9, Y, X); -inf for cells outside the lattice and cells without any data; without
        meaning, but no NaN, at pixels without data.
    """
    logits = _Blocks.of(features, step, valid).logits(_cells_last(centres))
    return from_blocks(logits, step, _plane(features))


def candidates_only(logits: Tensor, step: Step, populated: Tensor | None = None) -> Tensor:
    """Set the logits of what is no candidate to -inf: cells outside the lattice or without data.

    Parameters
    ----------
    logits
        (N, 9, Y, X).
    step
        Size of a cell along y and x, in pixels.
    populated
        Which cells hold data, bool (N, H, W); None where all do.

    Returns
    -------
    Tensor
        (N, 9, Y, X).
    """
    y, x = _plane(logits)
    lattice = (len(logits), count_cells(y, step[0]), count_cells(x, step[1]))
    if populated is None:
        populated = torch.ones(lattice, dtype=torch.bool, device=logits.device)
    near_NKHW = _around(populated[..., None])[..., 0].permute(0, 3, 1, 2)
    return logits.masked_fill(~cells_to_pixels(near_NKHW, step, (y, x)), -torch.inf)


def cells_to_pixels(x_NCHW: Tensor, step: Step, shape: tuple[int, int]) -> Tensor:
    """Give every pixel of an image of `shape` (Y, X) the value of its cell: (N, C, Y, X)."""
    rows = x_NCHW.repeat_interleave(step[0], dim=2)[:, :, : shape[0]]
    return rows.repeat_interleave(step[1], dim=3)[..., : shape[1]]


def products(pixels: Tensor, cells: Tensor, step: Step) -> Tensor:
    """Return the inner products of each pixel with its 9 candidates.

    Parameters
    ----------
    pixels
        (N, C, Y, X).
    cells
        (N, C, H, W).
    step
        Size of a cell along y and x, in pixels.

    Returns
    -------
    Tensor
        (N, 9, Y, X); -inf for cells outside the lattice.
    """
    blocks = _matmul(_around(_cells_last(cells)), to_blocks(pixels, step))
    return candidates_only(from_blocks(blocks, step, _plane(pixels)), step)


def associate(logits: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the soft association: the softmax of the logits over the 9 candidates.

    Equation 3 of the paper is not normalised over the candidates; the authors' code takes the
    softmax, and so do we: it is also the row-normalised Q of Eq. 5.

    Parameters
    ----------
    logits
        (N, 9, Y, X), -inf for what is no candidate.
    valid
        Which pixels hold data, bool (N, Y, X); the others weigh 0.

    Returns
    -------
    Tensor
        (N, 9, Y, X).
    """
    soft = _softmax(logits, dim=1)
    return soft if valid is None else soft * valid[:, None]


def update_centres(
    features: Tensor, association: Tensor, centres: Tensor, step: Step, valid: Tensor | None = None
) -> Tensor:
    """Return the weighted means of Eq. 4; a cell without weight keeps its centre.

    Parameters
    ----------
    features, step, valid
        As in `initial_centres`.
    association
        (N, 9, Y, X); weights of pixels without data and of cells outside the lattice are ignored.
    centres
        The centres so far, (N, C, H, W).

    Returns
    -------
    Tensor
        (N, C, H, W).
    """
    blocks = _Blocks.of(features, step, valid)
    return _cells_second(blocks.updated(to_blocks(association, step), _cells_last(centres)))


def soft_slic(
    features: Tensor, step: Step, iterations: int, valid: Tensor | None = None
) -> SoftSlic:
    """Run differentiable SLIC (Algorithm 1, lines 2 to 6).

    Parameters
    ----------
    features, step, valid
        As in `initial_centres`.
    iterations
        v, the number of associations: v - 1 updates of the centres precede the last one. (The
        algorithm as printed updates them once more, for nobody.)

    Returns
    -------
    SoftSlic
        The last logits and association, and the centres they belong to.
    """
    assert iterations >= 1, "at least one association"
    blocks = _Blocks.of(features, step, valid)
    centres = blocks.means()
    for _ in range(iterations - 1):
        centres = blocks.updated(_softmax(blocks.logits(centres), dim=3), centres)
    logits = from_blocks(blocks.logits(centres), step, _plane(features))
    return SoftSlic(logits, associate(logits, valid), _cells_second(centres))


def pool_to_cells(values: Tensor, association: Tensor, step: Step) -> Tensor:
    """Map pixels to cells with the column-normalised association (Eq. 4, inner map of Eq. 5).

    Parameters
    ----------
    values
        (N, C, Y, X), finite everywhere.
    association
        (N, 9, Y, X); what it gives to cells outside the lattice is lost.
    step
        Size of a cell along y and x, in pixels.

    Returns
    -------
    Tensor
        (N, C, H, W); 0 for cells without weight.
    """
    blocks = to_blocks(values, step)
    sums, mass = _sums(blocks, torch.ones_like(blocks[..., :1, :]), to_blocks(association, step))
    total = _collect(sums)
    return _cells_second(_ratio(total, _collect(mass), torch.zeros_like(total)))


def unpool_to_pixels(values: Tensor, association: Tensor, step: Step) -> Tensor:
    """Map cells to pixels with the row-normalised association (the outer map of Eq. 5).

    Parameters
    ----------
    values
        (N, C, H, W).
    association
        (N, 9, Y, X); normalised here over the candidates inside the lattice.
    step
        Size of a cell along y and x, in pixels.

    Returns
    -------
    Tensor
        (N, C, Y, X); 0 where the association is 0 for every candidate.
    """
    around_NHWKC = _around(_cells_last(values))
    inside_NHWK1 = _around(torch.ones_like(_cells_last(values)[..., :1]))
    q_NHWKP = to_blocks(association, step) * inside_NHWK1
    # Divided before the product: there are 9 candidates, but often more channels.
    share = _ratio(q_NHWKP, q_NHWKP.sum(dim=3, keepdim=True), torch.zeros_like(q_NHWKP))
    pixels = _matmul(around_NHWKC.transpose(-1, -2), share)
    return from_blocks(pixels, step, _plane(association))


def _plane(x_NCYX: Tensor) -> tuple[int, int]:
    """Return the size of the image, in pixels."""
    return x_NCYX.shape[-2], x_NCYX.shape[-1]
