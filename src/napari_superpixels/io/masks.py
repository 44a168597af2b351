"""Masks: where a user wants an image analysed, given as an array, a path or polygons."""

import os
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from os import PathLike
from typing import Any

import numpy as np

from napari_superpixels.errors import InputError
from napari_superpixels.io._formats import find_image
from napari_superpixels.io._identity import hash_of
from napari_superpixels.io._memory import ArrayReader, DaskReader
from napari_superpixels.io._nearest import seen_at
from napari_superpixels.io._reader import Reader, StoredImage
from napari_superpixels.io.polygons import Polygons
from napari_superpixels.io.source import Source
from napari_superpixels.tiling import Nearest

DASK_MASK_BYTES = 256 * 2**20
"""A dask mask up to this size, at one byte a pixel, is computed when it is given."""


def with_mask(source: Source, mask: Any) -> Source:
    """Return a source that analyses only where a mask is nonzero.

    Parameters
    ----------
    source
        The image.
    mask
        Array or path; shape (Y, X) of the source's level, or of another one (then the nearest
        pixel counts), maybe with its leading axes t and z. A dask array is computed here, once and
        whole. Or polygons in pixels of the source's level, or what `Polygons.as_json` returns.

    Raises
    ------
    InputError
        If its shape does not fit, or it is a dask array of more than `DASK_MASK_BYTES` pixels.
    """
    if isinstance(mask, Mapping):
        mask = Polygons.from_json(mask)
    if isinstance(mask, Polygons):
        found = mask.on(source.axes.plane_shape)
    else:
        found = _find_mask(source, mask)
    return replace(
        source,
        masks=(*source.masks, _fitted(found.reader, source.axes.plane_shape)),
        identity=hash_of(source.identity, found.identity),
        opened=_opened_with(source, mask, found),
    )


def _find_mask(source: Source, mask: Any) -> StoredImage:
    if not isinstance(mask, str) and np.isscalar(mask):
        raise InputError(
            f"mask={mask!r} must be an array or a path; give one number for each pixel, nonzero "
            f"where to analyse"
        )
    found = find_image(mask, 0)
    _check_shape(source, found.reader.shape)
    return replace(found, reader=_without_dask(found.reader))


def _check_shape(source: Source, shape: tuple[int, ...]) -> None:
    axes = source.axes
    leading, bare = shape[:-2], shape[-2:]
    fits = prod(leading) == 1 or leading == axes.leading_shape
    if fits and bare in (axes.plane_shape, *source.level_shapes):
        return
    full = axes.leading_shape + axes.plane_shape
    wanted = str(axes.plane_shape) + (f" or {full}" if axes.leading_shape else "")
    raise InputError(
        f"The mask has the shape {shape}, but the image needs {wanted}; give one number for "
        f"each pixel of level {source.level}, nonzero where to analyse"
    )


def _fitted(reader: Reader, shape: tuple[int, int]) -> Reader:
    own = reader.shape[-2:]
    if own == shape:
        return reader
    y, x = (Nearest.between(n, m) for n, m in zip(own, shape, strict=True))
    return seen_at(reader, (y, x))


def _without_dask(reader: Reader) -> Reader:
    """Return the reader of a mask; a dask array is computed here, never inside another compute."""
    if not isinstance(reader, DaskReader):
        return reader
    size = prod(reader.shape)
    if size > DASK_MASK_BYTES:
        raise InputError(
            f"The dask mask has {size:,} pixels, but at most {DASK_MASK_BYTES:,} are computed into "
            f"memory; store it with to_zarr() and give that path as the mask"
        )
    lazy = (reader.array != 0) & (reader.array == reader.array)  # NaN says nothing
    return ArrayReader(DaskReader(lazy).read(tuple(slice(0, n) for n in reader.shape)))


def _opened_with(source: Source, mask: Any, found: StoredImage) -> dict[str, Any] | None:
    """Return how to open the source again with this mask, where all of it lies on disk."""
    if source.opened is None or len(source.masks) > source.own_masks:
        return None
    if isinstance(mask, Polygons):
        again: Any = mask.as_json()
    else:
        again = os.path.abspath(mask) if isinstance(mask, str | PathLike) else found.location
    return None if again is None else source.opened | {"mask": again}
