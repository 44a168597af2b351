"""What a user wants to know of the objects of a class layer: opened, found, and shown in place."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_superpixels.engine.instance_intent import intended_instances
from napari_superpixels.engine.instance_plan import InstancePlan
from napari_superpixels.engine.instances import run_instances
from napari_superpixels.engine.tally import Tally
from napari_superpixels.io import Source
from napari_superpixels.napari_ui.finished import finished_layer
from napari_superpixels.napari_ui.objects_wording import found_sentence
from napari_superpixels.napari_ui.outputs import Output, Place
from napari_superpixels.napari_ui.placement import place_on
from napari_superpixels.napari_ui.reader import LayerData
from napari_superpixels.napari_ui.resolve import check_layer, open_layer
from napari_superpixels.napari_ui.snapshot import LayerSnapshot


@dataclass(frozen=True, slots=True, eq=False)
class FoundObjects:
    """Objects that were found."""

    path: Path
    """Where they lie."""
    count: int
    """How many."""
    whole: int
    """Those that were too large to be split."""
    layer: LayerData
    """What to add to the viewer."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectsErrand:
    """Which objects a user wants: made on the main thread, done elsewhere."""

    layer: LayerSnapshot
    """The class map."""
    settings: Mapping[str, Any]
    """What counts as an object, as `instances` takes it."""
    output: Output
    """Where to write them."""
    name: str
    """What they are called."""

    def plan(self, cancel: threading.Event) -> InstancePlan:
        """Return the plan.

        Raises
        ------
        SuperpixelsError
            If the layer is no class map, or a setting cannot be used.
        """
        del cancel
        return intended_instances(open_classes(self.layer), self.settings)

    def asks(self, plan: InstancePlan) -> bool:
        """Whether to ask first: never, for nothing is as long as a run of a network."""
        del plan
        return False

    def write(
        self, plan: InstancePlan, place: Place, tally: Tally, cancel: threading.Event
    ) -> FoundObjects:
        """Find them, and open what was written."""
        found = run_instances(plan, place.path, listener=tally, cancel=cancel, resume=place.resume)
        data, keywords, kind = finished_layer(found.path)
        where = place_on(self.layer, 0).with_ndim(2).as_layer_kwargs()
        layer = (data, keywords | where | {"name": self.name}, kind)
        return FoundObjects(found.path, found.count, found.whole, layer)

    def step(self, plan: InstancePlan) -> None:
        """Count no superpixels."""
        del plan

    def outcome(self, finished: FoundObjects) -> str:
        """Return what was found, and where it lies."""
        return found_sentence(finished.count, finished.whole, finished.path.name)


def open_classes(layer: LayerSnapshot) -> Source:
    """Open a class layer: its file where it shows one, else its pixels as they are now.

    Pixels in memory are copied: painting on changes nothing of what was asked for.

    Raises
    ------
    SuperpixelsError
        If it cannot be used.
    """
    check_layer(layer, 0)
    return open_layer(replace(layer, levels=tuple(map(_kept, layer.levels))), 0)


def _kept(level: Any) -> Any:
    return level.copy() if isinstance(level, np.ndarray) else level
