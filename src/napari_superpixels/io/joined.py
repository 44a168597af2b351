"""Several images on one grid, read as the channels of one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.axes import Axes, Axis
from napari_superpixels.errors import InputError
from napari_superpixels.io._identity import hash_of
from napari_superpixels.io._reader import Calibration, Reader, Slices, StoredImage
from napari_superpixels.io.levels import open_level
from napari_superpixels.io.masks import with_mask
from napari_superpixels.io.opening import open_source
from napari_superpixels.io.source import Layout, Source
from napari_superpixels.tiling import Box


def join_channels(images: Sequence[Any], *, mask: Any = None) -> Source:
    """Take several images on one grid as the channels of one; no pixel is read.

    Samples become the smallest type that holds all of them. A pixel has data where all images
    have it; where they agree on the value that marks nodata, it is without data where all channels
    have that value, as in a single file. Spacing, unit, origin and place on Earth are the first's.

    Parameters
    ----------
    images
        From `open`, or whatever `open` takes; of the same axes t, z, y and x and the same sizes.
    mask
        As for `open`.

    Returns
    -------
    Source
        The channels of all, in that order.

    Raises
    ------
    SourceError
        If one is missing, broken or of an unknown format.
    InputError
        If there is none, their axes or sizes differ, or the mask does not fit.
    """
    if not images:
        raise InputError("There is no image to join; give one or more.")
    parts = tuple(open_source(image) for image in images)
    joined = parts[0] if len(parts) == 1 else _join(parts)
    return joined if mask is None else with_mask(joined, mask)


def _join(parts: tuple[Source, ...]) -> Source:
    first = parts[0]
    for other in parts[1:]:
        _check_grid(first, other)
    reader = JoinedReader(parts)
    same_levels = all(part.level_shapes == first.level_shapes for part in parts)
    same_levels &= all(part.level == first.level for part in parts)
    nodata = _shared_nodata(parts)
    masks = tuple(_validity(parts, nodata))
    return Source(
        axes=_axes_with_channels(first.axes, reader.channels),
        dtype=reader.dtype,
        rgb=False,
        nodata=nodata,
        level=first.level if same_levels else 0,
        level_shapes=first.level_shapes if same_levels else (first.axes.plane_shape,),
        name=first.name,
        location=None,
        identity=hash_of("channels", [part.identity for part in parts]),
        georeference=first.georeference,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        guesses=tuple(dict.fromkeys(guess for part in parts for guess in part.guesses)),
        format=f"{len(parts)} images as channels",
        layout=Layout(reader.letters, "c", tuple(range(reader.channels))),
        reader=reader,
        masks=masks,
        own_masks=len(masks),
        levels=JoinedLevels(parts) if same_levels and len(first.level_shapes) > 1 else None,
        channel_names=tuple(name for part in parts for name in _names(part)),
        opened=_opened(parts),
    )


def _check_grid(first: Source, other: Source) -> None:
    ours, theirs = (_plane_axes(source.axes) for source in (first, other))
    if [(a.name, a.size) for a in ours] != [(a.name, a.size) for a in theirs]:
        raise InputError(
            f"{first.name!r} has {_sizes(ours)} and {other.name!r} has {_sizes(theirs)}, but "
            f"channels need equal axes and sizes; choose images of one grid"
        )


def _plane_axes(axes: Axes) -> tuple[Axis, ...]:
    return tuple(axis for axis in axes.items if axis.name != "c")


def _sizes(axes: Sequence[Axis]) -> str:
    return " x ".join(f"{axis.name} {axis.size}" for axis in axes)


def _axes_with_channels(axes: Axes, count: int) -> Axes:
    *leading, y, x = _plane_axes(axes)
    before = [axis for axis in leading if axis.name == "t"]
    after = [axis for axis in leading if axis.name != "t"]
    return Axes((*before, Axis("c", count), *after, y, x))


def _names(part: Source) -> tuple[str, ...]:
    return part.channel_names or ("",) * part.channels


def _shared_nodata(parts: Sequence[Source]) -> float | None:
    values = {None if part.nodata is None else repr(part.nodata) for part in parts}
    return parts[0].nodata if len(values) == 1 else None


def _validity(parts: Sequence[Source], nodata: float | None) -> Iterator[Reader]:
    """Yield readers of what the joined samples alone do not tell: alpha, masks, other nodata."""
    for part in parts:
        own = part if nodata is None else replace(part, nodata=None)
        if own.has_alpha or own.masks or own.nodata is not None:
            yield ValidReader(own)


def _opened(parts: Sequence[Source]) -> dict[str, Any] | None:
    opened = [part.opened for part in parts]
    return None if None in opened else {"image": {"channels": opened}, "mask": None}


@dataclass(frozen=True, eq=False, slots=True)
class JoinedLevels:
    """The levels of joined images, for `Source.levels`."""

    parts: tuple[Source, ...]

    def __call__(self, level: int) -> StoredImage:
        """Return a level."""
        parts = tuple(open_level(part, level) for part in self.parts)
        axes = {axis.name: axis for axis in parts[0].axes.items}
        return StoredImage(
            format="channels",
            reader=JoinedReader(parts),
            identity=hash_of([part.identity for part in parts]),
            calibration={n: Calibration(a.spacing, a.unit, a.origin) for n, a in axes.items()},
            masks=tuple(_validity(parts, _shared_nodata(parts))),
            georeference=parts[0].georeference,
        )


@dataclass(frozen=True, eq=False, slots=True)
class JoinedReader:
    """The samples of several images, with the axes (t, z) c y x."""

    parts: tuple[Source, ...]

    @property
    def channels(self) -> int:
        """Number of channels of all images together."""
        return sum(part.channels for part in self.parts)

    @property
    def letters(self) -> str:
        """One letter an axis."""
        return "".join(axis.name for axis in self._leading) + "cyx"

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, (T, Z) C, Y, X."""
        axes = self.parts[0].axes
        return (*axes.leading_shape, self.channels, *axes.plane_shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest type that holds the samples of all."""
        return np.result_type(*(part.dtype for part in self.parts))

    @property
    def chunks(self) -> tuple[int, ...]:
        """The largest of all along y and x."""
        ys, xs = zip(*(part.chunk_shape for part in self.parts))
        return (1,) * (len(self._leading) + 1) + (max(ys), max(xs))

    def read(self, box: Slices) -> NDArray[Any]:
        """Return a box of samples."""
        *leading, channels, y, x = box
        place = Box.of((y.start, y.stop), (x.start, x.stop))
        planes = [self._plane(plane, channels, place) for plane in _planes(self.parts[0], leading)]
        lengths = (side.stop - side.start for side in leading)
        return np.stack(planes).reshape((*lengths, *planes[0].shape))

    @property
    def _leading(self) -> tuple[Axis, ...]:
        return _plane_axes(self.parts[0].axes)[:-2]

    def _plane(self, plane: int, channels: slice, place: Box) -> NDArray[Any]:
        read, first = [], 0
        for part in self.parts:
            wanted = slice(max(channels.start - first, 0), max(channels.stop - first, 0))
            first += part.channels
            if wanted.start < part.channels and wanted.stop > 0:
                read.append(part.samples(plane, place)[: part.channels][wanted])
        samples: NDArray[Any] = np.concatenate(read, dtype=self.dtype)
        return samples


@dataclass(frozen=True, eq=False, slots=True)
class ValidReader:
    """Where an image holds data, as an array of 0 and 1 with the axes (t, z) y x."""

    source: Source

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, (T, Z) Y, X."""
        return self.source.axes.leading_shape + self.source.axes.plane_shape

    @property
    def dtype(self) -> np.dtype[np.bool_]:
        """Type of the samples."""
        return np.dtype(np.bool_)

    @property
    def chunks(self) -> tuple[int, ...]:
        """As of the image."""
        return (1,) * (len(self.shape) - 2) + self.source.chunk_shape

    def read(self, box: Slices) -> NDArray[np.bool_]:
        """Return a box of samples."""
        *leading, y, x = box
        place = Box.of((y.start, y.stop), (x.start, x.stop))
        valid = np.ones(tuple(side.stop - side.start for side in box), np.bool_)
        rows = valid.reshape((-1, *place.shape))
        for row, plane in zip(rows, _planes(self.source, leading)):
            found = self.source.read(plane, place).valid
            if found is not None:
                row &= found
        return valid


def _planes(source: Source, leading: Sequence[slice]) -> NDArray[np.intp]:
    """Return the numbers of the planes in a box of t and z."""
    shape = source.axes.leading_shape
    numbers = np.arange(prod(shape)).reshape(shape)
    return numbers[tuple(leading)].reshape(-1)
