"""`Polygons`: outlines as a mask, drawn box by box and never whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.io._identity import hash_of
from napari_superpixels.io._reader import Slices, StoredImage
from napari_superpixels.tiling import Nearest

Vertices = NDArray[np.float64]
"""Corners of one polygon, shape (N, 2): y and x in pixels, whole numbers at pixel centres."""


class Polygons:
    """The pixels whose centres lie in any of some polygons.

    Parameters
    ----------
    polygons
        Corners of each, shape (N, 2): y and x in pixels of the level that is opened, where the
        centre of the first pixel is (0, 0). The last corner is joined to the first. Where a
        polygon crosses itself, what it encloses an even number of times is outside.

    Raises
    ------
    InputError
        If there is no polygon, or one has less than three corners or no finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_superpixels as nsp
    >>> triangle = nsp.Polygons([[(10, 10), (90, 10), (90, 90)]])
    >>> source = nsp.open(np.zeros((100, 100)), mask=triangle)
    """

    def __init__(self, polygons: Sequence[ArrayLike]) -> None:
        self.polygons: tuple[Vertices, ...] = tuple(map(_check_polygon, polygons))
        if not self.polygons:
            raise InputError("There is no polygon; give at least one with three corners.")

    def __repr__(self) -> str:
        """Return code that makes it again."""
        return f"Polygons({[polygon.tolist() for polygon in self.polygons]})"

    def on(self, shape: tuple[int, int]) -> StoredImage:
        """Return them as a mask for an image of the shape (Y, X)."""
        corners = [polygon.tolist() for polygon in self.polygons]
        return StoredImage(
            format="polygons",
            reader=PolygonsReader(self.polygons, shape),
            identity=hash_of("polygons", corners, list(shape)),
        )

    def as_json(self) -> dict[str, Any]:
        """Return them as values that JSON can hold, exactly."""
        return {"polygons": [polygon.tolist() for polygon in self.polygons]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the polygons of `as_json`.

        Raises
        ------
        InputError
            If there are none.
        """
        if set(values) != {"polygons"}:
            raise InputError(
                f"A mapping as mask must hold 'polygons' alone, not {sorted(values)}; give an "
                f"array, a path or Polygons"
            )
        return cls(values["polygons"])


@dataclass(frozen=True, eq=False, slots=True)
class PolygonsReader:
    """Polygons as an array of 0 and 1 of which only boxes are made."""

    polygons: tuple[Vertices, ...]
    shape: tuple[int, int]

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """Type of the samples."""
        return np.dtype(np.uint8)

    @property
    def chunks(self) -> tuple[int, int]:
        """Single samples."""
        return 1, 1

    def read(self, box: Slices) -> NDArray[np.uint8]:
        """Return a box of samples; the same wherever the box begins and ends."""
        rows, columns = box
        inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        for polygon in self.polygons:
            low, high = polygon.min(axis=0), polygon.max(axis=0)
            if all(a < side.stop and b >= side.start for a, b, side in zip(low, high, box)):
                inside |= _fill(polygon, rows, columns)
        return inside

    def seen(self, lookups: tuple[Nearest, Nearest]) -> "PolygonsReader":
        """Return the same outlines on an image of another pixel size."""
        strides = np.array([lookup.stride for lookup in lookups])
        polygons = tuple((polygon + 0.5) / strides - 0.5 for polygon in self.polygons)
        y, x = (lookup.count for lookup in lookups)
        return PolygonsReader(polygons, (y, x))


def _check_polygon(corners: ArrayLike) -> Vertices:
    try:
        polygon = np.array(corners, np.float64)
    except (TypeError, ValueError):
        polygon = np.empty(0)
    if polygon.ndim != 2 or polygon.shape[1] != 2 or len(polygon) < 3:
        raise InputError(
            f"A polygon of shape {np.shape(polygon)} is none; give three corners (y, x) or more."
        )
    if not np.isfinite(polygon).all():
        raise InputError("A polygon has corners that are no finite numbers; give pixels (y, x).")
    return polygon


def _fill(polygon: Vertices, rows: slice, columns: slice) -> NDArray[np.uint8]:
    """Return 1 in the pixels of a box whose centres a polygon encloses an odd number of times.

    Every edge changes inside to outside from the first pixel on that lies right of it. All is
    computed from the corners as they are, never from where the box begins: so neighbouring boxes
    agree to the last bit.
    """
    start, stop = polygon, np.roll(polygon, -1, axis=0)
    down = (start[:, 0] <= stop[:, 0])[:, None]  # an edge crosses alike in both directions
    upper, lower = np.where(down, start, stop), np.where(down, stop, start)
    first, last = (_rows_from(end[:, 0], rows) for end in (upper, lower))
    changes = np.zeros((rows.stop - rows.start, columns.stop - columns.start + 1), np.uint8)
    for edge in np.flatnonzero(first < last):
        (y0, x0), (y1, x1) = upper[edge], lower[edge]
        at = np.arange(first[edge], last[edge])
        crossing = np.ceil(x0 + (at - y0) / (y1 - y0) * (x1 - x0))
        places = np.clip(crossing, columns.start, columns.stop).astype(np.int64) - columns.start
        changes[at - rows.start, places] ^= 1
    parity: NDArray[np.uint8] = np.bitwise_xor.accumulate(changes[:, :-1], axis=1)
    return parity


def _rows_from(y: NDArray[np.float64], rows: slice) -> NDArray[np.int64]:
    """Return the first row of a box that lies at some heights or below."""
    return np.clip(np.ceil(y), rows.start, rows.stop).astype(np.int64)
