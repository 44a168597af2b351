"""What training minimises: how well superpixels carry labels, values and positions.

Every loss here takes a soft association, (N, 9, Y, X) with sums of 1 over the candidates inside the
lattice, and maps something of the pixels to the cells and back (SSN, Eq. 5). The shape suffixes are
those of `networks.association`; S counts the segments of one-hot labels.
"""

# ruff: noqa: N803, N806, N815 - names carry shape suffixes

from typing import NamedTuple

import torch
from torch import Tensor

from napari_superpixels.networks.association import Step, pool_to_cells, unpool_to_pixels

VOID = -1
"""The segment of pixels that no loss counts."""

MOST_SEGMENTS = 50
"""Segments of a crop that are told apart, as in the papers' code; pixels of smaller ones are void.

Code of SSN drops the surplus as well, that of SCN merges it into the first segment.
"""

SUM_WEIGHT = 0.005
"""What the published code of the grid networks takes of losses that are sums over pixels."""

FLOOR = 1e-8
"""The smallest share that a logarithm sees, as in the code of SCN."""


class Segments(NamedTuple):
    """One-hot labels of a batch."""

    onehot_NSYX: Tensor
    """1 where a pixel belongs to the segment; all 0 at void pixels."""
    known_N1YX: Tensor
    """1 where a pixel belongs to any."""


def segments(labels: Tensor, like: Tensor, most: int = MOST_SEGMENTS) -> Segments:
    """Turn labels of any values into one-hot labels, numbered by size in each image.

    Parameters
    ----------
    labels
        int64 (N, Y, X); `VOID` where a pixel counts for nothing. Values need no order.
    like
        Whose floating dtype and device the result has.
    most
        Segments that are kept of an image, the largest; pixels of others become void.

    Returns
    -------
    Segments
        With as many channels as the richest image needs.
    """
    ranks = torch.stack([_ranks(plane, most) for plane in labels]).to(like.device)
    count = max(int(ranks.max()) + 1, 1)
    numbers = torch.arange(count, device=like.device)[None, :, None, None]
    onehot = (ranks[:, None] == numbers).to(like.dtype)
    return Segments(onehot, (ranks >= 0)[:, None].to(like.dtype))


def _ranks(labels_YX: Tensor, most: int) -> Tensor:
    """Number the labels of one image by size, from 0; void and surplus become -1."""
    values, inverse, counts = torch.unique(labels_YX, return_inverse=True, return_counts=True)
    counts = counts.masked_fill(values == VOID, -1)
    order = counts.argsort(descending=True, stable=True)
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order), device=order.device)
    ranks[(ranks >= most) | (values == VOID)] = VOID
    return ranks[inverse]


def reconstructed(values: Tensor, association: Tensor, step: Step) -> Tensor:
    """Map values to the cells and back (SSN, Eq. 5): (N, C, Y, X) to (N, C, Y, X)."""
    return unpool_to_pixels(pool_to_cells(values, association, step), association, step)


def label_loss(association: Tensor, truth: Segments, step: Step) -> Tensor:
    """Return the cross-entropy between labels and what superpixels keep of them.

    Parameters
    ----------
    association
        (N, 9, Y, X).
    truth
        The labels; void pixels count neither for a superpixel's labels nor for the loss.
    step
        Size of a cell along y and x, in pixels.

    Returns
    -------
    Tensor
        The mean over pixels that are not void, a scalar; 0 where all are void.
    """
    onehot, known = truth
    cells = pool_to_cells(onehot, association * known, step)
    share = (unpool_to_pixels(cells, association, step) * onehot).sum(dim=1, keepdim=True)
    surprise = -torch.log(share.clamp(min=FLOOR)) * known
    return surprise.sum() / known.sum().clamp(min=1)


def value_loss(association: Tensor, values: Tensor, known: Tensor, step: Step) -> Tensor:
    """Return the mean absolute difference between values and their superpixels' means.

    Parameters
    ----------
    association
        (N, 9, Y, X).
    values
        Any continuous map, such as a flow or a height, (N, C, Y, X); finite everywhere.
    known
        1 where the map has a value, else 0, (N, 1, Y, X).
    step
        Size of a cell along y and x, in pixels.
    """
    cells = pool_to_cells(values, association * known, step)
    error = (unpool_to_pixels(cells, association, step) - values).abs() * known
    return error.sum() / (known.sum() * values.shape[1]).clamp(min=1)


def positions(like: Tensor) -> Tensor:
    """Return y and x of every pixel in pixels, (1, 2, Y, X), on the device of an (N, C, Y, X)."""
    y, x = (torch.arange(n, device=like.device, dtype=like.dtype) for n in like.shape[-2:])
    return torch.stack(torch.meshgrid(y, x, indexing="ij"))[None]


def compactness_loss(association: Tensor, step: Step) -> Tensor:
    """Return the mean squared distance of pixels from the superpixel they belong to (SSN, Eq. 6).

    Superpixels' positions are soft means, pixels belong to the hard assignment. Positions are in
    pixels and the mean is over pixels, which is what the weight of 1e-5 is for here; the authors'
    Caffe code sums scaled positions instead.

    Parameters
    ----------
    association
        (N, 9, Y, X).
    step
        Size of a cell along y and x, in pixels.
    """
    place_NCYX = positions(association).expand(len(association), -1, -1, -1)
    cells = pool_to_cells(place_NCYX, association, step)
    hard = torch.zeros_like(association).scatter(1, association.argmax(dim=1, keepdim=True), 1.0)
    return (unpool_to_pixels(cells, hard, step) - place_NCYX).square().sum(dim=1).mean()


def position_loss(association: Tensor, step: Step) -> Tensor:
    """Return the mean distance of pixels from where their superpixels put them (SCN).

    The published code and the paper of SCN take the distance, later papers print its square.

    Parameters
    ----------
    association
        (N, 9, Y, X).
    step
        Size of a cell along y and x, in pixels.

    Returns
    -------
    Tensor
        In pixels, a scalar.
    """
    place_NCYX = positions(association).expand(len(association), -1, -1, -1)
    moved = reconstructed(place_NCYX, association, step) - place_NCYX
    # The root of 0 has no gradient: a pixel that is exactly in place stays there.
    return (moved.square().sum(dim=1) + FLOOR).sqrt().mean()


def superpixel_loss(
    association: Tensor, truth: Segments, step: Step, position_weight: float
) -> dict[str, Tensor]:
    """Return SCN's two terms: labels, and positions times their weight over the cell's size.

    Both are means over pixels; the published code sums them over the pixels of an image and
    multiplies by 0.005, which Adam's normalised steps do not notice. Weight decay does: the recipes
    divide it by as much.

    Parameters
    ----------
    association, truth, step
        As in `label_loss`.
    position_weight
        0.003 in SCN, AINet and PCNet; divided by the step here.
    """
    weight = position_weight / max(step)
    return {
        "label": label_loss(association, truth, step),
        "position": weight * position_loss(association, step),
    }
