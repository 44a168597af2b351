"""The live view of the boundaries between finished labels, level by level, from disk."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.engine.live_array import LiveLevel
from napari_superpixels.engine.live_levels import (
    LARGEST_TILE_PX,
    SHORTEST_CELL_PX,
    TILE_PX,
    view_shapes,
)
from napari_superpixels.engine.live_tiles import BOUNDARY, NO_LABEL, Kind, TileGrid
from napari_superpixels.engine.live_view import (
    CACHE_BYTES,
    LiveTiles,
    TileView,
    log_error,
    nothing,
)
from napari_superpixels.engine.tile import Pulse
from napari_superpixels.io.label_output import open_labels, read_labels
from napari_superpixels.labels.boundaries import find_boundaries
from napari_superpixels.tiling import Box, Interval


@dataclass(frozen=True)
class BoundaryLevel:
    """The boundaries of one level of labels."""

    shape: tuple[int, int]
    array: Any = None
    """Labels, (t, z,) y, x; None where nothing is shown."""
    path: Path = Path("in memory")
    """Where they lie, for errors."""

    @property
    def kind(self) -> Kind:
        """Boundaries of the labels of that level, or nothing."""
        return "blank" if self.array is None else "exact"

    @property
    def has_tiles(self) -> bool:
        """Whether there are labels."""
        return self.array is not None

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """One byte a pixel."""
        return np.dtype(np.uint8)

    @property
    def nothing(self) -> np.uint8:
        """No boundary."""
        return NO_LABEL

    @property
    def planes(self) -> range:
        """All planes."""
        return range(1 if self.array is None else prod(self.array.shape[:-2]))

    @cached_property
    def grid(self) -> TileGrid:
        """Whole chunks, as many as come near to a tile's edge."""
        chunks = tuple(getattr(self.array, "chunks", None) or ())[-2:]
        chunks = chunks if len(chunks) == 2 and all(isinstance(n, int) for n in chunks) else (1, 1)
        y, x = (min(n * max(1, TILE_PX // n), LARGEST_TILE_PX) for n in chunks)
        return TileGrid(Box.whole(self.shape), (y, x))

    def blank(self, _box: Box) -> np.uint8:
        """Return nothing: no boundary."""
        return NO_LABEL

    def make(self, plane: int, box: Box, pulse: Pulse) -> NDArray[np.uint8]:
        """Return the bytes of a tile's box."""
        ringed = Box(tuple(Interval(s.start, s.stop + 1) for s in box)).clip(Box.whole(self.shape))
        shape = tuple(self.array.shape[:-2])
        places = np.unravel_index(plane, shape) if shape else ()
        leading = (slice(int(place), int(place) + 1) for place in places)
        labels = read_labels(self.array, (*leading, *ringed.slices), self.path)
        pulse()
        edges = find_boundaries(labels.reshape(ringed.shape))[: len(box[0]), : len(box[1])]
        return np.where(edges, BOUNDARY, np.uint8(0)) | NO_LABEL


class LiveBoundaries(LiveTiles):
    """The boundaries of a label pyramid that appear where they are looked at; never blocks.

    1 where the right or the lower neighbour has another label, at each level for itself. Levels
    whose cells are so short that boundaries would cover all stay empty, and so does the coarsest,
    which is there for thumbnails.

    Parameters
    ----------
    labels
        Folder that a run wrote, which is opened here (its metadata are read); or arrays of
        labels with the axes (t, z,) y, x, the finest level first.
    cache_bytes, on_change, on_error
        As for `LiveView`.

    Raises
    ------
    SourceError
        If the folder is no finished label image.
    """

    def __init__(
        self,
        labels: str | os.PathLike[str] | Sequence[Any],
        *,
        cache_bytes: int = CACHE_BYTES,
        on_change: Callable[[], None] = nothing,
        on_error: Callable[[Exception], None] = log_error,
    ) -> None:
        arrays, shown, path = _arrays(labels)
        shapes = view_shapes(tuple((int(a.shape[-2]), int(a.shape[-1])) for a in arrays))
        levels = [BoundaryLevel(shape) for shape in shapes]
        for number in range(min(shown, len(levels) - 1)):
            levels[number] = BoundaryLevel(shapes[number], arrays[number], path)
        self._view = TileView(
            levels, cache_bytes=cache_bytes, on_change=on_change, on_error=on_error
        )
        leading = tuple(int(n) for n in arrays[0].shape[:-2])
        self.levels = tuple(LiveLevel(self._view, number, leading) for number in range(len(levels)))
        """uint8, the finest level first."""


def _arrays(labels: Any) -> tuple[Sequence[Any], int, Path]:
    """Return the levels of labels, of how many boundaries can be shown, and where they lie."""
    if not isinstance(labels, str | os.PathLike):
        return labels, len(labels), BoundaryLevel.path
    opened = open_labels(Path(labels))
    step = min(opened.provenance["lattice"]["step_px"])
    shown = [max(factor) * SHORTEST_CELL_PX <= step for factor in opened.factors]
    return opened.levels, max(1, sum(shown)), opened.path
