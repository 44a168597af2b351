"""Named axes with their spacing, unit and origin: the vocabulary of shapes.

Axes are always in the order ``t c z y x``. An image has ``y`` and ``x`` and may have the others;
a *plane* is one (t, z) position, and superpixels are two-dimensional per plane.
"""

from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np

from napari_superpixels.errors import InputError

AXIS_ORDER = "tczyx"
"""The order of axes in every source, after reading."""

LEADING = "tz"
"""The axes that number planes, slowest first."""


UNIT_UM = {
    "picometer": 1e-6,
    "angstrom": 1e-4,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "inch": 25_400.0,
    "foot": 304_800.0,
    "meter": 1e6,
    "metre": 1e6,
    "kilometer": 1e9,
}
"""Length of a unit, in micrometers."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of an image."""

    name: str
    """One of ``t c z y x``."""
    size: int
    """Number of samples."""
    spacing: float = 1.0
    """Distance between samples, in `unit` (1.0 without a unit means samples)."""
    unit: str | None = None
    """Name of the unit as NGFF spells it ("micrometer", "second"), None when not known."""
    origin: float = 0.0
    """Position of the centre of the first sample, in `unit`."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes of an image in the order ``t c z y x``.

    Raises
    ------
    InputError
        If a name is unknown, repeated, out of order, or if ``y`` or ``x`` is missing.
    """

    items: tuple[Axis, ...]

    def __post_init__(self) -> None:
        names = self.names
        ordered = "".join(name for name in AXIS_ORDER if name in names)
        if names != ordered or not names.endswith("yx"):
            raise InputError(
                f"The axes are {names!r}, but they must be some of 't c z y x' in that order "
                f"and end with 'yx'; name them with axes=..."
            )

    @classmethod
    def of(cls, names: str, shape: tuple[int, ...]) -> Self:
        """Axes without spacing, e.g. ``Axes.of("cyx", (3, 512, 512))``."""
        return cls(tuple(Axis(name, size) for name, size in zip(names, shape, strict=True)))

    @property
    def names(self) -> str:
        """The names joined, e.g. ``"cyx"``."""
        return "".join(axis.name for axis in self.items)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes, in samples."""
        return tuple(axis.size for axis in self.items)

    def __getitem__(self, name: str) -> Axis:
        """Return the axis of that name; a missing one counts as a single sample."""
        return next((axis for axis in self.items if axis.name == name), Axis(name, 1))

    def __contains__(self, name: str) -> bool:
        """Whether the image has that axis."""
        return name in self.names

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Sizes of y and x, in pixels."""
        return self["y"].size, self["x"].size

    @property
    def leading_shape(self) -> tuple[int, ...]:
        """Sizes of the axes t and z that the image has."""
        return tuple(self[name].size for name in LEADING if name in self)

    @property
    def planes(self) -> int:
        """Number of (t, z) planes."""
        return prod(self.leading_shape)

    def plane_index(self, plane: int) -> tuple[int, ...]:
        """Return the positions along t and z of a plane number (t is the slowest digit)."""
        return tuple(int(i) for i in np.unravel_index(plane, self.leading_shape or (1,)))[
            : len(self.leading_shape)
        ]
