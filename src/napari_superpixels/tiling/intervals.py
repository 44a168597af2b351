"""Half-open intervals of integers, and boxes made of them."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """The integers from `start` up to, not including, `stop`."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        assert self.start <= self.stop, f"interval runs backwards: {self.start}:{self.stop}"

    def __len__(self) -> int:
        """Return how many integers it holds."""
        return self.stop - self.start

    def __contains__(self, value: int) -> bool:
        """Whether an integer lies inside."""
        return self.start <= value < self.stop

    @property
    def slice(self) -> slice:
        """The same as a `slice`."""
        return slice(self.start, self.stop)

    def shift(self, offset: int) -> "Interval":
        """Move by `offset`."""
        return Interval(self.start + offset, self.stop + offset)

    def grow(self, amount: int) -> "Interval":
        """Move both ends outwards by `amount`."""
        return Interval(self.start - amount, self.stop + amount)

    def clip(self, other: "Interval") -> "Interval":
        """Return the part inside `other`; empty, at its nearest end, where they do not meet."""
        start = min(max(self.start, other.start), other.stop)
        return Interval(start, max(start, min(self.stop, other.stop)))

    def scale(self, factor: int) -> "Interval":
        """Multiply both ends, as from cells to pixels."""
        return Interval(self.start * factor, self.stop * factor)

    def covers(self, other: "Interval") -> bool:
        """Whether all of `other` lies inside."""
        return self.start <= other.start and other.stop <= self.stop


@dataclass(frozen=True, slots=True)
class Box:
    """A product of intervals, one an axis."""

    sides: tuple[Interval, ...]

    @classmethod
    def of(cls, *bounds: tuple[int, int]) -> "Box":
        """Make a box from (start, stop) pairs."""
        return cls(tuple(Interval(*pair) for pair in bounds))

    @classmethod
    def whole(cls, shape: tuple[int, ...]) -> "Box":
        """Make the box of a whole array."""
        return cls(tuple(Interval(0, size) for size in shape))

    def __iter__(self) -> Iterator[Interval]:
        """Iterate over the sides."""
        return iter(self.sides)

    def __getitem__(self, axis: int) -> Interval:
        """Return the side along an axis."""
        return self.sides[axis]

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each side."""
        return tuple(len(side) for side in self.sides)

    @property
    def start(self) -> tuple[int, ...]:
        """First index along each axis."""
        return tuple(side.start for side in self.sides)

    @property
    def slices(self) -> tuple[slice, ...]:
        """The same as slices, to index an array."""
        return tuple(side.slice for side in self.sides)

    def relative_to(self, other: "Box") -> "Box":
        """Return this box in the coordinates of an array that holds `other`."""
        return Box(tuple(a.shift(-b.start) for a, b in zip(self, other, strict=True)))

    def clip(self, other: "Box") -> "Box":
        """Return the part inside `other`."""
        return Box(tuple(a.clip(b) for a, b in zip(self, other, strict=True)))

    def covers(self, other: "Box") -> bool:
        """Whether all of `other` lies inside."""
        return all(a.covers(b) for a, b in zip(self, other, strict=True))
