"""The live view: labels of a plan that appear where they are looked at, without ever blocking."""

from collections.abc import Callable

from napari_superpixels.engine.live_array import LiveLevel
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


class LiveView(LiveTiles):
    """The labels of a plan that appear where they are looked at; asking never blocks.

    One thread makes the tiles of all views of a process: those that were asked for last first, and
    among them from the middle outwards. At the finest level labels are those of a run; coarser
    levels are a picture of them.

    Parameters
    ----------
    plan
        What is to be seen; statistics must have been measured.
    cache_bytes
        What is kept of the tiles, at one byte a pixel.
    on_change
        Called by the thread that makes tiles, after each.
    on_error
        Called by that thread with the error of the first tile that could not be made.

    Raises
    ------
    InputError
        If the plan has no statistics although its method needs them.
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
        self.plan = plan
        levels = label_levels(plan)
        self._view = TileView(
            levels, cache_bytes=cache_bytes, on_change=on_change, on_error=on_error
        )
        leading = plan.source.axes.leading_shape
        self.labels = tuple(
            LiveLevel(self._view, number, leading, level.labels, plan.dtype)
            for number, level in enumerate(levels)
        )
        """The labels, the finest level first; type `plan.dtype`."""
        self.boundaries = tuple(
            LiveLevel(self._view, number, leading) for number in range(len(levels))
        )
        """1 where the right or the lower neighbour has another label; uint8, of the same tiles."""
