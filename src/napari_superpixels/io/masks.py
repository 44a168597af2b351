"""Masks: where a user wants an image analysed, given as an array, a path or polygons."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.io._formats import find_image
from napari_superpixels.io._identity import hash_of
from napari_superpixels.io._memory import ArrayReader, DaskReader
from napari_superpixels.io._reader import Reader, Slices, StoredImage
from napari_superpixels.io.polygons import Polygons, PolygonsReader
from napari_superpixels.io.source import Source

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
        given_masks=(*source.given_masks, _fitted(found.reader, source.axes.plane_shape)),
        identity=hash_of(source.identity, found.identity),
        opened=_opened_with(source, mask, found),
    )


def mask_at(mask: Reader, shape: tuple[int, int]) -> Reader:
    """Return a mask for another level of its image, of the shape (Y, X)."""
    if isinstance(mask, PolygonsReader):
        return mask.resized(shape)
    if isinstance(mask, NearestReader):
        mask = mask.reader
    return _fitted(mask, shape)


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
    return reader if tuple(reader.shape[-2:]) == shape else NearestReader(reader, shape)


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
    if source.opened is None or source.given_masks:
        return None
    if isinstance(mask, Polygons):
        again: Any = mask.as_json()
    else:
        again = os.path.abspath(mask) if isinstance(mask, str | PathLike) else found.location
    return None if again is None else source.opened | {"mask": again}


@dataclass(frozen=True, slots=True)
class NearestReader:
    """A mask of another pixel size: each pixel of the image takes the mask's pixel at its centre.

    The places are ratios of whole numbers, so that they do not depend on the box.
    """

    reader: Reader
    plane_shape: tuple[int, int]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes in pixels of the image."""
        return (*self.reader.shape[:-2], *self.plane_shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the mask's samples."""
        return self.reader.dtype

    @property
    def chunks(self) -> tuple[int, ...]:
        """Single samples."""
        return (1,) * len(self.shape)

    def read(self, box: Slices) -> NDArray[Any]:
        """Return a box of samples."""
        sizes = zip(box[-2:], self.plane_shape, self.reader.shape[-2:])
        rows, columns = (_nearest(side, size, stored) for side, size, stored in sizes)
        stored = tuple(slice(int(at[0]), int(at[-1]) + 1) for at in (rows, columns))
        values = self.reader.read((*box[:-2], *stored))
        return values[..., (rows - rows[0])[:, None], columns - columns[0]]


def _nearest(side: slice, size: int, stored: int) -> NDArray[np.int64]:
    centres = 2 * np.arange(side.start, side.stop, dtype=np.int64) + 1
    places: NDArray[np.int64] = centres * stored // (2 * size)
    return places
