"""What the form tells of layers: levels with sizes, and which of them are one image."""

from typing import TYPE_CHECKING, Any

from napari_superpixels.axes import UNIT_UM
from napari_superpixels.napari_ui.placement import Placement

if TYPE_CHECKING:
    import napari.layers

OURS = "napari_superpixels"
"""Key of what we write into a layer's metadata."""
PREVIEW = {OURS: {"preview": True}}
"""The metadata of a preview."""


def is_preview(layer: "napari.layers.Layer") -> bool:
    """Return whether a layer is one of our previews."""
    ours = layer.metadata.get(OURS, {})
    return isinstance(ours, dict) and bool(ours.get("preview"))


def class_names_of(layer: "napari.layers.Labels") -> dict[int, str]:
    """Return the names of classes by their numbers, where a layer is a finished run of classes.

    Not of 0, which is background.
    """
    ours = layer.metadata.get(OURS, {})
    table = layer.features
    if "path" not in ours or set(table.columns) != {"index", "class"}:
        return {}
    named = zip(map(int, table["index"]), map(str, table["class"]), strict=True)
    return {number: name for number, name in named if number}


def may_hold_classes(layer: "napari.layers.Labels") -> bool:
    """Whether a Labels layer may be a class map: no preview, and no superpixels or objects of ours.

    Of others nothing is known before they are read.
    """
    finished = "path" in layer.metadata.get(OURS, {})
    return not is_preview(layer) and (not finished or bool(class_names_of(layer)))


def pixel_um(layer: "napari.layers.Image", level: int = 0) -> float | None:
    """Return the length of a pixel of a level along x, in micrometers; None where not known."""
    unit = UNIT_UM.get(str(layer.units[-1]))
    if unit is None:
        return None
    factor = float(layer.level_shapes[0][-1]) / float(layer.level_shapes[level][-1])
    return abs(float(layer.scale[-1])) * unit * factor


def pixel_um2(layer: "napari.layers.Labels") -> float | None:
    """Return the area of a pixel in square micrometers; None where it is not known."""
    height, width = (UNIT_UM.get(str(unit)) for unit in layer.units[-2:])
    if height is None or width is None:
        return None
    return abs(float(layer.scale[-2]) * height * float(layer.scale[-1]) * width)


def level_label(layer: "napari.layers.Image", level: int) -> str:
    """Return what a level is called, e.g. ``"2220 x 2967, 0.5 µm"``: width and height."""
    height, width = (int(size) for size in layer.level_shapes[level][-2:])
    length = pixel_um(layer, level)
    return f"{width} x {height}" + (f", {length_text(length)}" if length else "")


LENGTHS = {"nm": (1e-3, 0.0), "µm": (1.0, 0.1), "mm": (1e3, 1e3), "m": (1e6, 1e5), "km": (1e9, 1e9)}
"""Units in which lengths are told: how long each is, and from which length on, in micrometers."""


def length_text(um: float) -> str:
    """Return a length in the unit that is usual for it, e.g. ``"4 nm"``, ``"0.5 µm"``."""
    unit, size = next(
        (unit, size) for unit, (size, least) in reversed(LENGTHS.items()) if um >= least
    )
    return f"{float(f'{um / size:.3g}'):g} {unit}"


def layers_of_image(
    layer: "napari.layers.Image", among: "list[napari.layers.Image]"
) -> "list[napari.layers.Image]":
    """Return the layers that show the channels of one file on one grid; at least the one given.

    Parameters
    ----------
    layer
        One of them.
    among
        Layers that may be others, in the order in which they are to be returned.
    """
    return [other for other in among if other == layer or _one_image(layer, other)]


def _one_image(layer: "napari.layers.Image", other: "napari.layers.Image") -> bool:
    file = _file(layer)
    return (
        file is not None
        and file == _file(other)
        and not (layer.rgb or other.rgb)
        and tuple(layer.level_shapes[0]) == tuple(other.level_shapes[0])
        and Placement.of(layer) == Placement.of(other)
    )


def _file(layer: "napari.layers.Image") -> Any:
    """Return what tells the file of a layer from others; None where it is of none."""
    ours = layer.metadata.get(OURS, {})
    opened = ours.get("opened") if isinstance(ours, dict) else None
    if opened:
        return {name: value for name, value in opened.items() if name != "channels"}
    return layer.source.path
