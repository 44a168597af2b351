"""The sentences and names that the widget shows; pure text, no Qt."""

from typing import TYPE_CHECKING

from napari_superpixels.engine.events import speed
from napari_superpixels.engine.tally import Progress, duration
from napari_superpixels.models.registry import needs_weights, network_of
from napari_superpixels.models.trained import NETWORK, RECIPE

if TYPE_CHECKING:
    from napari_superpixels.engine.live import LiveStatus

PREPARING = "Preparing kernels, once on this machine; this may take a minute or two."
OUT_OF_DATE = "Preview: out of date; it goes on when the settings can be used."
KINDS = {
    "exact": "Preview: exact, as a run gives it.",
    "approximate": "Preview: approximate at this zoom; zoom in to see it exactly.",
    "blank": "Preview: nothing at this zoom; zoom in.",
    "cells": "Preview: only the grid of cells at this zoom; zoom in for superpixels.",
}
"""What is shown, by the kind of the level on screen."""


def method_text(method: str) -> str:
    """Return what a method is called in a list, e.g. ``"scn (needs weights)"``."""
    return f"{method} (needs weights)" if needs_weights(method) else method


def no_weights_sentence(method: str) -> str:
    """Return what to do about a method that comes without weights."""
    if network_of(method) == NETWORK:
        writer = f"'napari-superpixels train {RECIPE}' writes"
    else:
        writer = f"the panel Train or 'napari-superpixels train {method}' writes"
    return f"{method} comes without weights; choose some under Weights, such as {writer}."


def layer_name(image: str, method: str, step: str) -> str:
    """Return what labels are called, e.g. ``"cells slic 16px"``."""
    return f"{image} {method} {step}"


def step_text(settings: "dict[str, object]") -> str:
    """Return the step of settings with its unit, e.g. ``"16px"`` or ``"8um"``."""
    if "step_um" in settings:
        return f"{settings['step_um']:g}um"
    return f"{settings['step']}px"


def lost_sentence(name: str, what: str) -> str:
    """Return that a layer is gone which the form named as its mask or region."""
    return (
        f"The layer {name}, chosen as {what}, was removed; choose another {what}, or go on "
        f"without one."
    )


def preview_sentence(kind: str, status: "LiveStatus") -> str:
    """Return what a preview shows at present."""
    if status.waiting and kind != "cells":
        tiles = "1 tile" if status.waiting == 1 else f"{status.waiting} tiles"
        return f"Preview: {tiles} to come."
    if status.failed:
        return "Preview: some tiles could not be computed."
    return KINDS[kind]


def run_sentence(progress: Progress, step_px: int | None) -> str:
    """Return how far a run is, its rate and the time left; without a step nothing is counted."""
    if not progress.tiles:
        return "Run: planning."
    rate, left = progress.pixels_per_second, progress.seconds_left
    words = [f"{progress.done} of {progress.tiles} tiles"]
    if rate:
        counted = f", {rate / step_px**2:,.0f} superpixels/s" if step_px else ""
        words.append(f"{speed(rate)}{counted}")
    if left is not None:
        words.append(f"about {duration(left)} left")
    return f"Run: {', '.join(words)}."
