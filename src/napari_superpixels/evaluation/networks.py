"""Learned methods as the papers run them: on the whole image in floats, before any clean-up."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from napari_superpixels.evaluation.ours import whole_tile
from napari_superpixels.kernels.ids import expand_ids
from napari_superpixels.models.grid_network import GridMethod
from napari_superpixels.models.hcnet import Hcnet
from napari_superpixels.models.learned import load
from napari_superpixels.models.protocol import ImageFacts
from napari_superpixels.models.ssn import SsnMethod
from napari_superpixels.models.weights import find
from napari_superpixels.networks import grid, ssn
from napari_superpixels.networks.inference import exact
from napari_superpixels.tiling import Lattice

Image = NDArray[np.uint8]
"""An RGB image, shape (Y, X, 3)."""


def _never() -> None:
    """Do not cancel."""


def _tensor(image: Image) -> Tensor:
    return torch.from_numpy(np.moveaxis(image, -1, 0) / np.float32(255))[None]


def _hard(logits: Tensor, step: int) -> NDArray[Any]:
    lattice = Lattice((logits.shape[-2], logits.shape[-1]), (step, step))
    codes = logits[0].argmax(dim=0).to(torch.uint8).numpy()
    cells = (lattice.cells[0], lattice.cells[1])
    return expand_ids(codes, (0, 0), (step, step), cells, 0, lattice.label_dtype)


def sampled_labels(image: Image, method: SsnMethod) -> NDArray[Any]:
    """Return the labels of a sampling network before any clean-up.

    Parameters
    ----------
    image
        RGB image, shape (Y, X, 3).
    method
        Settings; the step is the size of a cell.

    Returns
    -------
    ndarray of uint32, shape (Y, X)
        Labels that may have several components.
    """
    network = load(find(method.weights, method.name))
    assert isinstance(network, ssn.Ssn), "the card names the network"
    with exact(_never):
        seen = ssn.normalise(_tensor(image))
        logits = network.associate(seen, (method.step, method.step), method.iterations)
        return _hard(logits, method.step)


def clustered_labels(image: Image, method: Hcnet) -> NDArray[Any]:
    """Return the clusters of an HC network before any clean-up.

    Parameters
    ----------
    image
        RGB image, shape (Y, X, 3).
    method
        Settings.

    Returns
    -------
    ndarray of uint32, shape (Y, X)
        Labels that may have several components.
    """
    model = method.model(ImageFacts(channels=3, dtype=image.dtype, rgb=True), None)
    tile = whole_tile(image, method.step)
    return _hard(model.associate(tile, None, _never)[None], method.step)


def grid_shape(shape: tuple[int, ...], target: int) -> tuple[int, int]:
    """Return the cells of a resized image: about as many as wanted, about as wide as high."""
    rows, columns = (
        max(1, round(float(np.sqrt(target * one / other))))
        for one, other in (shape[:2], shape[1::-1])
    )
    return rows, columns


def resized_as_8_bit(image: Image, size: tuple[int, int]) -> Tensor:
    """Resize as the papers do, with OpenCV: cubic, and back to 8 bits.

    Parameters
    ----------
    image
        RGB image, shape (Y, X, 3).
    size
        Height and width wanted, in pixels.

    Returns
    -------
    Tensor
        (1, 3, Y, X), 0 to 1 in steps of 1/255; OpenCV's own fixed point may round the other way.
    """
    resized = interpolate(_tensor(image) * 255, size, mode="bicubic", align_corners=False)
    return resized.round().clamp(0, 255) / 255


def resized_labels(image: Image, method: GridMethod, target: int) -> tuple[NDArray[Any], int]:
    """Return the labels of a grid network on a resized image, before any clean-up.

    The image is resized so that its cells of 16 pixels are about as many
    as wanted, and the labels back by the nearest pixel.

    Parameters
    ----------
    image
        RGB image, shape (Y, X, 3).
    method
        Settings; the step does not matter.
    target
        Wanted number of superpixels.

    Returns
    -------
    ndarray of uint32 (Y, X), int
        Labels that may have several components, and how many cells there were.
    """
    network = load(find(method.weights, method.name))
    assert isinstance(network, grid.GridNetwork), "the card names the network"
    cells = grid_shape(image.shape, target)
    size = (cells[0] * grid.CELL, cells[1] * grid.CELL)
    with exact(_never):
        resized = resized_as_8_bit(image, size)
        labels = _hard(network.associate(grid.normalise(resized)), grid.CELL)
    rows, columns = (
        np.minimum((np.arange(n) + 0.5) * s / n, s - 1).astype(np.intp)
        for n, s in zip(image.shape[:2], size, strict=True)
    )
    return labels[np.ix_(rows, columns)], cells[0] * cells[1]
