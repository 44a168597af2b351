"""Other levels of an open image: the same axes, channels and masks at another resolution."""

from dataclasses import replace

from napari_superpixels.axes import LEADING, Axes, Axis
from napari_superpixels.errors import SourceError
from napari_superpixels.io._nearest import NearestReader, seen_at
from napari_superpixels.io._reader import StoredImage, pick_level
from napari_superpixels.io.opening import axes_of
from napari_superpixels.io.source import Source
from napari_superpixels.tiling import Nearest


def open_level(source: Source, level: int) -> Source:
    """Open another level of an open image; reads metadata only.

    Masks that the image has stored come from the level; one that was given with the chosen level
    is looked at from the pixels of the other. A level of fewer planes shows the nearest ones, so
    that planes have the same numbers at every level.

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
    stored = _with_planes(source, source.levels(level))
    layout = source.layout
    if not _alike(source, stored):
        raise SourceError(
            f"Level {level} of {source.name} holds {stored.reader.shape} samples of "
            f"{stored.reader.dtype}, which do not fit level {source.level} "
            f"({source.reader.shape} of {source.reader.dtype}); give an image whose levels agree."
        )
    axes = _planes_of(source, axes_of(stored, layout.letters, layout.channel, source.channels))
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


def _with_planes(source: Source, stored: StoredImage) -> StoredImage:
    """Return a level seen with as many planes along t and z as a source has."""
    letters, reader = source.layout.letters, stored.reader
    if len(reader.shape) != len(letters):
        return stored
    y = letters.index("y")
    same = Nearest.between(reader.shape[y], reader.shape[y])
    for place, count in enumerate(source.reader.shape):
        if letters[place] in LEADING and reader.shape[place] != count:
            lookup = Nearest.between(reader.shape[place], count)
            reader = NearestReader(reader, (place, y), (lookup, same))
    return replace(stored, reader=reader)


def _planes_of(source: Source, axes: Axes) -> Axes:
    return Axes(tuple(source.axes[a.name] if a.name in LEADING else a for a in axes.items))


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
