"""What a format module gives: a picklable reader, and what the file says about its pixels."""

import operator
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError, SourceError

Slices = tuple[slice, ...]
"""One slice with start and stop an axis, step 1, inside the array."""

READ_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    RuntimeError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
)
"""What libraries raise on broken files."""


class Reader(Protocol):
    """A lazy array in the layout of its file; picklable, and free to be used by any thread."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes as stored."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples as stored."""
        ...

    @property
    def chunks(self) -> tuple[int, ...]:
        """Sizes of the blocks that are cheap to read, one an axis."""
        ...

    def read(self, box: Slices) -> NDArray[Any]:
        """Return a box of samples, all axes kept, as a view where that is free."""
        ...


@dataclass(frozen=True, slots=True)
class GeoReference:
    """Where on Earth the pixels lie."""

    crs: str | None
    """The coordinate reference system as WKT, None where the file has none."""
    transform: tuple[float, float, float, float, float, float]
    """(a, b, c, d, e, f): X = ax + by + c and Y = dx + ey + f of a pixel's upper left corner."""

    def moved(self, y: int, x: int) -> "GeoReference":
        """Return the georeference of the part that starts at pixel (y, x)."""
        a, b, c, d, e, f = self.transform
        return GeoReference(self.crs, (a, b, a * x + b * y + c, d, e, d * x + e * y + f))

    def coarser(self, factor: tuple[int, int]) -> "GeoReference":
        """Return the georeference of a level whose pixels hold that many along y and x."""
        (a, b, c, d, e, f), (y, x) = self.transform, factor
        return GeoReference(self.crs, (a * x, b * y, c, d * x, e * y, f))

    def as_json(self) -> dict[str, Any]:
        """Return it as values that JSON can hold."""
        return {"crs": self.crs, "transform": list(self.transform)}


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the samples of an axis lie in the world."""

    spacing: float = 1.0
    """Distance between samples, in `unit`."""
    unit: str | None = None
    """Name of the unit as NGFF spells it."""
    origin: float = 0.0
    """Position of the centre of the first sample, in `unit`."""

    def coarser(self, factor: float) -> "Calibration":
        """Return the calibration of a pyramid level that averages `factor` samples."""
        origin = self.origin + (factor - 1) / 2 * self.spacing
        return Calibration(self.spacing * factor, self.unit, origin)


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """One level of an image as it is stored, and what is known of it."""

    format: str
    """What a person would call the format."""
    reader: Reader
    """The pixels of the chosen level."""
    identity: str
    """Stable hash of the content, as far as it is cheap to know."""
    letters: str | None = None
    """One letter of ``tczyxs`` an axis, ``?`` where the file names none; None where nothing is."""
    levels: tuple[tuple[int, ...], ...] = ()
    """Shapes of all levels as stored, the finest first; empty means only this one."""
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    """By letter, for the chosen level."""
    rgb: bool | None = None
    """Whether the file says that it is red, green and blue; None where it says nothing."""
    channel_names: tuple[str, ...] = ()
    """What the file calls its channels, in its order; empty where it says nothing."""
    alpha: bool | None = None
    """Whether the last sample is an alpha channel; None where the file says nothing."""
    nodata: float | None = None
    """The value of pixels without data."""
    georeference: GeoReference | None = None
    masks: tuple[Reader, ...] = ()
    """Nonzero where there is data; shape (Y, X)."""
    name: str = ""
    """A name that the image gives itself; else its file does."""
    location: str | None = None
    guesses: tuple[str, ...] = ()
    """Sentences about choices that change the result, which the user should hear of."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file and the state in which it was first seen."""

    path: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str | Path) -> "FileStamp":
        """Take the stamp of a file now."""
        stat = Path(path).stat()
        return cls(str(path), stat.st_size, stat.st_mtime_ns)

    def check(self) -> None:
        """Refuse a file that has changed.

        Raises
        ------
        SourceError
            If the file is gone, or its size or time of modification differ.
        """
        try:
            now = FileStamp.of(self.path)
        except OSError:
            raise SourceError(
                f"The file {self.path} was there when it was opened but is gone now; "
                f"put it back, or open the image again"
            ) from None
        if now != self:
            raise SourceError(
                f"The file {self.path} changed after it was opened ({self.size} bytes then, "
                f"{now.size} now); open the image again"
            )


def as_number(value: Any) -> int | None:
    """Return a whole number as int, None if it is no such number (a bool is none)."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def pick_level(level: int, count: int, what: str) -> int:
    """Return `level` if there is such a one.

    Raises
    ------
    InputError
        If it is out of range.
    """
    if not 0 <= level < count:
        raise InputError(
            f"level={level!r} does not exist: {what} has {count} level{'s' * (count != 1)}; "
            f"give {f'a level from 0 to {count - 1}' if count > 1 else 'level=0'}"
        )
    return level


def box_text(box: Slices) -> str:
    """Return a box as a person writes it, e.g. ``0:3, 512:1024``."""
    return ", ".join(f"{side.start}:{side.stop}" for side in box)


def reason(error: BaseException) -> str:
    """Return the first line of an error's message, or its name where it has none."""
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
