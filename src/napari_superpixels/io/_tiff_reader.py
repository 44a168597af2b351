"""The pixels of a TIFF series: pages of segments (tiles or strips), or one raw run of bytes."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_superpixels.errors import SourceError
from napari_superpixels.io._handles import BLOCKS, HANDLES, RawFile
from napari_superpixels.io._reader import READ_ERRORS, FileStamp, Slices, reason
from napari_superpixels.io._tiff_stack import series_of

JPEG_KINDS = (6, 7, 34892, 33007)
"""Compressions that need the page's JPEG tables."""


@dataclass(frozen=True, slots=True)
class PageLayout:
    """How the axes of a series are spread over pages and within them."""

    leading: tuple[int, ...]
    """Sizes of the axes that number pages."""
    before: tuple[int, ...]
    """Sizes of the axis before y within a page: samples stored as separate planes, if any."""
    after: tuple[int, ...]
    """Sizes of the axis after x: interleaved samples, if any."""

    @classmethod
    def of(cls, series: tifffile.TiffPageSeries) -> "PageLayout":
        """Take it from tifffile's axes, whose y and x are neighbours.

        Raises
        ------
        ValueError
            If the pages are volumes, or do not add up to the series.
        """
        separate, depth, height, width, contiguous = series.keyframe.shaped
        shape = tuple(int(n) for n in series.shape)
        y = series.axes.index("Y")
        within = y - (separate > 1)
        layout = cls(shape[:within], shape[within:y], shape[y + 2 :])
        fits = (prod(layout.before), *shape[y : y + 2], prod(layout.after)) == (
            separate,
            height,
            width,
            contiguous,
        )
        virtual = len(series.pages) == 1 < prod(layout.leading)
        fits = fits and (series.keyframe.is_contiguous or not virtual)
        if depth != 1 or not fits or series.axes[y + 1 : y + 2] != "X":
            raise ValueError(f"its pages of shape {series.keyframe.shaped} are not supported")
        return layout


@dataclass(frozen=True, slots=True)
class Page:
    """Where the segments of a page lie."""

    path: str
    """The file: a data set may be spread over several."""
    byteorder: str
    offsets: Sequence[int]
    counts: Sequence[int]
    jpegtables: bytes | None


class OpenTiff:
    """A series of a TIFF file as a handle: its pages, parsed when first touched."""

    def __init__(self, stamp: FileStamp, index: int, level: int) -> None:
        stamp.check()
        self._lock = threading.Lock()
        self._tiff = tifffile.TiffFile(stamp.path)
        self.series = series_of(self._tiff, index).levels[level]
        self.keyframe = self.series.keyframe
        self.decode = self.keyframe.decode
        self.layout = PageLayout.of(self.series)
        self.virtual = len(self.series.pages) == 1 < prod(self.layout.leading)

    def page(self, number: int) -> "Page | None":
        """Return a page of the series, None where the file lacks it."""
        with self._lock:  # pages and long tags are read from the file when first asked for
            page = self.series.pages[0 if self.virtual else number]
            if page is None:
                return None
            return Page(
                path=str(page.parent.filehandle.path),
                byteorder=page.parent.byteorder,
                offsets=page.dataoffsets,
                counts=page.databytecounts,
                jpegtables=page.jpegtables if self.keyframe.compression in JPEG_KINDS else None,
            )

    def close(self) -> None:
        """Close the file."""
        self._tiff.close()


