"""How live layers look: labels in colours in which neighbours differ, numbers along a scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap

from napari_superpixels.napari_ui.colours import class_colours, superpixel_colours

if TYPE_CHECKING:
    from napari_superpixels.engine.live import LiveView
    from napari_superpixels.engine.plan import Plan

BORDER = (1.0, 0.9, 0.1, 1.0)
"""Colour of boundaries, red, green, blue, alpha: a yellow that is seen on most images."""
SCALE = "viridis"
"""Colours of numbers: equal steps look equal, also to those who tell few colours apart."""
UNKNOWN = (0.0, 1.0)
"""Between which numbers colours run before any is known."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """How a live layer looks."""

    kind: str
    """``"labels"`` or ``"image"``: as which layer napari shows it."""
    worn: Mapping[str, Any]
    """Colours and the like by the layer's names: those of the user stay."""
    features: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """What is known of each label: names of classes."""
    unit: str = ""
    """Of numbers; empty where they have none."""
    opacity: float = 0.5


def look_of(view: "LiveView") -> Look:
    """Return how what a view shows looks; colours take a while, so not on the main thread."""
    plan = view.plan
    if plan.output.labels:
        return Look("labels", {"colormap": colours_of(plan)}, class_names(plan))
    worn = {"colormap": SCALE, "contrast_limits": limits_of(view)}
    return Look("image", worn, unit=plan.output.unit, opacity=0.6)


def border_look() -> Look:
    """Return how boundaries look: one colour."""
    # A cycle of one: for a direct colormap napari has numba compile for seconds, at once.
    colours = CyclicLabelColormap(colors=np.array([(0.0,) * 4, BORDER]), name="boundaries")
    return Look("labels", {"colormap": colours}, opacity=0.9)


def limits_of(view: "LiveView") -> tuple[float, float]:
    """Return between which numbers colours run: those that can come, or came so far."""
    low, high = view.span or UNKNOWN
    return (low, high) if low < high else (low, low + 1)


def colours_of(plan: "Plan") -> Any:
    """Return colours for the labels of a plan, of the whole lattice, as ids are; or of classes."""
    if plan.output.legend:
        return class_colours({one.id: one.rgba for one in plan.output.legend})
    rows, columns = plan.lattice.cells
    return superpixel_colours((rows, columns), plan.lattice.planes)


def class_names(plan: "Plan") -> dict[str, list[Any]]:
    """Return ids and names of the classes of a plan, one row each; nothing of superpixels."""
    legend = plan.output.legend
    if not legend:
        return {}
    return {"index": [one.id for one in legend], "class": [one.name for one in legend]}
