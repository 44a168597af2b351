"""Where an image lies: named axes as napari's scale, translate, units and axis labels."""

from typing import Any

from napari_superpixels.axes import Axes, Axis

UNITS = frozenset(
    [
        *("angstrom", "picometer", "nanometer", "micrometer", "millimeter", "centimeter"),
        *("decimeter", "meter", "kilometer", "inch", "foot", "yard", "mile", "degree", "radian"),
        *("nanosecond", "microsecond", "millisecond", "second", "minute", "hour", "day"),
    ]
)
"""Units that napari knows by the names that NGFF gives them; of any other an axis has pixels."""


def layer_place(axes: Axes) -> dict[str, Any]:
    """Return keyword arguments of a layer that shows the planes of an image.

    Parameters
    ----------
    axes
        Of the finest level; channels are no axis of a layer.

    Returns
    -------
    dict
        ``scale``, ``translate`` (the centre of the first pixel), ``axis_labels``, and ``units``
        where at least one axis has one.
    """
    shown = [axis for axis in axes.items if axis.name != "c"]
    place: dict[str, Any] = {
        "scale": [axis.spacing for axis in shown],
        "translate": [axis.origin for axis in shown],
        "axis_labels": [axis.name for axis in shown],
    }
    if any(axis.unit in UNITS for axis in shown):
        place["units"] = [_unit(axis) for axis in shown]
    return place


def _unit(axis: Axis) -> str:
    return axis.unit if axis.unit in UNITS and axis.unit else "pixel"