@dataclass(frozen=True, slots=True)
class TiffReader:
    """One level of a series of a TIFF file, opened again in every process."""

    stamp: FileStamp
    index: int
    level: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]

    @classmethod
    def of(
        cls, stamp: FileStamp, index: int, level: int, series: tifffile.TiffPageSeries
    ) -> "TiffReader":
        """Make the reader of a level of series number `index`."""
        layout, page = PageLayout.of(series), series.keyframe
        tile = (1, page.imagewidth) if page.is_contiguous else _segment_shape(page)
        chunks = (*(1 for _ in layout.leading + layout.before), *tile, *layout.after)
        shape = tuple(int(n) for n in series.shape)
        return cls(stamp, index, level, shape, np.dtype(series.dtype), chunks)

    def truncation(self, series: tifffile.TiffPageSeries) -> tuple[str, ...]:
        """Return a sentence if segments of the first or last page lie beyond the file's end."""
        if series.is_multifile:
            return ()
        ends = (
            {0: "first", len(series.pages) - 1: "last"} if len(series.pages) > 1 else {0: "first"}
        )
        for number, name in ends.items():
            page = series.pages[number]
            pairs = list(zip(page.dataoffsets, page.databytecounts)) if page is not None else []
            lost = sum(offset + count > self.stamp.size for offset, count in pairs)
            if lost:
                return (f"the file is cut short: {lost} of {len(pairs)} tiles or strips of its "
                        f"{name} page lie beyond its end, reading them will fail",)  # fmt: skip
        return self._lost_planes(series)

    def _lost_planes(self, series: tifffile.TiffPageSeries) -> tuple[str, ...]:
        """Return a sentence if a page stands for many planes that do not all lie in the file."""
        planes = prod(PageLayout.of(series).leading)
        if len(series.pages) != 1 or planes == 1:
            return ()
        room = (self.stamp.size - series.keyframe.dataoffsets[0]) // series.keyframe.nbytes
        if room >= planes:
            return ()
        return (f"the file is cut short: only {room} of its {planes} planes lie in it, reading "
                f"the others will fail",)  # fmt: skip

    def read(self, box: Slices) -> NDArray[Any]:
        """Return a box of samples.

        Raises
        ------
        SourceError
            If the file changed, ends too early, or a segment cannot be decoded.
        """
        key = ("tiff", self.stamp, self.index, self.level)
        try:
            with HANDLES.borrow(key, lambda: OpenTiff(self.stamp, self.index, self.level)) as tiff:
                return self._read(tiff, box)
        except SourceError:
            raise
        except READ_ERRORS as error:
            raise SourceError(
                f"The TIFF file {self.stamp.path} cannot be read ({reason(error)}); replace "
                f"it with a good copy and run again"
            ) from None

    def _read(self, tiff: OpenTiff, box: Slices) -> NDArray[Any]:
        layout, count = tiff.layout, len(tiff.layout.leading)
        separate = len(layout.before)
        inner = _PageBox(
            samples=box[count] if separate else slice(0, 1),
            y=box[count + separate],
            x=box[count + separate + 1],
        )
        places = list(itertools.product(*(range(s.start, s.stop) for s in box[:count])))
        tail = box[count + separate + 2 :]
        out = np.zeros((len(places), *inner.shape, prod(layout.after)), self.dtype)
        for place, page_out in zip(places, out):
            number = int(np.ravel_multi_index(place, layout.leading)) if count else 0
            _PageReader(self, tiff, number).fill(inner, page_out)
        sizes = [s.stop - s.start for s in box]
        full = out.reshape(*sizes[: count + separate + 2], *layout.after)
        return full[..., tail[0]] if tail else full


@dataclass(frozen=True, slots=True)
class _PageBox:
    """A box of a page: separate samples, y and x."""

    samples: slice
    y: slice
    x: slice

    @property
    def shape(self) -> tuple[int, int, int]:
        """Its sizes."""
        sides = (self.samples, self.y, self.x)
        a, b, c = (side.stop - side.start for side in sides)
        return a, b, c


