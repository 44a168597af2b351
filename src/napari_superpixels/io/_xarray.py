"""xarray: dimensions name the axes, evenly spaced coordinates give the spacing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.io._identity import hash_of, hash_of_array, hash_of_samples
from napari_superpixels.io._memory import ArrayReader, DaskReader, LazyReader, is_instance
from napari_superpixels.io._naming import check_dtype, check_shape
from napari_superpixels.io._reader import (
    Calibration,
    GeoReference,
    Reader,
    StoredImage,
    pick_level,
)

DIMENSIONS = {
    **{letter: letter for letter in "tczyxs"},
    "time": "t",
    "band": "c",
    "channel": "c",
    "channels": "c",
    "depth": "z",
    "plane": "z",
    "row": "y",
    "lat": "y",
    "latitude": "y",
    "northing": "y",
    "column": "x",
    "col": "x",
    "lon": "x",
    "longitude": "x",
    "easting": "x",
    "rgb": "s",
    "sample": "s",
}
"""Letters of dimensions by their usual names, in lower case."""

NODATA_ATTRIBUTES = ("_FillValue", "nodata", "missing_value")


def find_xarray(image: Any, level: int) -> StoredImage:
    """Return what a DataArray holds.

    Raises
    ------
    InputError
        If it is no image of numbers, or `level` is not 0.
    """
    pick_level(level, 1, "a DataArray")
    check_shape(tuple(image.shape), "The DataArray")
    check_dtype(np.dtype(image.dtype), "The DataArray")
    reader, identity = _reader(image)
    letters = "".join(DIMENSIONS.get(str(dim).lower(), "?") for dim in image.dims)
    return StoredImage(
        format="xarray DataArray",
        reader=reader,
        identity=identity,
        letters=letters if {"y", "x"} <= set(letters) else None,
        calibration=_calibrations(image, letters),
        nodata=_nodata(image),
        georeference=_georeference(image),
        name=str(image.name) if image.name else "",
    )


def _reader(image: Any) -> tuple[Reader, str]:
    """Return a reader that loads no more than is asked for."""
    if image.chunks is not None and is_instance(image.data, "dask.array", "Array"):
        name = hash_of(image.data.name, list(image.shape), str(image.dtype))
        return DaskReader(image.data), name
    if getattr(image.variable, "_in_memory", True):
        array = image.to_numpy()
        return ArrayReader(array), hash_of_array(array)
    reader = LazyReader(image.variable, _stored_chunks(image))
    return reader, hash_of_samples(reader)


def _stored_chunks(image: Any) -> tuple[int, ...]:
    """Return the chunks of the file behind it; single samples where it tells of none."""
    preferred = image.encoding.get("preferred_chunks") or {}
    sizes = (preferred.get(dim, 1) for dim in image.dims)
    return tuple(size if isinstance(size, int) else max(size) for size in sizes)


def _calibrations(image: Any, letters: str) -> dict[str, Calibration]:
    pairs = zip(image.dims, letters)
    found = {
        letter: _calibration(image.coords[dim])
        for dim, letter in pairs
        if letter in "tzyx" and dim in image.coords
    }
    return {letter: one for letter, one in found.items() if one is not None}


def _calibration(coordinate: Any) -> Calibration | None:
    """Return the calibration of a coordinate if its numbers are evenly spaced.

    Spacing is positive: of a coordinate that falls (northings, mostly) the opposite is the axis.
    """
    values = coordinate.to_numpy()
    if values.ndim != 1 or values.dtype.kind not in "uif" or values.size < 2:
        return None
    values = values.astype(np.float64)
    step = (values[-1] - values[0]) / (values.size - 1)
    even = values[0] + step * np.arange(values.size)
    if step == 0 or not np.allclose(values, even, rtol=0, atol=abs(step) * 1e-3):
        return None
    unit = coordinate.attrs.get("units")
    return Calibration(float(abs(step)), str(unit) if unit else None, _first(values, step))


def _first(values: NDArray[np.float64], step: float) -> float:
    return float(values[0] if step > 0 else -values[0])


def _nodata(image: Any) -> float | None:
    for name in NODATA_ATTRIBUTES:
        value = image.attrs.get(name)
        if isinstance(value, int | float | np.number):
            return float(value)
    return None


def _georeference(image: Any) -> GeoReference | None:
    """Return what rioxarray keeps in the coordinate ``spatial_ref``."""
    attributes = image.coords["spatial_ref"].attrs if "spatial_ref" in image.coords else {}
    numbers = str(attributes.get("GeoTransform", "")).split()
    if len(numbers) != 6:
        return None
    c, a, b, f, d, e = map(float, numbers)
    return GeoReference(attributes.get("crs_wkt"), (a, b, c, d, e, f))
