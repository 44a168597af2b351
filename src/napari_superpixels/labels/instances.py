"""Instances of a class image: its objects, numbered by their first pixel in raster order.

What is here takes a whole array and says what is right; `engine.instances` does the same for images
of any size, and a test compares the two.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_superpixels.errors import InputError
from napari_superpixels.labels.splitting import split_object, structure_of

ROW = np.dtype(
    [
        ("root", np.int64),
        ("kind", np.int64),
        ("area", np.int64),
        ("sum_y", np.int64),
        ("sum_x", np.int64),
        ("top", np.int32),
        ("left", np.int32),
        ("bottom", np.int32),
        ("right", np.int32),
    ]
)
"""What is known of an object: the raster number of its first pixel (y * width + x), its class, its
pixels, the sums of their coordinates, and its bounding box, whose bottom and right lie outside."""

Rows = NDArray[np.void]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSettings:
    """What counts as an instance."""

    classes: tuple[int, ...] | None = None
    """Classes whose objects are wanted; None for all. 0 is background."""
    connectivity: int = 4
    """4 where pixels touch by edges alone, 8 where by corners too."""
    min_px: int = 1
    """Smaller instances are left out."""
    max_px: int | None = None
    """Larger ones are left out; None for no limit."""
    split: bool = False
    """Whether objects are split where they are narrow."""
    distance_px: int = 10
    """Then: the least distance of the middles of two pieces."""
    largest_px: int = 1024
    """Then: how long and how wide an object may be to be split."""
    exact: bool = True
    """Then: whether a larger one is refused; else it stays whole."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises
        ------
        InputError
            With the value, and what is expected.
        """
        if self.connectivity not in (4, 8):
            raise InputError(f"The connectivity is {self.connectivity!r}; give 4 or 8.")
        for name in ("split", "exact"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(
                    f"{name} is {getattr(self, name)!r}, but it must be True or False."
                )
        for name in ("min_px", "distance_px", "largest_px"):
            _check_count(name, getattr(self, name))
        if self.max_px is not None:
            _check_count("max_px", self.max_px)
            if self.max_px < self.min_px:
                raise InputError(
                    f"max_px is {self.max_px}, less than min_px ({self.min_px}), so that nothing "
                    f"would be left; give at least {self.min_px}."
                )
        if self.classes is not None and (not self.classes or 0 in self.classes):
            raise InputError(
                f"The classes are {list(self.classes)}, but 0 is background and has no instances; "
                f"give others, or leave them out for all."
            )

    def fits(self, area: Any) -> Any:
        """Whether instances of so many pixels are kept; takes arrays too."""
        most = np.iinfo(np.int64).max if self.max_px is None else self.max_px
        return (area >= self.min_px) & (area <= most)

    def splits(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which objects are split."""
        splits: NDArray[np.bool_] = self._considered(rows) & (span_of(rows) <= self.largest_px)
        return splits

    def too_large(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which objects would be split, were they not too large."""
        large: NDArray[np.bool_] = self._considered(rows) & (span_of(rows) > self.largest_px)
        return large

    def _considered(self, rows: Rows) -> NDArray[np.bool_]:
        """Return those of which something may be kept, if there is to be a split."""
        considered: NDArray[np.bool_] = (rows["area"] >= self.min_px) & self.split
        return considered


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise InputError(f"{name} is {value!r}; give a whole number of pixels from 1.")


def span_of(rows: Rows) -> NDArray[np.int32]:
    """Return the longer side of the bounding box of each object."""
    heights, widths = rows["bottom"] - rows["top"], rows["right"] - rows["left"]
    return np.maximum(heights, widths)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Instances:
    """The instances of an image."""

    labels: NDArray[np.unsignedinteger[Any]]
    """The id of each pixel's instance, shape (Y, X); 0 where there is none."""
    rows: Rows
    """What is known of each, in the order of ids, from 1; of type `ROW`."""


def label_type(count: int) -> np.dtype[Any]:
    """Return the type of so many ids: uint32, or uint64 where they need it."""
    return np.dtype(np.uint32 if count <= np.iinfo(np.uint32).max else np.uint64)


def find_instances(classes: NDArray[Any], settings: InstanceSettings) -> Instances:
    """Return the instances of a whole class image.

    Parameters
    ----------
    classes : ndarray of an integer or bool, shape (Y, X)
        The class of each pixel; 0 is background.
    settings
        What counts.

    Returns
    -------
    Instances
        Ids are ranks: 1 is the instance whose first pixel in raster order comes first.

    Raises
    ------
    InputError
        If an object is too large to be split, in exact mode.
    """
    found = np.zeros(classes.shape, np.int64)
    rows = []
    for mask, (y, x), kind in _objects(classes, settings):
        row = row_of(mask, (y, x), kind, classes.shape[1])
        if settings.exact and settings.too_large(row):
            raise InputError(refused(row, settings, classes.shape[1]))
        pieces = mask.astype(np.int32)
        if settings.splits(row):
            pieces = split_object(mask, settings.distance_px, settings.connectivity)
        for number in range(1, pieces.max() + 1):
            piece = row_of(pieces == number, (y, x), kind, classes.shape[1])
            if settings.fits(piece["area"]):
                rows.append(piece)
                place = found[y : y + mask.shape[0], x : x + mask.shape[1]]
                place[pieces == number] = len(rows)
    return _ranked(found, np.array(rows, ROW))


def _objects(
    classes: NDArray[Any], settings: InstanceSettings
) -> Iterator[tuple[NDArray[np.bool_], tuple[int, int], int]]:
    """Yield each object cut out with its bounding box, the corner of that, and its class."""
    kinds = settings.classes or tuple(int(k) for k in np.unique(classes) if k != 0)
    for kind in kinds:
        numbers, _ = ndimage.label(classes == kind, structure_of(settings.connectivity))
        for number, box in enumerate(ndimage.find_objects(numbers), 1):
            yield numbers[box] == number, (box[0].start, box[1].start), kind


def row_of(mask: NDArray[np.bool_], corner: tuple[int, int], kind: int, width: int) -> Any:
    """Return what is known of an object.

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X)
        Where it is, in an array that begins at the corner.
    corner
        Row and column of its first pixel in the image.
    kind
        Its class.
    width
        Columns of the image.
    """
    y, x = np.nonzero(mask)
    y, x = y.astype(np.int64) + corner[0], x.astype(np.int64) + corner[1]
    sides = y.min(), x.min(), y.max() + 1, x.max() + 1
    return np.array((y[0] * width + x[0], kind, y.size, y.sum(), x.sum(), *sides), ROW)[()]


def refused(row: Any, settings: InstanceSettings, width: int) -> str:
    """Say that an object is too large to be split."""
    y, x = divmod(int(row["root"]), width)
    height, length = row["bottom"] - row["top"], row["right"] - row["left"]
    return (
        f"The object of class {row['kind']} at y {y}, x {x} is {height} x {length} px, and only "
        f"objects of up to {settings.largest_px} px are split, each as a whole; raise largest_px "
        f"(--largest-px) to {max(height, length)}, or give exact=False (--no-exact) to leave "
        f"larger ones as they are."
    )


def _ranked(found: NDArray[np.int64], rows: Rows) -> Instances:
    order = np.argsort(rows["root"])
    ids = np.zeros(len(rows) + 1, label_type(len(rows)))
    ids[order + 1] = np.arange(1, len(rows) + 1)
    return Instances(ids[found], rows[order])
