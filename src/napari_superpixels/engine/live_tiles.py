"""Tiles of a live view: what a level must tell, which are kept, and which are asked for.

What the values of a tile mean is its level's to say. Of superpixels a tile is one byte a pixel: the
code of `models.protocol` in the low bits, `NO_LABEL` where there is none, and `BOUNDARY` where the
right or the lower neighbour has another label.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.engine.tile import Pulse
from napari_superpixels.tiling import Box, Interval

Kind = Literal["exact", "approximate", "cells", "blank"]
"""What a level shows: what a run writes; nearly that, or some of it; the cell under each pixel;
nothing."""

NO_LABEL = np.uint8(9)
BOUNDARY = np.uint8(16)
CODE_BITS = np.uint8(15)

KEPT_REQUESTS = 4
"""Older requests whose tiles are still made, when nothing newer is left to do."""


class TileKey(NamedTuple):
    """One tile of a live view."""

    level: int
    plane: int
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class TileGrid:
    """How a plane of a level is cut into tiles, in pixels of that level."""

    extent: Box
    """What is cut; nothing is shown beyond."""
    edge: tuple[int, int]
    """Size of a tile along y and x; the last ones are cut short."""

    def box(self, row: int, column: int) -> Box:
        """Return the pixels of a tile."""
        sides = zip(self.extent, self.edge, (row, column), strict=True)
        return Box(
            tuple(
                Interval(n * edge, (n + 1) * edge).shift(side.start).clip(side)
                for side, edge, n in sides
            )
        )

    def touching(self, box: Box) -> tuple[range, range]:
        """Return the rows and columns of the tiles that a box inside the extent touches."""
        rows, columns = (
            range((part.start - side.start) // edge, -(-(part.stop - side.start) // edge))
            if len(part)
            else range(0)
            for part, side, edge in zip(box, self.extent, self.edge, strict=True)
        )
        return rows, columns


class TileLevel(Protocol):
    """One level of a live view: pure arithmetic, but for `make`."""

    @property
    def kind(self) -> Kind:
        """What it shows."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Size of a plane, in pixels."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values of tiles."""
        ...

    @property
    def nothing(self) -> np.generic:
        """The value where nothing is shown."""
        ...

    @property
    def grid(self) -> TileGrid:
        """How it is cut."""
        ...

    @property
    def planes(self) -> Sequence[int]:
        """The planes that are shown."""
        ...

    @property
    def has_tiles(self) -> bool:
        """Whether tiles are made at all; else `blank` is all there is."""
        ...

    def blank(self, box: Box) -> NDArray[np.uint8] | np.generic:
        """Return the values of a box inside the extent of which no tile is there."""
        ...

    def make(self, plane: int, box: Box, pulse: Pulse) -> NDArray[Any]:
        """Return the values of a tile's box; called by the worker, raises what the pulse raises."""
        ...


class TileCache:
    """Tiles by their keys, the least recently used forgotten first."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._bytes = 0
        self._tiles: OrderedDict[TileKey, NDArray[Any]] = OrderedDict()

    def __contains__(self, key: TileKey) -> bool:
        """Whether a tile is kept."""
        return key in self._tiles

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._tiles)

    @property
    def nbytes(self) -> int:
        """What is kept, in bytes."""
        return self._bytes

    def get(self, key: TileKey) -> NDArray[Any] | None:
        """Return a tile, which is the most recently used from now on."""
        tile = self._tiles.get(key)
        if tile is not None:
            self._tiles.move_to_end(key)
        return tile

    def put(self, key: TileKey, tile: NDArray[Any], *, wanted: bool) -> None:
        """Keep a tile; one that is no longer wanted is the first to go."""
        self._tiles[key] = tile
        self._tiles.move_to_end(key, last=wanted)
        self._bytes += tile.nbytes
        while self._bytes > self._limit and len(self._tiles) > 1:
            self._bytes -= self._tiles.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Forget all."""
        self._tiles.clear()
        self._bytes = 0


LevelPart = tuple[int, tuple[int, ...], Box]
"""A part of a level: its number, planes, and pixels."""


@dataclass(eq=False)
class Request:
    """The tiles of a place that somebody looks at."""

    number: int
    """When it was asked for last, among all requests of the process."""
    wanted: frozenset[TileKey] = frozenset()
    missing: deque[TileKey] = field(default_factory=deque)
    """What is to be made, in that order."""
    given: set[TileKey] = field(default_factory=set)
    """What was made for it once: not again, should the cache have forgotten it since."""


class Requests:
    """What is asked for, the newest first; bounded."""

    def __init__(self) -> None:
        self._requests: OrderedDict[LevelPart, Request] = OrderedDict()

    def ask(
        self,
        place: LevelPart,
        number: int,
        wanted: Sequence[TileKey],
        there: Callable[[TileKey], bool],
    ) -> Request:
        """Ask for the tiles of a place that are not there, in the order in which they come."""
        request = self._requests.setdefault(place, Request(number))
        self._requests.move_to_end(place)
        request.number = number
        request.wanted = frozenset(wanted)
        request.missing = deque(k for k in wanted if k not in request.given and not there(k))
        while len(self._requests) > KEPT_REQUESTS:
            self._requests.popitem(last=False)
        return request

    def next(self) -> tuple[int, TileKey] | None:
        """Return the tile to be made next, and when it was asked for."""
        for request in reversed(self._requests.values()):
            if request.missing:
                return request.number, request.missing[0]
        return None

    def made(self, key: TileKey) -> None:
        """Take a tile out of all requests."""
        for request in self._requests.values():
            if key in request.wanted:
                request.given.add(key)
                if key in request.missing:
                    request.missing.remove(key)

    def wants(self, key: TileKey) -> bool:
        """Whether the newest request wants a tile."""
        newest = next(reversed(self._requests.values()), None)
        return newest is not None and key in newest.wanted

    def waiting(self) -> set[TileKey]:
        """Return all tiles that are to be made."""
        return {key for request in self._requests.values() for key in request.missing}

    def clear(self) -> None:
        """Forget all."""
        self._requests.clear()


def from_the_middle(
    level: int, planes: Sequence[int], ranges: tuple[range, range], most: int
) -> list[TileKey]:
    """Return the tiles of some planes, rows and columns, at most so many, the middle first."""
    axes: tuple[Sequence[int], ...] = (planes, *ranges)
    places = product(*(_ranked(axis) for axis in axes))
    near = sorted(places, key=lambda place: sum(rank for rank, _ in place))
    return [TileKey(level, *(index for _, index in place)) for place in near[:most]]


def _ranked(axis: Sequence[int]) -> Iterator[tuple[float, int]]:
    """Yield the members of an axis with their squared distance from its middle."""
    middle = (len(axis) - 1) / 2
    return (((n - middle) ** 2, index) for n, index in enumerate(axis))


def pasted(out: NDArray[Any], box: Box, tiles: Iterable[tuple[Box, NDArray[Any]]]) -> None:
    """Copy tiles into the values of a box, each where it lies."""
    for place, tile in tiles:
        part = place.clip(box)
        out[part.relative_to(box).slices] = tile[part.relative_to(place).slices]


def boundaries_of(bytes_: NDArray[np.uint8], _plane: int, _box: Box) -> NDArray[np.uint8]:
    """Return 1 where the bytes of a tile tell of a boundary."""
    marked: NDArray[np.uint8] = (bytes_ // BOUNDARY) & np.uint8(1)
    return marked
