"""Our own method without the engine around it: the model alone, and before its clean-up."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.kernels.bands import banded
from napari_superpixels.kernels.ids import expand_ids
from napari_superpixels.kernels.slic import slic
from napari_superpixels.models.protocol import Codes, ImageFacts, Method, Tile
from napari_superpixels.models.slic import Slic, SlicModel
from napari_superpixels.tiling import Box, Lattice

Image = NDArray[np.uint8]
"""An RGB image, shape (Y, X, 3)."""


def whole_tile(image: Image, step: int) -> Tile:
    """Return a whole image as one tile.

    Parameters
    ----------
    image
        RGB image, shape (Y, X, 3); not copied.
    step
        Size of a cell, in pixels.
    """
    cells = Lattice(image.shape[:2], (step, step)).cells
    return Tile(
        pixels=np.moveaxis(image, -1, 0),
        valid=None,
        step=(step, step),
        cut=((False, False), (False, False)),
        wanted=Box.whole(cells),
    )


def _never() -> None:
    """Do not cancel."""


def _rgb_model(method: Slic) -> SlicModel:
    facts = ImageFacts(channels=3, dtype=np.dtype(np.uint8), rgb=True)
    return method.model(facts, None)


def codes_of(image: Image, method: Slic, *, threads: int = 1) -> Codes:
    """Run the model on a whole image: Lab, clustering and connectivity, no ids.

    Parameters
    ----------
    image
        RGB image, shape (Y, X, 3).
    method
        Settings.
    threads
        How many threads may be used.

    Returns
    -------
    ndarray of uint8, shape (Y, X)
        The connected assignment.
    """
    tile = whole_tile(image, method.step)
    return _rgb_model(method)(tile, threads=threads, pulse=_never)


def _ids(codes: Codes, step: int) -> NDArray[Any]:
    lattice = Lattice(codes.shape, (step, step))
    cells = (lattice.cells[0], lattice.cells[1])
    return expand_ids(codes, (0, 0), (step, step), cells, 0, lattice.label_dtype)


def raw_labels(image: Image, method: Method) -> NDArray[Any]:
    """Return the labels of a method before its clean-up, for the papers' merging.

    Parameters
    ----------
    image
        RGB image, shape (Y, X, 3).
    method
        Settings of `slic`.

    Returns
    -------
    ndarray of uint32, shape (Y, X)
        Labels that may have several components.

    Raises
    ------
    InputError
        If the method is not `slic`.
    """
    if not isinstance(method, Slic):
        raise InputError(
            f"The labels of {method.name!r} before its clean-up are not to be had, only those of "
            f"'slic'; compare {method.name!r} under its own rule."
        )
    model, step = _rgb_model(method), (method.step, method.step)
    features = model.features(np.moveaxis(image, -1, 0))
    with banded(1, _never) as bands:
        result = slic(
            features, None, step, model.quanta.position, method.iterations, bands=bands
        )
        codes = result.codes(Box.whole(result.cells.grid), bands)
    return _ids(np.ascontiguousarray(codes), method.step)
