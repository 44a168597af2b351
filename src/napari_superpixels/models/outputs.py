"""What a model's values mean, and what becomes of them on disk.

The engine cuts, reads and writes; whatever depends on what is written it asks here. A method names
its output: superpixels, whose codes are arithmetic on the lattice until they are written, or values
of every pixel, which are written as the model gives them.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.kernels.ids import expand_ids
from napari_superpixels.kernels.means import cell_means, cell_sums
from napari_superpixels.kernels.mode import mode_downsample
from napari_superpixels.labels.boundaries import find_boundaries
from napari_superpixels.tiling import Box, Lattice

Values = NDArray[Any]
Place = tuple[slice, ...]
MOST_CLASSES = 2**16 - 1
"""Ids have 16 bits, and 0 is no class."""
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
"""How colours of classes are told."""


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

    @property
    def legend(self) -> tuple[ClassInfo, ...]:
        """The classes that values stand for; none where they are no ids of classes."""
        return ()

    @property
    def unit(self) -> str:
        """The unit of numbers; empty where values have none."""
        return ""

    @property
    def span(self) -> tuple[float, float] | None:
        """The lowest and the highest number that can come; None where that is not known."""
        return None

    @property
    def labels(self) -> bool:
        """Whether values are labels to NGFF, not numbers."""
        return "image-label" in self.described()

    def short(self, lattice: Lattice) -> str:
        """Return a word for it, for names of layers."""
        del lattice
        return self.noun

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

    def rehearse(self, found: Values, lattice: Lattice) -> None:
        """Call what values need on their way to disk, on those of a tiny image.

        So kernels are compiled, and loaded, before they are waited for.
        """
        values = self.values(found, lattice, Box.whole(lattice.cells), 0)
        self.coarser(values, (2, 2))

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

    def short(self, lattice: Lattice) -> str:
        """Return the step."""
        return f"{lattice.step[0]}px"

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

    def rehearse(self, found: Values, lattice: Lattice) -> None:
        """Make labels of both types, a level of them, and boundaries."""
        step, cells = lattice.step, lattice.cells
        for kind in (np.uint32, np.uint64):
            labels = expand_ids(
                found, (0, 0), (step[0], step[1]), (cells[0], cells[1]), 0, np.dtype(kind)
            )
            find_boundaries(labels)
            mode_downsample(labels, (2, 2))
            mode_downsample(np.ascontiguousarray(labels[: step[0], : step[1]]), (2, 2))

    def counted(self, tables: tuple[Values, ...]) -> dict[str, int]:
        """Return the number of superpixels."""
        return {"superpixels": int((tables[1] > 0).sum())}


SUPERPIXELS = Superpixels()
