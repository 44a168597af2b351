"""Where a layer lies in napari's world, and where labels of a level or a part of it lie."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_superpixels.axes import UNIT_UM

if TYPE_CHECKING:
    from napari_superpixels.engine.plan import Plan
    from napari_superpixels.napari_ui.snapshot import LayerSnapshot

Matrix = NDArray[np.float64]
Points = NDArray[np.float64]
"""Positions, shape (N, axes); whole numbers are pixel centres, as everywhere in napari."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The transform of a layer from pixels to the world: affine (rotate shear scale + translate).

    Plain values, one an axis, without the axis of colours; free to travel between threads.
    """

    scale: tuple[float, ...]
    """Distance between samples."""
    translate: tuple[float, ...]
    """Where the centre of the first sample lies, before `affine`."""
    rotate: tuple[tuple[float, ...], ...]
    """Rotation matrix."""
    shear: tuple[tuple[float, ...], ...]
    """Shear matrix, ones on its diagonal."""
    affine: tuple[tuple[float, ...], ...]
    """Homogeneous matrix that comes after the others."""
    units: tuple[str, ...]
    """Names of units; ``"pixel"`` where none is known."""
    axis_labels: tuple[str, ...]
    """What the layer calls its axes."""

    @classmethod
    def of(cls, layer: Any) -> Self:
        """Take the placement of a napari layer."""
        return cls(
            scale=tuple(map(float, layer.scale)),
            translate=tuple(map(float, layer.translate)),
            rotate=_as_tuples(layer.rotate),
            shear=_as_tuples(_shear_matrix(layer.shear, layer.ndim)),
            affine=_as_tuples(layer.affine),
            units=tuple(map(str, layer.units)),
            axis_labels=tuple(map(str, layer.axis_labels)),
        )

    @classmethod
    def of_world(cls, units: tuple[str, ...]) -> Self:
        """Return the placement of a layer whose pixels are the world itself."""
        n = len(units)
        eye, labels = _as_tuples(np.eye(n)), tuple(str(i) for i in range(-n, 0))
        return cls((1.0,) * n, (0.0,) * n, eye, eye, _as_tuples(np.eye(n + 1)), units, labels)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.scale)

    @property
    def matrix(self) -> Matrix:
        """Homogeneous matrix from pixels to the world."""
        own = np.eye(self.ndim + 1)
        own[:-1, :-1] = self._linear
        own[:-1, -1] = self.translate
        matrix: Matrix = np.asarray(self.affine) @ own
        return matrix

    def to_world(self, points: ArrayLike) -> Points:
        """Return positions in pixels as positions in the world, shape (N, axes)."""
        return _apply(self.matrix, np.asarray(points, np.float64))

    def to_data(self, points: ArrayLike) -> Points:
        """Return positions in the world as positions in pixels, shape (N, axes)."""
        inverse = np.linalg.inv(self.matrix)
        return _apply(inverse.astype(np.float64, copy=False), np.asarray(points, np.float64))

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between samples in the world along each axis, `affine` counted in."""
        return tuple(map(float, np.linalg.norm(self.matrix[:-1, :-1], axis=0)))

    @property
    def origin(self) -> tuple[float, ...]:
        """Where the centre of the first sample lies in the world."""
        return tuple(map(float, self.matrix[:-1, -1]))

    def as_layer_kwargs(self) -> dict[str, Any]:
        """Return keyword arguments of a layer that is to lie there."""
        return {
            "scale": self.scale,
            "translate": self.translate,
            "rotate": np.array(self.rotate),
            "shear": np.array(self.shear),
            "affine": np.array(self.affine),
            "units": self.units,
            "axis_labels": self.axis_labels,
        }

    def at_level(self, factors: Sequence[float]) -> Self:
        """Return the placement of a level whose samples hold so many of this one's, an axis each.

        Outer edges stay where they are, so centres move by half the difference.
        """
        moved = self.cropped([(factor - 1) / 2 for factor in factors])
        return replace(moved, scale=tuple(map(float, np.multiply(self.scale, factors))))

    def cropped(self, origin_px: Sequence[float]) -> Self:
        """Return the placement of the part that starts at a pixel, one number an axis."""
        moved = np.asarray(self.translate) + self._linear @ np.asarray(origin_px, float)
        return replace(self, translate=tuple(map(float, moved)))

    def with_ndim(self, ndim: int) -> Self:
        """Return the placement of as many axes, counted from the last: as it is, cut or padded.

        Labels of an image with single planes may have more or fewer axes than its layer.
        """
        cut, pad = max(self.ndim - ndim, 0), max(ndim - self.ndim, 0)
        return replace(
            self,
            scale=(1.0,) * pad + self.scale[cut:],
            translate=(0.0,) * pad + self.translate[cut:],
            rotate=_resized(self.rotate, cut, pad),
            shear=_resized(self.shear, cut, pad),
            affine=_resized(self.affine, cut, pad),
            units=("pixel",) * pad + self.units[cut:],
            axis_labels=tuple(str(i) for i in range(-ndim, -ndim + pad)) + self.axis_labels[cut:],
        )

    @property
    def _linear(self) -> Matrix:
        linear: Matrix = np.asarray(self.rotate) @ np.asarray(self.shear) @ np.diag(self.scale)
        return linear


