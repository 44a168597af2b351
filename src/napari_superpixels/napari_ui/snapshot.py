"""What the plugin needs of layers, as values: taken on the main thread, without reading a pixel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.napari_ui.layer_facts import OURS
from napari_superpixels.napari_ui.placement import Placement

CHANNEL_NAMES = ("c", "channel", "channels")

LETTERS = {"t": "t", "time": "t", "z": "z", "depth": "z", "y": "y", "x": "x"}
"""Letters of axes by the labels that layers give them, in lower case."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerSnapshot:
    """An image or a label layer as it is now."""

    name: str
    """Of the layer, unique in its viewer."""
    levels: tuple[Any, ...]
    """Arrays, the finest first; one where the layer is not multiscale."""
    rgb: bool
    """Whether the last axis of the arrays holds colours."""
    placement: Placement
    """Where it lies."""
    opened: Mapping[str, Any] | None = None
    """`Source.opened`, where our reader made the layer."""
    arrays: tuple[str, ...] = ()
    """Names of the arrays that it had then, the finest first."""
    channel: int | None = None
    """Which channel of that image it shows, where it is one of several layers."""
    path: str | None = None
    """The file that it came from, by whichever reader; of a finished run where that wrote it."""
    multiscale: bool = False
    """Whether napari takes its data as a list of levels."""

    @classmethod
    def of(cls, layer: Any) -> Self:
        """Take a snapshot of a napari layer, bare or in the proxy that plugins are given."""
        ours = layer.metadata.get(OURS, {})
        multiscale = bool(layer.multiscale)
        return cls(
            name=str(layer.name),
            levels=_levels(layer.data, multiscale=multiscale),
            rgb=bool(getattr(layer, "rgb", False)),
            placement=Placement.of(layer),
            opened=ours.get("opened"),
            arrays=tuple(ours.get("arrays", ())),
            channel=ours.get("channel"),
            path=ours.get("path") or layer.source.path,
            multiscale=multiscale,
        )

    @property
    def ndim(self) -> int:
        """Number of axes, without the one of colours."""
        return self.placement.ndim

    def shape(self, level: int = 0) -> tuple[int, ...]:
        """Return the sizes of a level, without colours.

        Raises
        ------
        InputError
            If there is no such level.
        """
        if not 0 <= level < len(self.levels):
            raise InputError(
                f"The layer {self.name!r} has no level {level}; choose one from 0 to "
                f"{len(self.levels) - 1}."
            )
        return tuple(map(int, self.levels[level].shape[: self.ndim]))

    def plane_shape(self, level: int = 0) -> tuple[int, int]:
        """Return the sizes of y and x of a level."""
        y, x = self.shape(level)[-2:]
        return y, x

    def factors(self, level: int) -> tuple[float, ...]:
        """Return how many samples of the finest level one of a level holds, along each axis.

        As napari shows it: the ratio of the sizes.
        """
        return tuple(n / m for n, m in zip(self.shape(), self.shape(level)))

    @property
    def letters(self) -> str:
        """The layer's axes as some of ``tzyx``, by their labels, else by their number.

        Raises
        ------
        InputError
            If there are channels among them, too many, or they are in another order.
        """
        labels = [label.lower() for label in self.placement.axis_labels]
        if self.ndim > 4 or any(label in CHANNEL_NAMES for label in labels):
            raise InputError(
                f"The layer {self.name!r} has the axes {', '.join(labels)} of sizes "
                f"{self.shape()}, but superpixels need t, z, y, x at most; right-click it in "
                f"the layer list and choose Split Stack."
            )
        named = [LETTERS.get(label, "?") for label in labels[:-2]]
        letters = "".join(_fill(named)) + "yx"
        if letters not in ("yx", "zyx", "tyx", "tzyx"):
            raise InputError(
                f"The layer {self.name!r} has its axes in the order {', '.join(labels)}, but it "
                f"must be t, z, y, x; rename or transpose them."
            )
        return letters


@dataclass(frozen=True, slots=True, eq=False)
class PolygonsSnapshot:
    """A Shapes layer as it is now."""

    name: str
    """Of the layer."""
    kinds: tuple[str, ...]
    """What each shape is: ``"polygon"``, ``"rectangle"``, ``"ellipse"``, ``"path"``, ``"line"``."""
    corners: tuple[NDArray[np.float64], ...]
    """Of each shape in its layer's pixels, shape (N, axes); of an ellipse, of the box around it."""
    selected: tuple[int, ...]
    """Which shapes are selected."""
    placement: Placement
    """Where the layer lies."""

    @classmethod
    def of(cls, layer: Any) -> Self:
        """Take a snapshot of a napari Shapes layer."""
        return cls(
            name=str(layer.name),
            kinds=tuple(map(str, layer.shape_type)),
            corners=tuple(np.array(shape, np.float64) for shape in layer.data),
            selected=tuple(sorted(map(int, layer.selected_data))),
            placement=Placement.of(layer),
        )


def _levels(data: Any, *, multiscale: bool) -> tuple[Any, ...]:
    if not multiscale:
        return (data,)
    return tuple(data[i] for i in range(len(data)))


def _fill(named: list[str]) -> list[str]:
    """Give the letters that are left to axes without a known label, z next to y."""
    free = [letter for letter in "zt" if letter not in named]
    filled = [free.pop(0) if letter == "?" and free else letter for letter in reversed(named)]
    return filled[::-1]