class _PageReader:
    """Reads boxes of one page into arrays of shape (separate samples, y, x, samples)."""

    def __init__(self, reader: TiffReader, tiff: OpenTiff, number: int) -> None:
        page = tiff.page(number)
        if page is None:
            raise SourceError(
                f"Plane {number} of {reader.stamp.path} is missing: the files that should hold it "
                f"are not beside it; copy all files of the data set into one folder"
            )
        self._reader, self._tiff, self._number, self._page = reader, tiff, number, page

    def fill(self, box: _PageBox, out: NDArray[Any]) -> None:
        """Read a box into `out`."""
        if self._is_one_run():
            self._fill_raw(box, out)
            return
        for sample in range(box.samples.start, box.samples.stop):
            for segment in self._segments(box, sample):
                self._paste(segment, box, out[sample - box.samples.start])

    def _is_one_run(self) -> bool:
        """Whether the page's samples lie in the file as in memory, without holes."""
        offsets, counts = self._page.offsets, self._page.counts
        length = int(offsets[-1]) + int(counts[-1]) - int(offsets[0])
        keyframe = self._tiff.keyframe
        return self._tiff.virtual or (keyframe.is_contiguous and length == keyframe.nbytes)

    def _segments(self, box: _PageBox, sample: int) -> Iterator[int]:
        page = self._tiff.keyframe
        height, width = _segment_shape(page)
        rows, columns = -(-page.imagelength // height), -(-page.imagewidth // width)
        for row in range(box.y.start // height, -(-box.y.stop // height)):
            for column in range(box.x.start // width, -(-box.x.stop // width)):
                yield (sample * rows + row) * columns + column

    def _paste(self, segment: int, box: _PageBox, out: NDArray[Any]) -> None:
        place, shape = self._tiff.decode(None, segment)[1:]
        pixels = self._segment(segment, place, shape)
        top, left = place[2], place[3]
        y0, y1 = max(box.y.start, top), min(box.y.stop, top + pixels.shape[0])
        x0, x1 = max(box.x.start, left), min(box.x.stop, left + pixels.shape[1])
        out[y0 - box.y.start : y1 - box.y.start, x0 - box.x.start : x1 - box.x.start] = pixels[
            y0 - top : y1 - top, x0 - left : x1 - left
        ]

    def _segment(self, segment: int, place: Sequence[int], shape: Sequence[int]) -> NDArray[Any]:
        """Return a decoded tile or strip, shape (y, x, samples)."""
        offset = int(self._page.offsets[segment])
        count = int(self._page.counts[segment])
        if count == 0:  # a hole, as in sparse files
            return np.full(shape[1:], self._tiff.keyframe.nodata, self._reader.dtype)
        key = (self._page.path, self._reader.stamp, offset, segment)
        return BLOCKS.get(key, lambda: self._decode(segment, offset, count, place))

    def _decode(self, segment: int, offset: int, count: int, place: Sequence[int]) -> NDArray[Any]:
        where = f"at y {place[2]}, x {place[3]}"
        data = self._bytes(offset, count, where)
        tables = {}
        if self._tiff.keyframe.compression in JPEG_KINDS:
            tables = {"jpegtables": self._page.jpegtables,
                      "jpegheader": self._tiff.keyframe.jpegheader}  # fmt: skip
        try:
            pixels = np.asarray(self._tiff.decode(data, segment, **tables)[0])[0]
        except READ_ERRORS as error:
            raise SourceError(
                f"The tile {where} of {self._page.path} cannot be decoded ({reason(error)}); "
                f"replace the file with a good copy and run again"
            ) from None
        # What the decoder returns may be a view of a larger buffer, or of the bytes read.
        own: NDArray[Any] = pixels.astype(self._reader.dtype, copy=True)
        return own

    def _fill_raw(self, box: _PageBox, out: NDArray[Any]) -> None:
        """Read rows of uncompressed, contiguous samples."""
        samples, height, width, contiguous = (
            self._tiff.keyframe.shaped[0],
            *self._tiff.keyframe.shaped[2:],
        )
        dtype = self._reader.dtype.newbyteorder(">" if self._page.byteorder == ">" else "<")
        pixel = contiguous * dtype.itemsize
        start = int(self._page.offsets[0])
        if self._tiff.virtual:
            start += self._number * samples * height * width * pixel
        for sample, rows in zip(range(box.samples.start, box.samples.stop), out):
            first = start + sample * height * width * pixel
            for y, count in _row_groups(box, width, out.shape[1:]):
                offset = first + (y * width + box.x.start) * pixel
                data = self._bytes(offset, count * rows.shape[1] * pixel, f"at y {y}")
                part = np.frombuffer(data, dtype).reshape(count, *rows.shape[1:])
                rows[y - box.y.start : y - box.y.start + count] = part

    def _bytes(self, offset: int, count: int, where: str) -> bytes:
        key = ("file", self._page.path, self._reader.stamp)
        with HANDLES.borrow(key, lambda: RawFile(self._page.path)) as file:
            data = file.read(offset, count)
        if len(data) < count:
            raise SourceError(
                f"The file {self._page.path} is cut short: the pixels {where} should lie at bytes "
                f"{offset} to {offset + count}; replace the file with a good copy and run again"
            )
        return data


def _segment_shape(page: tifffile.TiffPage) -> tuple[int, int]:
    """Return the height and width of a tile or strip."""
    if page.is_tiled:
        return page.tilelength, page.tilewidth
    return min(page.rowsperstrip or page.imagelength, page.imagelength), page.imagewidth


def _row_groups(box: _PageBox, width: int, shape: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (first row, rows) that lie in the file as one run of bytes."""
    whole_rows = shape[1] == width
    step = max(1, 2**22 // max(1, prod(shape[1:]))) if whole_rows else 1
    for y in range(box.y.start, box.y.stop, step):
        yield y, min(step, box.y.stop - y)
