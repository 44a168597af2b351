"""What the form tells of a layer: its levels, with sizes and the length of a pixel."""

from typing import TYPE_CHECKING

from napari_superpixels.axes import UNIT_UM

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


def pixel_um(layer: "napari.layers.Image", level: int = 0) -> float | None:
    """Return the length of a pixel of a level along x, in micrometers; None where not known."""
    unit = UNIT_UM.get(str(layer.units[-1]))
    if unit is None:
        return None
    factor = float(layer.level_shapes[0][-1]) / float(layer.level_shapes[level][-1])
    return abs(float(layer.scale[-1])) * unit * factor


def level_label(layer: "napari.layers.Image", level: int) -> str:
    """Return what a level is called, e.g. ``"2220 x 2967, 0.5 µm"``: width and height."""
    height, width = (int(size) for size in layer.level_shapes[level][-2:])
    length = pixel_um(layer, level)
    return f"{width} x {height}" + (f", {length:.2g} µm" if length else "")
