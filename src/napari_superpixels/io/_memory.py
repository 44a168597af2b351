"""Arrays that are given as objects: numpy, dask, zarr and xarray."""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError, SourceError
from napari_superpixels.io._identity import hash_of, hash_of_array, hash_of_samples
from napari_superpixels.io._naming import check_dtype, check_shape
from napari_superpixels.io._reader import (
    READ_ERRORS,
    Slices,
    StoredImage,
    box_text,
    pick_level,
    reason,
)


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class ArrayReader:
    """A numpy array; boxes are views."""

    array: NDArray[Any]

    def __repr__(self) -> str:
        """Return shape and type in one line."""
        return _short(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes as stored."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        return self.array.dtype

    @property
    def chunks(self) -> tuple[int, ...]:
        """Single samples: any box is a view, nothing is decoded around it."""
        return (1,) * self.array.ndim

    def read(self, box: Slices) -> NDArray[Any]:
        """Return a view of a box."""
        return self.array[box]


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class LazyReader:
    """A zarr array or a lazily loaded xarray variable: sliced, then loaded."""

    array: Any
    chunks: tuple[int, ...]

    def __repr__(self) -> str:
        """Return shape and type in one line."""
        return _short(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes as stored."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    def read(self, box: Slices) -> NDArray[Any]:
        """Return a box of samples."""
        try:
            return np.asarray(self.array[box])
        except READ_ERRORS as error:
            raise SourceError(
                f"The block {box_text(box)} of the given array cannot be read ({reason(error)}); "
                f"check what stores it"
            ) from None


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class DaskReader:
    """A dask array; boxes are computed in the thread that asks, never by a nested scheduler."""

    array: Any

    def __repr__(self) -> str:
        """Return shape and type in one line."""
        return _short(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes as stored."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    @property
    def chunks(self) -> tuple[int, ...]:
        """The largest block along each axis."""
        return tuple(max(sizes) for sizes in self.array.chunks)

    def read(self, box: Slices) -> NDArray[Any]:
        """Return a box of samples."""
        try:
            return np.asarray(self.array[box].compute(scheduler="synchronous"))
        except READ_ERRORS as error:
            raise SourceError(
                f"The block {box_text(box)} of the dask array cannot be computed "
                f"({reason(error)}); check the graph behind it"
            ) from error


def _short(reader: "ArrayReader | LazyReader | DaskReader") -> str:
    return f"<{type(reader).__name__} {reader.shape} {reader.dtype}>"


def is_instance(value: object, module: str, name: str) -> bool:
    """Whether a value is of a class of a library that may not be loaded (then it is not)."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name, ()))


def find_array(image: object, level: int) -> StoredImage:
    """Return what a numpy or dask array, or anything that numpy makes into one, holds.

    Raises
    ------
    InputError
        If it is no array of two axes or more, or there is no such level.
    """
    pick_level(level, 1, "an array in memory")
    if is_instance(image, "dask.array", "Array"):
        return find_dask(image)
    if _is_stored(image):
        return find_stored(image)
    try:
        array = np.asanyarray(image)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"A {type(image).__name__} cannot be made into an array ({reason(error)}); give a "
            f"path, or a numpy, dask, zarr or xarray array"
        ) from None
    if array.dtype.kind == "O" or array.ndim < 2:
        raise InputError(
            f"A {type(image).__name__} of {array.ndim} axes and type {array.dtype} is no image; "
            f"give a path, or a numpy, dask, zarr or xarray array with y and x"
        )
    check_shape(array.shape, "The array")
    check_dtype(array.dtype, "The array")
    if np.ma.isMaskedArray(array):
        raise InputError(
            f"A masked array of shape {array.shape} is not read as an image; give its data as the "
            f"image, and the inverse of its mask as mask=..."
        )
    return StoredImage(
        format="numpy array", reader=ArrayReader(array), identity=hash_of_array(array)
    )


def _is_stored(image: Any) -> bool:
    """Whether an object is a chunked array that lies elsewhere, such as a dataset of h5py."""
    typed = isinstance(getattr(image, "dtype", None), np.dtype)
    return typed and hasattr(image, "chunks") and not isinstance(image, np.ndarray)


def find_stored(image: Any) -> StoredImage:
    """Return what an array holds that is sliced like one of numpy, but not loaded whole.

    Raises
    ------
    InputError
        If it is empty, or its samples are no numbers.
    """
    check_shape(tuple(image.shape), "The array")
    check_dtype(image.dtype, "The array")
    reader = LazyReader(image, tuple(image.chunks or (1,) * len(image.shape)))
    return StoredImage(
        format=f"{type(image).__name__} array", reader=reader, identity=hash_of_samples(reader)
    )


def find_dask(image: Any) -> StoredImage:
    """Return what a dask array holds.

    Raises
    ------
    InputError
        If its shape is not known or empty, or its samples are no numbers.
    """
    if any(np.isnan(size) for size in image.shape):
        raise InputError(
            f"The dask array has the unknown sizes {image.shape}, but all must be known; call "
            f"its compute_chunk_sizes() first"
        )
    check_shape(tuple(image.shape), "The dask array")
    check_dtype(np.dtype(image.dtype), "The dask array")
    identity = hash_of(image.name, list(image.shape), str(image.dtype))
    return StoredImage(format="dask array", reader=DaskReader(image), identity=identity)


def find_zarr_object(image: Any, level: int) -> StoredImage:
    """Return what a zarr array holds whose store is not a folder of files."""
    pick_level(level, 1, "a zarr array")
    check_shape(tuple(image.shape), "The zarr array")
    check_dtype(np.dtype(image.dtype), "The zarr array")
    reader = LazyReader(image, tuple(image.chunks))
    return StoredImage(
        format=f"zarr v{image.metadata.zarr_format} array",
        reader=reader,
        identity=hash_of_samples(reader),
    )
