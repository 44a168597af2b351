"""The live view: what a plan gives appears where it is looked at, without ever blocking."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from napari_superpixels.engine.live_array import LiveLevel
from napari_superpixels.engine.live_dense import DenseLevel, dense_levels
from napari_superpixels.engine.live_levels import label_levels
from napari_superpixels.engine.live_view import (
    CACHE_BYTES,
    LiveStatus,
    LiveTiles,
    TileView,
    log_error,
    nothing,
)
from napari_superpixels.engine.plan import Plan
from napari_superpixels.errors import InputError

__all__ = ["CACHE_BYTES", "LiveLevel", "LiveStatus", "LiveView"]


LEVELS: Mapping[str, Callable[[Plan], Sequence[Any]]] = MappingProxyType(
    {"superpixels": label_levels, "classes": dense_levels, "map": dense_levels}
)
"""What makes the levels, by the kind of output."""


class LiveView(LiveTiles):
    """Superpixels, classes or numbers that appear where they are looked at; asking never blocks.

    One thread makes the tiles of all views of a process: those that were asked for last first, and
    among them from the middle outwards. The finest level is what a run writes; coarser levels are
    a picture of it.

    Parameters
    ----------
    plan
        What is to be seen; statistics must have been measured.
    cache_bytes
        What is kept of the tiles, at one byte a pixel (two for more than 255 classes, four for
        numbers).
    on_change
        Called by the thread that makes tiles, after each.
    on_error
        Called by that thread with the error of the first tile that could not be made.

    Raises
    ------
    InputError
        If the plan has no statistics although its method needs them, or gives probabilities.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        cache_bytes: int = CACHE_BYTES,
        on_change: Callable[[], None] = nothing,
        on_error: Callable[[Exception], None] = log_error,
    ) -> None:
        if plan.deferred:
            raise InputError(
                f"The plan of {plan.source.name} has no statistics, which {plan.method.name} "
                f"needs; make it with plan(), which measures them."
            )
        if plan.output.kind not in LEVELS:
            raise InputError(
                f"A preview shows superpixels, classes and numbers, not the {plan.output.noun} "
                f"that {plan.method.name} gives here; run the plan and open its output."
            )
        self.plan = plan
        levels = LEVELS[plan.output.kind](plan)
        self._view = TileView(
            levels, cache_bytes=cache_bytes, on_change=on_change, on_error=on_error
        )
        leading = plan.source.axes.leading_shape
        self.labels = tuple(
            LiveLevel(self._view, number, leading, level.labels, plan.dtype)
            for number, level in enumerate(levels)
        )
        """The labels, or numbers, the finest level first; type `plan.dtype`."""
        self.boundaries = tuple(
            LiveLevel(self._view, number, leading, level.edges, beyond=level.beyond)
            for number, level in enumerate(levels)
            if plan.output.labels
        )
        """1 where the right or the lower neighbour has another label; uint8, of the same tiles;
        numbers have none."""

    @property
    def span(self) -> tuple[float, float] | None:
        """Between which numbers those lie that can come, or that came so far, but for a few.

        None of labels, and as long as there is nothing to tell it from.
        """
        said = self.plan.output.span
        finest = self._view.levels[0]
        if said is None and isinstance(finest, DenseLevel) and finest.seen is not None:
            return finest.seen.span
        return said
