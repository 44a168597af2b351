"""`Source`: an image of any size as metadata and a picklable, lazy, thread-safe reader of blocks.

>>> import numpy as np
>>> from napari_superpixels.io import open_source
>>> from napari_superpixels.tiling import Box
>>> source = open_source(np.zeros((100, 120, 3), np.uint8))
>>> source.axes.names, source.rgb
('cyx', True)
>>> source.read(0, Box.of((10, 20), (0, 50))).pixels.shape
(3, 10, 50)
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite, isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.axes import LEADING, Axes
from napari_superpixels.io._identity import hash_of
from napari_superpixels.io._memory import DaskReader
from napari_superpixels.io._reader import GeoReference, Reader, Slices, StoredImage
from napari_superpixels.tiling import Box

Valid = NDArray[np.bool_] | None
"""Which pixels hold data, shape (Y, X); None where all do."""

Levels = Callable[[int], StoredImage]
"""Gives a level of an image by its number, 0 is the finest; picklable where the image is."""


@dataclass(frozen=True, slots=True)
class Block:
    """The pixels of a box of one plane."""

    pixels: NDArray[Any]
    """Samples, shape (C, Y, X); any strides, maybe read-only."""
    valid: Valid
    """Which pixels hold data, shape (Y, X); None where all do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the stored axes become channels, y and x."""

    letters: str
    """One of ``tczyxs`` for each stored axis, ``-`` for an axis of one sample to be dropped."""
    channel: str | None
    """The letter of the axis that becomes the channels, ``c`` or ``s``; None without one."""
    picks: tuple[int, ...]
    """Places along it that are read: the chosen channels, then alpha if there is one."""

    def boxes(self, places: dict[str, slice], chunk: tuple[int, ...]) -> list[Slices]:
        """Return the boxes to read, in the stored order of axes: several where that reads less."""
        if self.channel is None:
            return [self._box(places)]
        runs = [slice(min(self.picks), max(self.picks) + 1)]
        if chunk[self.letters.index(self.channel)] == 1:
            runs = _runs(self.picks)
        return [self._box(places | {self.channel: run}) for run in runs]

    def to_cyx(self, stored: Any, start: int) -> Any:
        """Return a stored box as (C, Y, X), its picks only where it starts at channel `start`."""
        keep = "yx" + (self.channel or "")
        array = stored[tuple(slice(None) if a in keep else 0 for a in self.letters)]
        names = [a for a in self.letters if a in keep]
        if self.channel is None:
            return array.transpose(names.index("y"), names.index("x"))[None]
        array = array.transpose([names.index(a) for a in (self.channel, "y", "x")])
        local = [pick - start for pick in self.picks if 0 <= pick - start < array.shape[0]]
        return array if local == list(range(array.shape[0])) else array[_as_slice(local)]

    def _box(self, places: dict[str, slice]) -> Slices:
        return tuple(places.get(letter, slice(0, 1)) for letter in self.letters)


def _runs(picks: tuple[int, ...]) -> list[slice]:
    """Return the stretches of neighbours in the order in which they are picked."""
    runs: list[slice] = []
    for pick in picks:
        if runs and runs[-1].stop == pick:
            runs[-1] = slice(runs[-1].start, pick + 1)
        else:
            runs.append(slice(pick, pick + 1))
    return runs


def _as_slice(places: list[int]) -> Any:
    """Return a slice where the places are a range, so that indexing makes a view."""
    if places == list(range(places[0], places[0] + len(places))):
        return slice(places[0], places[0] + len(places))
    return places


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Source:
    """An image of any size: what is known of it, and how to read a block.

    It is picklable where its reader is: sources on disk always, arrays with their pixels.
    Any number of threads may read at once. Nothing is read until `read` is called, apart from
    metadata and, for `identity`, the bytes of arrays in memory.
    """

    axes: Axes
    """Of the chosen level, after the choice of channels and without alpha."""
    dtype: np.dtype[Any]
    """Type of the samples that `read` returns, in native byte order; bool is read as uint8."""
    rgb: bool
    """Whether the three channels are red, green and blue."""
    nodata: float | None
    """The value that marks pixels without data, where all chosen channels have it."""
    level: int
    """The chosen level, 0 is the finest."""
    level_shapes: tuple[tuple[int, int], ...]
    """Sizes of y and x of all levels."""
    name: str
    """A short name, to call outputs after it."""
    location: str | None
    """Absolute path; None for an array in memory."""
    identity: str
    """Hash that stays the same while the image, its mask and the choices made here do."""
    georeference: GeoReference | None
    """Where on Earth the chosen level lies."""
    notes: tuple[str, ...]
    """What was guessed or chosen, as sentences."""
    guesses: tuple[str, ...]
    """Those of them that were guessed."""
    format: str
    """What a person would call the format."""
    layout: Layout
    """How the stored axes become channels, y and x."""
    reader: Reader
    """The pixels as stored."""
    masks: tuple[Reader, ...]
    """Nonzero where pixels are analysed; shape (Y, X) or with the leading axes, ones before it."""
    own_masks: int = 0
    """How many of them are stored with the image, at every level; others came with the choice of
    this one."""
    levels: Levels | None = None
    """Where other levels come from; None where there are none."""
    channel_names: tuple[str, ...] = ()
    """What the file calls the channels that `read` returns, "" where it says nothing."""
    opened: dict[str, Any] | None = None
    """Arguments that open it again, as JSON can hold them; None where an array is in memory."""

    def __repr__(self) -> str:
        """Return name, format, axes, type and levels in one line."""
        count, rgb = len(self.level_shapes), ", RGB" if self.rgb else ""
        return (
            f"<Source {self.name!r}: {self.format}, {self.axes.names} {self.axes.shape}, "
            f"{self.dtype}{rgb}, level {self.level} of {count}>"
        )

    @property
    def channels(self) -> int:
        """Number of channels that `read` returns."""
        return self.axes["c"].size

    @property
    def has_alpha(self) -> bool:
        """Whether an alpha channel decides which pixels hold data."""
        return len(self.layout.picks) > self.channels

    @property
    def may_lack_data(self) -> bool:
        """Whether some pixels may hold no data."""
        return (
            self.nodata is not None or self.has_alpha or bool(self.masks) or self.dtype.kind == "f"
        )

    @property
    def chunk_shape(self) -> tuple[int, int]:
        """Sizes along y and x of the blocks that are cheap to read."""
        chunks, letters = self.reader.chunks, self.layout.letters
        return chunks[letters.index("y")], chunks[letters.index("x")]

    @property
    def read_bytes_per_pixel(self) -> int:
        """Bytes that are read for each pixel: all samples from the first to the last that is used.

        Alpha counts, and channels in between that are dropped later.
        """
        boxes = self.layout.boxes({}, self.reader.chunks)
        place = self.layout.letters.index(self.layout.channel) if self.layout.channel else 0
        samples: int = sum(box[place].stop - box[place].start for box in boxes)
        return samples * self.reader.dtype.itemsize

    @property
    def is_dask(self) -> bool:
        """Whether `dask_block` can give slices for a graph."""
        return isinstance(self.reader, DaskReader)

    def only(self, channel: int) -> "Source":
        """Return the image with one of its channels; nodata is where that one has no data."""
        pick, *alpha = self.layout.picks[channel], *self.layout.picks[self.channels :]
        items = (replace(a, size=1) if a.name == "c" else a for a in self.axes.items)
        return replace(
            self,
            axes=Axes(tuple(items)),
            layout=replace(self.layout, picks=(pick, *alpha)),
            rgb=False,
            identity=hash_of(self.identity, ["only", pick]),
            channel_names=self.channel_names[channel : channel + 1],
            opened=self.opened and self.opened | {"channels": [pick]},
        )

    def read(self, plane: int, box: Box) -> Block:
        """Read a box of one plane.

        Parameters
        ----------
        plane
            Number of the (t, z) plane, t is the slowest digit.
        box
            Pixels along y and x of the chosen level, inside the image.

        Returns
        -------
        Block
            Its pixels may be a strided or read-only view.

        Raises
        ------
        SourceError
            If the pixels cannot be read.
        """
        return self.block(plane, box, self.samples(plane, box))

    def samples(self, plane: int, box: Box) -> NDArray[Any]:
        """Read what `block` takes: the channels of a box, and alpha after them if there is one."""
        boxes = self._boxes(plane, box)
        parts = [self._to_cyx(self.reader.read(stored), stored) for stored in boxes]
        samples: NDArray[Any] = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return samples

    def dask_block(self, plane: int, box: Box) -> Any:
        """Return the samples of a box as a dask array, for a graph of the caller's own.

        Parameters
        ----------
        plane, box
            As in `read`.

        Returns
        -------
        dask array (C, Y, X), or (C + 1, Y, X) with alpha last
            What `block` takes once it is computed.
        """
        import dask.array as da

        assert isinstance(self.reader, DaskReader), "only dask sources have dask blocks"
        boxes = self._boxes(plane, box)
        parts = [self._to_cyx(self.reader.array[stored], stored) for stored in boxes]
        return parts[0] if len(parts) == 1 else da.concatenate(parts)

    def block(self, plane: int, box: Box, samples: NDArray[Any]) -> Block:
        """Tell which of the samples of a box hold data.

        Parameters
        ----------
        plane, box
            Where the samples come from.
        samples
            As `dask_block` gives them, computed.
        """
        samples = _as_numbers(samples)
        pixels = samples[: self.channels]
        parts = [_finite(pixels), _holds_data(pixels, self.nodata)]
        if self.has_alpha:
            parts.append(samples[self.channels] != 0)
        parts += [self._mask(mask, plane, box) for mask in self.masks]
        return Block(pixels, _all_of(parts))

    def describe(self) -> dict[str, Any]:
        """Return what would be read, as plain values that JSON can express."""
        where = self.georeference
        return {
            "name": self.name,
            "location": self.location,
            "format": self.format,
            "axes": [
                {"name": a.name, "size": a.size, "spacing": a.spacing, "unit": a.unit,
                 "origin": a.origin} for a in self.axes.items
            ],
            "planes": self.axes.planes,
            "level": self.level,
            "levels": [list(shape) for shape in self.level_shapes],
            "dtype": str(self.dtype),
            "channels": self.channels,
            "rgb": self.rgb,
            "alpha": self.has_alpha,
            "nodata": _as_plain(self.nodata),
            "masked": bool(self.masks),
            "crs": where.crs if where else None,
            "transform": list(where.transform) if where else None,
            "chunk_shape": list(self.chunk_shape),
            "identity": self.identity,
            "notes": list(self.notes),
        }  # fmt: skip

    def __dask_tokenize__(self) -> Any:
        """Return what dask may name this source by."""
        return "napari_superpixels.Source", self.identity

    def _boxes(self, plane: int, box: Box) -> list[Slices]:
        assert Box.whole(self.axes.plane_shape).covers(box), f"{box} leaves the image"
        assert 0 <= plane < self.axes.planes, f"there is no plane {plane}"
        places = {"y": box[0].slice, "x": box[1].slice, **self._leading(plane)}
        return self.layout.boxes(places, self.reader.chunks)

    def _leading(self, plane: int) -> dict[str, slice]:
        names = [name for name in LEADING if name in self.axes]
        return {n: slice(i, i + 1) for n, i in zip(names, self.axes.plane_index(plane))}

    def _to_cyx(self, array: Any, stored: Slices) -> Any:
        channel = self.layout.channel
        start = stored[self.layout.letters.index(channel)].start if channel else 0
        return self.layout.to_cyx(array, start)

    def _mask(self, mask: Reader, plane: int, box: Box) -> NDArray[np.bool_]:
        leading = tuple(self._leading(plane).values())
        surplus = len(mask.shape) - 2
        if mask.shape[:-2] != self.axes.leading_shape:
            leading = (slice(0, 1),) * surplus
        values = mask.read((*leading, *box.slices)).reshape(box.shape)
        chosen: NDArray[np.bool_] = (values != 0) & (values == values)  # NaN says nothing
        return chosen


def _as_plain(nodata: float | None) -> float | str | None:
    """Return a number that JSON can hold, or "nan", "inf" or "-inf"."""
    return nodata if nodata is None or isfinite(nodata) else str(float(nodata))


def _as_numbers(samples: NDArray[Any]) -> NDArray[Any]:
    """Return bool as 0 and 1, and other samples in native byte order."""
    if samples.dtype == np.bool_:
        return samples.view(np.uint8)
    return samples.astype(samples.dtype.newbyteorder("="), copy=False)


def _finite(pixels: NDArray[Any]) -> Valid:
    if pixels.dtype.kind != "f":
        return None
    finite: NDArray[np.bool_] = np.isfinite(pixels[0])
    for channel in pixels[1:]:
        finite &= np.isfinite(channel)
    return finite


def _holds_data(pixels: NDArray[Any], nodata: float | None) -> Valid:
    if nodata is None or isnan(nodata):
        return None  # NaN is never finite, which is checked anyway
    value = _as_sample(nodata, pixels.dtype)
    if value is None:
        return None
    differs: NDArray[np.bool_] = pixels[0] != value
    for channel in pixels[1:]:
        differs |= channel != value
    return differs


def _as_sample(nodata: float, dtype: np.dtype[Any]) -> Any:
    """Return a nodata value in the image's own type, None where no sample can have it."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return dtype.type(nodata)
    limits = np.iinfo(dtype)
    if not isfinite(nodata) or nodata != int(nodata) or not limits.min <= nodata <= limits.max:
        return None
    return dtype.type(int(nodata))


def _all_of(parts: list[Valid]) -> Valid:
    """Return where all parts are true, None where that is everywhere."""
    valid: Valid = None
    for part in parts:
        if part is not None and not part.all():
            valid = part if valid is None else valid & part
    return valid
