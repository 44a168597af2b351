"""How a network looks at an image: mirrored, and at several sizes.

What it says of all views is averaged. Sizes are quarters, so that a cell of a few strides of the
network is a whole number of its strides at every size, and tiles of such cells begin where the
network's own grid does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, lcm
from typing import Any

from napari_superpixels.errors import InputError

QUARTERS = 4
"""Sizes are told in such parts."""
SMALLEST, LARGEST = 0.25, 4.0
FLIPS = ("", "x", "y", "yx")
"""Along which axes images are mirrored too, one by one and together."""


@dataclass(frozen=True, slots=True)
class View:
    """One look at an image."""

    flipped: tuple[int, ...]
    """Axes along which it is mirrored, counted from the end: -2 is y, -1 is x."""
    scale: Fraction
    """Pixels of the network for one of the image, along each axis."""

    def reach(self, halo_px: int) -> int:
        """Return the pixels of the image around a cell on which its values depend.

        Parameters
        ----------
        halo_px
            What the network itself needs, in its pixels.
        """
        if self.scale == 1:
            return halo_px
        # Both ways pixels are resampled from their neighbours, from more of them when they shrink.
        scale = float(self.scale)
        seen = halo_px + max(1.0, scale)
        return ceil(seen / scale + max(1.0, 1 / scale)) + 1


def views_of(flips: str, scales: Iterable[float]) -> tuple[View, ...]:
    """Return all views, in a fixed order."""
    axes = [-2] * ("y" in flips) + [-1] * ("x" in flips)
    mirrored: list[tuple[int, ...]] = [()]
    for axis in axes:
        mirrored += [(*each, axis) for each in mirrored]
    return tuple(View(flipped, Fraction(scale)) for scale in scales for flipped in mirrored)


def cell_px(align_px: int, views: Iterable[View]) -> int:
    """Return the pixels of a cell that is whole strides of the network in all views."""
    return align_px * lcm(*(view.scale.denominator for view in views))


def check_flips(flips: Any) -> str:
    """Return the axes along which images are mirrored too.

    Raises
    ------
    InputError
        If they are none.
    """
    letters = "".join(sorted(flips, reverse=True)) if isinstance(flips, str) else flips
    if letters not in FLIPS:
        raise InputError(
            f"flips is {flips!r}, but it names the axes along which the image is mirrored too; "
            f"give 'x', 'y', 'yx', or '' for none."
        )
    return str(letters)


def check_scales(scales: Any) -> tuple[float, ...]:
    """Return the sizes at which images are looked at, in rising order.

    Raises
    ------
    InputError
        If there are none, or one is no quarter within `SMALLEST` and `LARGEST`.
    """
    given = (scales,) if isinstance(scales, int | float) else scales
    try:
        found = sorted({float(scale) for scale in given})
    except (TypeError, ValueError):
        found = []
    wrong = [one for one in found if not SMALLEST <= one <= LARGEST or (one * QUARTERS) % 1]
    if not found or wrong:
        raise InputError(
            f"scales is {scales!r}, but it must hold multiples of {1 / QUARTERS} from {SMALLEST} "
            f"to {LARGEST:g}; give e.g. scales=(0.5, 1, 1.5) (--scales 0.5,1,1.5)."
        )
    return tuple(found)
