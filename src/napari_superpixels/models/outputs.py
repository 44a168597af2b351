"""What a model's values mean, and what becomes of them on disk.

The engine cuts, reads and writes; whatever depends on what is written it asks here. A method names
its output: superpixels, whose codes are arithmetic on the lattice until they are written, or values
of every pixel, which are written as the model gives them.
"""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.kernels.average import mean_downsample
from napari_superpixels.kernels.ids import expand_ids
from napari_superpixels.kernels.means import cell_means, cell_sums
from napari_superpixels.kernels.mode import mode_downsample
from napari_superpixels.tiling import Box, Lattice

Values = NDArray[Any]
Place = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class TableArray:
    """A number, or one for each channel of the image, of every cell."""

    name: str
    """Path of the array in the output."""
    dtype: np.dtype[Any]
    per_channel: bool
    fill: float
    """What stands where nothing was written."""

    def empty(self, cells: tuple[int, ...], channels: int) -> Values:
        """Return room for so many cells; nothing is filled in."""
        return np.empty((*cells, *self.depth(channels)), self.dtype)

    def depth(self, channels: int) -> tuple[int, ...]:
        """Return the axes that follow those of the cells."""
        return (channels,) if self.per_channel else ()


class Output(ABC):
    """One kind of output.

    Values of some pixels have the shape (Y, X), or (C, Y, X) where `depth` says so.
    """

    kind: ClassVar[str]
    """``"superpixels"``, ``"classes"``, ``"probabilities"`` or ``"map"``."""
    noun: ClassVar[str]
    """What a person calls its values."""
    ring: ClassVar[int] = 0
    """Cells around a core that must be right too, for its tables."""
    reduction: ClassVar[str]
    """How a coarser level is made, as NGFF calls it."""
    rule: ClassVar[str]
    """The same in words."""
    fill: ClassVar[float] = 0
    """The value of pixels without data."""
    tables: ClassVar[tuple[TableArray, ...]] = ()
    """What is written of every cell."""

    @property
    def depth(self) -> tuple[int, ...]:
        """Number of channels; nothing where a pixel has one value."""
        return ()

    @abstractmethod
    def dtype(self, lattice: Lattice) -> np.dtype[Any]:
        """Return the type of the values."""

    @abstractmethod
    def coarser(self, values: Values, factor: tuple[int, int]) -> Values:
        """Return the level above values: one value for each block of (fy, fx)."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """Return what NGFF says of such values, beside the multiscale."""

    @abstractmethod
    def told(self, lattice: Lattice) -> str:
        """Return what its values are, for a person."""

    def check(self, lattice: Lattice) -> None:
        """Refuse an image for which it makes no sense: none, unless there is something to say."""
        del lattice

    def provenance(self) -> dict[str, Any]:
        """Return what tells outputs apart beside the method's settings, as JSON."""
        return {"output": {"kind": self.kind}}

    def values(self, found: Values, lattice: Lattice, cells: Box, plane: int) -> Values:
        """Return what is written of some cells of a plane, of what the model found there."""
        del lattice, cells, plane
        return found

    def table(
        self, found: Values, pixels: Values, step: tuple[int, int], own: Place
    ) -> tuple[Values, ...]:
        """Return `tables` of some cells.

        Parameters
        ----------
        found
            What the model found, a ring around them included.
        pixels
            Samples of the same pixels, shape (C, Y, X).
        step
            Size of a cell, in pixels.
        own
            The cells, counted from the first one that was found.
        """
        del found, pixels, step, own
        return ()

    def counted(self, tables: tuple[Values, ...]) -> dict[str, int]:
        """Return what a report counts of some cells, by name."""
        del tables
        return {}


@dataclass(frozen=True, slots=True)
class Superpixels(Output):
    """Labels on the lattice: a model gives one byte a pixel, which of the 9 cells around it."""

    kind: ClassVar[str] = "superpixels"
    noun: ClassVar[str] = "labels"
    ring: ClassVar[int] = 1
    reduction: ClassVar[str] = "mode"
    rule: ClassVar[str] = "each level is the most frequent label of the one before"
    tables: ClassVar[tuple[TableArray, ...]] = (
        TableArray("cells/means", np.dtype(np.float32), per_channel=True, fill=np.nan),
        TableArray("cells/counts", np.dtype(np.uint32), per_channel=False, fill=0),
    )

    def dtype(self, lattice: Lattice) -> np.dtype[Any]:
        """Return uint32, or uint64 where labels need it."""
        return lattice.label_dtype

    def coarser(self, values: Values, factor: tuple[int, int]) -> Values:
        """Return the most frequent label of each block."""
        return mode_downsample(values, factor)

    def described(self) -> dict[str, Any]:
        """Return that the image holds labels."""
        return {"image-label": {"properties": [{"label-value": 0, "class": "nodata"}]}}

    def told(self, lattice: Lattice) -> str:
        """Return type and largest label."""
        return f"{lattice.label_dtype}, at most {lattice.last_label:,}"

    def check(self, lattice: Lattice) -> None:
        """Refuse a step that is longer than the image.

        Raises
        ------
        InputError
            With the longest one.
        """
        step, longest = max(lattice.step), max(2, *lattice.shape)
        if step > longest:  # a single pixel is one cell, and a cell is two pixels or more
            raise InputError(
                f"The step is {step} px, longer than the image "
                f"({' x '.join(map(str, lattice.shape))} px); choose a step of at most {longest} "
                f"px."
            )

    def provenance(self) -> dict[str, Any]:
        """Return nothing: so it has been since there were superpixels alone."""
        return {}

    def values(self, found: Values, lattice: Lattice, cells: Box, plane: int) -> Values:
        """Return the global labels of codes."""
        return expand_ids(
            np.ascontiguousarray(found),
            (cells[0].start, cells[1].start),
            (lattice.step[0], lattice.step[1]),
            (lattice.cells[0], lattice.cells[1]),
            plane,
            lattice.label_dtype,
        )

    def table(
        self, found: Values, pixels: Values, step: tuple[int, int], own: Place
    ) -> tuple[Values, ...]:
        """Return the means of the channels, NaN without a superpixel, and the pixels counted."""
        counts, sums = cell_sums(found, pixels, step)
        counts, sums = counts[own], sums[:, *own]
        return cell_means(counts, sums), counts.astype(np.uint32)

    def counted(self, tables: tuple[Values, ...]) -> dict[str, int]:
        """Return the number of superpixels."""
        return {"superpixels": int((tables[1] > 0).sum())}


