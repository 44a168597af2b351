"""A reader that looks at another one at another resolution."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.io._reader import Reader, Slices
from napari_superpixels.io.polygons import PolygonsReader
from napari_superpixels.tiling import Interval, Nearest

STRIP_SAMPLES = 2**24
"""How many samples of the other resolution are held at once, where they are many."""


@dataclass(frozen=True, slots=True)
class NearestReader:
    """A reader seen at another resolution along two axes: the nearest sample, no mean."""

    reader: Reader
    places: tuple[int, int]
    """Which of the stored axes are y and x."""
    lookups: tuple[Nearest, Nearest]
    """From pixels as seen to pixels as stored, along y and x."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes as seen."""
        return self._replaced(self.reader.shape, [lookup.count for lookup in self.lookups])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        return self.reader.dtype

    @property
    def chunks(self) -> tuple[int, ...]:
        """Sizes of the blocks that are cheap to read, as seen."""
        stored = (self.reader.chunks[place] for place in self.places)
        seen = [
            max(1, round(chunk / lookup.stride))
            for chunk, lookup in zip(stored, self.lookups, strict=True)
        ]
        return self._replaced(self.reader.chunks, seen)

    def read(self, box: Slices) -> NDArray[Any]:
        """Return a box of samples, read strip by strip where it covers very many."""
        sides = [Interval(box[place].start, box[place].stop) for place in self.places]
        rows = max(1, STRIP_SAMPLES // max(1, self._samples_a_row(box, sides)))
        strips = [
            self._read(box, Interval(start, min(start + rows, sides[0].stop)), sides[1])
            for start in range(sides[0].start, sides[0].stop, rows)
        ]
        return strips[0] if len(strips) == 1 else np.concatenate(strips, axis=self.places[0])

    def _samples_a_row(self, box: Slices, sides: Sequence[Interval]) -> int:
        others = [s.stop - s.start for i, s in enumerate(box) if i not in self.places]
        columns = len(self.lookups[1].cover(sides[1]))
        return int(prod(others) * columns * max(1.0, self.lookups[0].stride))

    def _read(self, box: Slices, rows: Interval, columns: Interval) -> NDArray[Any]:
        covers = [
            lookup.cover(part) for lookup, part in zip(self.lookups, (rows, columns), strict=True)
        ]
        values = self.reader.read(self._replaced(box, [cover.slice for cover in covers]))
        for place, lookup, part, cover in zip(
            self.places, self.lookups, (rows, columns), covers, strict=True
        ):
            values = values.take(lookup(part) - cover.start, axis=place)
        return values

    def _replaced(self, items: Sequence[Any], pair: Sequence[Any]) -> tuple[Any, ...]:
        """Return items of all axes with those of y and x replaced."""
        out = list(items)
        for place, item in zip(self.places, pair, strict=True):
            out[place] = item
        return tuple(out)


def seen_at(mask: Reader, lookups: tuple[Nearest, Nearest]) -> Reader:
    """Return a reader whose last axes are y and x as it is seen at another resolution."""
    if isinstance(mask, PolygonsReader):
        return mask.seen(lookups)
    axes = len(mask.shape)
    return NearestReader(mask, (axes - 2, axes - 1), lookups)
