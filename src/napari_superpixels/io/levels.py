"""Other levels of an open image: the same axes, channels and masks at another resolution."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from napari_superpixels.axes import Axes, Axis
from napari_superpixels.errors import InputError, SourceError
from napari_superpixels.io._formats import find_image
from napari_superpixels.io._nearest import NearestReader, seen_at
from napari_superpixels.io._reader import StoredImage, pick_level
from napari_superpixels.io.opening import axes_of
from napari_superpixels.io.source import Source
from napari_superpixels.tiling import Nearest


@dataclass(frozen=True, slots=True)
class GivenLevels:
    """Levels that are arrays, for `Source.levels`."""

    arrays: tuple[Any, ...]
    """The finest first."""

    def __call__(self, level: int) -> StoredImage:
        """Return a level."""
        return find_image(self.arrays[level], 0)


def with_levels(source: Source, arrays: Sequence[Any]) -> Source:
    """Return a source in memory that has these arrays as its levels.

    Parameters
    ----------
    source
        Opened from the first of the arrays.
    arrays
        numpy, dask, zarr or xarray arrays with the same axes, the finest first; only their shapes
        are looked at.

    Raises
    ------
    InputError
        If the arrays differ in more than the sizes of y and x, or one is larger than the one
        before.
    """
    letters = source.layout.letters
    y, x = letters.index("y"), letters.index("x")
    shapes = [tuple(map(int, array.shape)) for array in arrays]
    for before, shape in zip([source.reader.shape, *shapes], shapes):
        kept = len(shape) == len(before) and all(
            (n <= m if place in (y, x) else n == m)
            for place, (n, m) in enumerate(zip(shape, before, strict=True))
        )
        if not kept:
            raise InputError(
                f"A level has the shape {shape} after one of {before}; give levels of the same "
                f"axes, the finest first, that differ in y and x alone."
            )
    return replace(
        source,
        level_shapes=tuple((shape[y], shape[x]) for shape in shapes),
        levels=GivenLevels(tuple(arrays)),
    )


def open_level(source: Source, level: int) -> Source:
    """Open another level of an open image; reads metadata only.

    Masks that the image has stored come from the level; one that was given with the chosen level
    is looked at from the pixels of the other.

    Raises
    ------
    InputError
        If there is no such level.
    SourceError
        If it cannot be opened, or differs from the chosen one in more than its size.
    """
    if level == source.level:
        return source
    pick_level(level, len(source.level_shapes), source.name)
    assert source.levels is not None, "several levels come from somewhere"
    stored = source.levels(level)
    layout = source.layout
    if not _alike(source, stored):
        raise SourceError(
            f"Level {level} of {source.name} holds {stored.reader.shape} samples of "
            f"{stored.reader.dtype}, which do not fit level {source.level} "
            f"({source.reader.shape} of {source.reader.dtype}); give an image whose levels agree."
        )
    axes = axes_of(stored, layout.letters, layout.channel, source.channels)
    lookups = _between(source.axes.plane_shape, axes.plane_shape)
    given = (seen_at(mask, lookups) for mask in source.masks[source.own_masks :])
    return replace(
        source,
        axes=axes,
        level=level,
        georeference=stored.georeference,
        reader=stored.reader,
        masks=(*stored.masks, *given),
        own_masks=len(stored.masks),
        identity=f"{source.identity}-{level}",
        opened=None,
    )


def at_resolution(source: Source, lookups: tuple[Nearest, Nearest]) -> Source:
    """Return a source seen at another resolution: the nearest pixel, its validity and its masks.

    Parameters
    ----------
    source
        The image, or a level of it.
    lookups
        From pixels as seen to its pixels, along y and x.
    """
    letters = source.layout.letters
    sizes = dict(zip("yx", (lookup.count for lookup in lookups), strict=True))
    strides = dict(zip("yx", (lookup.stride for lookup in lookups), strict=True))
    return replace(
        source,
        axes=Axes(tuple(_seen(axis, sizes, strides) for axis in source.axes.items)),
        georeference=None,
        reader=NearestReader(source.reader, (letters.index("y"), letters.index("x")), lookups),
        masks=tuple(seen_at(mask, lookups) for mask in source.masks),
        identity=f"{source.identity}-{sizes}",
        levels=None,
        opened=None,
    )


def _seen(axis: Axis, sizes: dict[str, int], strides: dict[str, float]) -> Axis:
    if axis.name not in sizes:
        return axis
    stride = strides[axis.name]
    origin = axis.origin + (stride - 1) / 2 * axis.spacing
    return Axis(axis.name, sizes[axis.name], axis.spacing * stride, axis.unit, origin)


def _alike(source: Source, stored: StoredImage) -> bool:
    """Whether a level has the chosen level's type, and its sizes but for y and x."""
    mine, theirs = source.reader.shape, stored.reader.shape
    if len(mine) != len(theirs) or source.reader.dtype != stored.reader.dtype:
        return False
    pairs = zip(source.layout.letters, mine, theirs, strict=True)
    return all(m == t for letter, m, t in pairs if letter not in "yx")


def _between(sizes: tuple[int, int], counts: tuple[int, int]) -> tuple[Nearest, Nearest]:
    y, x = (Nearest.between(size, count) for size, count in zip(sizes, counts, strict=True))
    return y, x
