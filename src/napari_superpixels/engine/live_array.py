"""A level of a live view as an array: what napari takes as a level of a multiscale layer."""

import operator
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.engine.live_tiles import Kind, boundaries_of
from napari_superpixels.engine.live_view import TileView
from napari_superpixels.errors import InputError
from napari_superpixels.tiling import Box, Interval

Decode = Callable[[NDArray[Any], int, Box], NDArray[Any]]
"""Turns what tiles hold of a box of a plane into values."""


class LiveLevel:
    """One level of a live view, to be indexed like an array.

    Integers and slices, also negative ones, and an ellipsis are understood. What is not there yet
    is 0, NaN among numbers, and asked for. There is no `chunks`: viewers would read whole chunks
    around what they show.

    Parameters
    ----------
    view, number
        The tiles, and the level's number among theirs.
    leading
        Sizes of (t, z).
    decode
        What turns what tiles hold into values.
    dtype
        Type of the values.
    beyond
        Pixels below and to the right of what is asked for that values depend on.
    """

    def __init__(
        self,
        view: TileView,
        number: int,
        leading: tuple[int, ...],
        decode: Decode = boundaries_of,
        dtype: Any = np.uint8,
        beyond: int = 0,
    ) -> None:
        self._view = view
        self._beyond = beyond
        self._number = number
        self._decode = decode
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        """Type of the values."""
        self.shape: tuple[int, ...] = (*leading, *view.levels[number].shape)
        """Sizes of (t, z,) y, x."""

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)

    @property
    def kind(self) -> Kind:
        """What it shows: "exact", "approximate", "cells" or "blank"."""
        return self._view.levels[self._number].kind

    def __repr__(self) -> str:
        """Return kind, shape and type in one line."""
        return f"<LiveLevel {self._number}, {self.kind}: {self.shape} {self.dtype}>"

    def __len__(self) -> int:
        """Return the size of the first axis."""
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Return what is known now; never blocks.

        Raises
        ------
        IndexError
            If the index is not made of integers, slices and an ellipsis, or leaves the array.
        """
        picks = _picks(index, self.shape)
        ranges = [range(p, p + 1) if isinstance(p, int) else p for p in picks]
        flat = tuple(0 if isinstance(pick, int) else slice(None) for pick in picks)
        if not all(map(len, ranges)):
            return np.zeros(tuple(map(len, ranges)), self.dtype)[flat]
        planes = np.arange(prod(self.shape[:-2])).reshape(self.shape[:-2])[np.ix_(*ranges[:-2])]
        box = Box(tuple(Interval(min(r[0], r[-1]), max(r[0], r[-1]) + 1) for r in ranges[-2:]))
        values = self._values([int(plane) for plane in planes.ravel()], box)
        steps = (slice(None), *(slice(None, None, r.step) for r in ranges[-2:]))
        return values[steps].reshape(tuple(map(len, ranges)))[flat]

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        """Return the coarsest level; refuse all others, of which most is not computed.

        Raises
        ------
        InputError
            For any level but the coarsest.
        """
        if self._number + 1 < len(self._view.levels):
            self._refuse()
        return np.asarray(self[...], dtype)

    def _refuse(self) -> NoReturn:
        size = " x ".join(map(str, self.shape))
        raise InputError(
            f"This is a preview of {size} pixels, of which only what was looked at is computed; "
            f"press Run (or call run(plan, out)) and use its result."
        )

    def _values(self, planes: Sequence[int], box: Box) -> NDArray[Any]:
        """Return the values of a box of some planes, shape (planes, Y, X)."""
        whole = Box.whole(self._view.levels[self._number].shape)
        seen = Box(tuple(Interval(s.start, s.stop + self._beyond) for s in box)).clip(whole)
        held = self._view.read(self._number, planes, seen)
        out = np.empty((len(planes), *box.shape), self.dtype)
        for number, plane in enumerate(planes):
            found = self._decode(held[number], plane, seen)
            out[number] = found[: len(box[0]), : len(box[1])]
        return out


def _picks(index: Any, shape: tuple[int, ...]) -> list[int | range]:
    """Return a place or a range along each axis."""
    given = list(index) if isinstance(index, tuple) else [index]
    if any(item is Ellipsis for item in given):
        at = next(i for i, item in enumerate(given) if item is Ellipsis)
        given[at : at + 1] = [slice(None)] * (len(shape) - len(given) + 1)
    given += [slice(None)] * (len(shape) - len(given))
    if len(given) != len(shape):
        raise IndexError(f"There are {len(given)} indices, but the array has {len(shape)} axes.")
    return [_pick(item, size) for item, size in zip(given, shape, strict=True)]


def _pick(item: Any, size: int) -> int | range:
    if isinstance(item, slice):
        return range(size)[item]
    try:
        place = operator.index(item)
    except TypeError:
        raise IndexError(
            f"The index is {item!r}, but a preview takes whole numbers and slices."
        ) from None
    if not -size <= place < size:
        raise IndexError(f"The index {place} leaves an axis of {size}.")
    return place % size