SUPERPIXELS = Superpixels()


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """One class of a segmentation."""

    id: int
    """Its value in a class map, 1 to 65535."""
    name: str
    colour: str
    """As ``#rrggbb``."""

    @property
    def rgba(self) -> list[int]:
        """The colour as four bytes."""
        return [*bytes.fromhex(self.colour[1:]), 255]


@dataclass(frozen=True, slots=True)
class Classes(Output):
    """The id of one class a pixel; 0 where there is no data."""

    kind: ClassVar[str] = "classes"
    noun: ClassVar[str] = "classes"
    reduction: ClassVar[str] = "mode"
    rule: ClassVar[str] = "each level is the most frequent class of the one before"

    classes: tuple[ClassInfo, ...]

    def dtype(self, lattice: Lattice) -> np.dtype[Any]:
        """Return uint8, or uint16 where ids need it."""
        del lattice
        largest = max(one.id for one in self.classes)
        return np.dtype(np.uint8 if largest < 2**8 else np.uint16)

    def coarser(self, values: Values, factor: tuple[int, int]) -> Values:
        """Return the most frequent class of each block."""
        return mode_downsample(values, factor)

    def described(self) -> dict[str, Any]:
        """Return names and colours of the classes."""
        properties = [{"label-value": one.id, "class": one.name} for one in self.classes]
        colours = [{"label-value": one.id, "rgba": one.rgba} for one in self.classes]
        nothing: dict[str, Any] = {"label-value": 0}
        return {
            "image-label": {
                "colors": [nothing | {"rgba": [0, 0, 0, 0]}, *colours],
                "properties": [nothing | {"class": "nodata"}, *properties],
            }
        }

    def told(self, lattice: Lattice) -> str:
        """Return type and names."""
        return f"{self.dtype(lattice)}: {_names(self.classes)}"

    def provenance(self) -> dict[str, Any]:
        """Return the classes too, by which outputs can be read alone."""
        return {"output": {"kind": self.kind, "classes": [asdict(one) for one in self.classes]}}


class _Averaged(Output):
    """Numbers whose coarser levels are means; NaN where there is no data."""

    reduction: ClassVar[str] = "mean"
    rule: ClassVar[str] = "each level is the mean of the one before, pixels without data left out"
    fill: ClassVar[float] = np.nan

    def coarser(self, values: Values, factor: tuple[int, int]) -> Values:
        """Return the mean of each block."""
        return mean_downsample(values, factor)


@dataclass(frozen=True, slots=True)
class Probabilities(_Averaged):
    """The probability of each class, float16, one channel a class."""

    kind: ClassVar[str] = "probabilities"
    noun: ClassVar[str] = "probabilities"

    classes: tuple[ClassInfo, ...]

    @property
    def depth(self) -> tuple[int, ...]:
        """One channel a class."""
        return (len(self.classes),)

    def dtype(self, lattice: Lattice) -> np.dtype[Any]:
        """Return float16."""
        del lattice
        return np.dtype(np.float16)

    def described(self) -> dict[str, Any]:
        """Return names and colours of the channels, and that they range from 0 to 1."""
        channels = [_channel(one.name, one.colour, 1.0) for one in self.classes]
        return {"omero": {"channels": channels}}

    def told(self, lattice: Lattice) -> str:
        """Return type and names."""
        return f"{self.dtype(lattice)}, one channel each: {_names(self.classes)}"

    def provenance(self) -> dict[str, Any]:
        """Return the classes too."""
        return {"output": {"kind": self.kind, "classes": [asdict(one) for one in self.classes]}}


@dataclass(frozen=True, slots=True)
class Map(_Averaged):
    """One number a pixel, float32, in a unit."""

    kind: ClassVar[str] = "map"
    noun: ClassVar[str] = "values"

    name: str
    """What is measured."""
    unit: str = ""
    """Of the numbers; empty where they have none."""

    def dtype(self, lattice: Lattice) -> np.dtype[Any]:
        """Return float32."""
        del lattice
        return np.dtype(np.float32)

    def described(self) -> dict[str, Any]:
        """Return nothing: NGFF knows no unit of values; the provenance has it."""
        return {}

    def told(self, lattice: Lattice) -> str:
        """Return type, name and unit."""
        return f"{self.dtype(lattice)}: {self.name}{f' in {self.unit}' if self.unit else ''}"

    def provenance(self) -> dict[str, Any]:
        """Return name and unit too."""
        return {"output": {"kind": self.kind, "name": self.name, "unit": self.unit}}


MOST_NAMED = 6
"""Classes that are told by name."""


def _names(classes: tuple[ClassInfo, ...]) -> str:
    named = [f"{one.id} {one.name}" for one in classes[:MOST_NAMED]]
    more = len(classes) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _channel(name: str, colour: str, highest: float) -> dict[str, Any]:
    """Return how a viewer shows a channel."""
    window = {"min": 0.0, "max": highest, "start": 0.0, "end": highest}
    return {"label": name, "color": colour[1:].upper(), "active": True, "window": window}
