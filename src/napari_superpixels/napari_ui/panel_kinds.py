"""What tells panels apart that are made of the same parts: their methods, and what follows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from napari_superpixels.models.registry import DENSE, METHODS
from napari_superpixels.napari_ui.remembered import Remembered, RememberedSegmenting
from napari_superpixels.napari_ui.step_fields import NoStep, StepFields
from napari_superpixels.napari_ui.tooltips import SEGMENT_TOOLTIPS, TOOLTIPS


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelKind:
    """One panel that previews and runs methods."""

    methods: tuple[str, ...]
    """Names of the methods; of a single one there is nothing to choose."""
    step: Callable[[Remembered], NoStep]
    """Makes the fields of the step, from what they begin with."""
    remembered: type[Remembered]
    """What is kept between widgets, and in which file."""
    tooltips: Mapping[str, str]
    """By name of the field or button."""
    of_runs: frozenset[str] = frozenset()
    """Parameters that a preview leaves out: what a run then writes cannot be shown as labels."""


SUPERPIXELS = PanelKind(
    methods=tuple(METHODS), step=StepFields, remembered=Remembered, tooltips=TOOLTIPS
)
"""The panel *Superpixels*."""
SEGMENT = PanelKind(
    methods=tuple(DENSE),
    step=NoStep,
    remembered=RememberedSegmenting,
    tooltips=SEGMENT_TOOLTIPS,
    of_runs=frozenset({"probabilities"}),
)
"""The panel *Segment*."""
