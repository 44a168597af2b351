"""What segmentation and regression write: ids of classes, their probabilities, or numbers."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from napari_superpixels.kernels.average import mean_downsample
from napari_superpixels.kernels.mode import mode_downsample
from napari_superpixels.models.outputs import ClassInfo, Output, Values
from napari_superpixels.tiling import Lattice


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

    @property
    def legend(self) -> tuple[ClassInfo, ...]:
        """All of them."""
        return self.classes

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
    span: tuple[float, float] | None = None
    """The lowest and the highest number that the network can say; None where it is not known."""

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
