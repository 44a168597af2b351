"""Our own methods without the engine around them: the model alone, and before its clean-up."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.plan import make_plan
from napari_superpixels.errors import InputError
from napari_superpixels.io import open_source
from napari_superpixels.kernels.bands import banded
from napari_superpixels.kernels.cells import Cells, Frame
from napari_superpixels.kernels.ids import expand_ids
from napari_superpixels.models.clustering import ClusterModel
from napari_superpixels.models.protocol import Codes, ImageFacts, Method, Model, Tile
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


def _rgb_model(method: Method) -> Model:
    facts = ImageFacts(channels=3, dtype=np.dtype(np.uint8), rgb=True)
    return method.model(facts, None)


def codes_of(image: Image, method: Method, *, threads: int = 1) -> Codes:
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


def run_native(image: Image, method: Method) -> NDArray[Any]:
    """Label a whole image as the software does, connectivity included.

    Parameters
    ----------
    image
        RGB image, shape (Y, X, 3).
    method
        Settings.

    Returns
    -------
    ndarray of uint32, shape (Y, X)
        What `napari_superpixels.run` writes, by its promise, whatever the windows.
    """
    source = open_source(image, axes="yxs", rgb=True)
    labels: NDArray[Any] = lazy_labels(make_plan(source, method)).compute(scheduler="synchronous")
    return labels


def raw_labels(image: Image, method: Method) -> NDArray[Any]:
    """Return the labels of a method before its clean-up, for the papers' merging.

    Parameters
    ----------
    image
        RGB image, shape (Y, X, 3).
    method
        Settings of a clustering method: `slic` or `ssn_pix`.

    Returns
    -------
    ndarray of uint32, shape (Y, X)
        Labels that may have several components.

    Raises
    ------
    InputError
        If the method does not cluster.
    """
    model = _rgb_model(method)
    if not isinstance(model, ClusterModel):
        raise InputError(
            f"The labels of {method.name!r} before its clean-up are not to be had, only those of "
            f"'slic' and 'ssn_pix'; compare {method.name!r} under its own rule."
        )
    tile = whole_tile(image, method.step)
    frame = Frame(Lattice(image.shape[:2], tile.step), 3, model.quanta.position)
    with banded(1, _never) as bands:
        cells = Cells.gather(
            frame, lambda part: (model.features(tile.pixels[:, part]), None), bands
        )
        result = model.clusterer(cells, model.iterations, cut=tile.cut, bands=bands)
        codes = result.codes(tile.wanted, bands)
    grid = (cells.grid[0], cells.grid[1])
    return expand_ids(codes, (0, 0), tile.step, grid, 0, frame.lattice.label_dtype)