def place_on(image: "LayerSnapshot", level: int) -> Placement:
    """Return where labels of a whole level of an image layer lie.

    The level is the layer's: a source that was opened from one array of it begins at 0 again.

    Raises
    ------
    InputError
        If the layer has no such level.
    """
    return image.placement.at_level(image.factors(level))


def labels_placement(image: "LayerSnapshot", level: int, plan: "Plan") -> Placement:
    """Return where the labels of a plan lie: exactly on the layer and level that it was made of.

    Raises
    ------
    InputError
        If the layer has no such level.
    """
    starts = (*(side.start for side in plan.leading), *plan.pixels.start)
    return place_on(image, level).with_ndim(len(starts)).cropped(starts)


def map_points(points: ArrayLike, start: Placement, to: Placement) -> Points:
    """Return positions in one layer's pixels as positions in another's.

    As on napari's canvas: axes are matched from the last one, lengths in different units are
    converted, and an axis that one of the layers lacks counts as 0.

    Parameters
    ----------
    points
        Shape (N, axes of `start`).
    start, to
        The layers whose pixels they are, and are to be.

    Returns
    -------
    ndarray
        Shape (N, axes of `to`).
    """
    world = start.to_world(points)
    common = min(start.ndim, to.ndim)
    aligned = np.zeros((len(world), to.ndim))
    units = zip(start.units[-common:], to.units[-common:])
    aligned[:, -common:] = world[:, -common:] * [_unit_ratio(a, b) for a, b in units]
    return to.to_data(aligned)


def _apply(matrix: Matrix, points: Points) -> Points:
    moved: Points = points @ matrix[:-1, :-1].T + matrix[:-1, -1]
    return moved


def _unit_ratio(unit: str, to: str) -> float:
    return UNIT_UM[unit] / UNIT_UM[to] if unit in UNIT_UM and to in UNIT_UM else 1.0


def _shear_matrix(shear: ArrayLike, ndim: int) -> Matrix:
    """Return a shear as a matrix; a vector holds what stands above the diagonal, row by row."""
    values = np.asarray(shear, np.float64)
    if values.ndim == 2:
        return values
    matrix = np.eye(ndim)
    rows, columns = np.triu_indices(ndim, 1)
    if len(values) == len(rows):  # napari may give a vector of zeros of another length
        matrix[rows, columns] = values
    return matrix


def _resized(
    matrix: tuple[tuple[float, ...], ...], cut: int, pad: int
) -> tuple[tuple[float, ...], ...]:
    """Return a matrix without its first axes, or with more of them that change nothing."""
    rest = np.asarray(matrix)[cut:, cut:]
    larger = np.eye(len(rest) + pad)
    larger[pad:, pad:] = rest
    return _as_tuples(larger)


def _as_tuples(matrix: ArrayLike) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in np.asarray(matrix))
