"""A live view as layers of a viewer: kept fresh, never editable, gone together."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_superpixels.napari_ui.background import show
from napari_superpixels.napari_ui.colours import superpixel_colours
from napari_superpixels.napari_ui.live_layer import (
    REFRESH_MS,
    Place,
    add_live_borders,
    add_live_labels,
    move,
    refresh,
    remove,
)
from napari_superpixels.napari_ui.mailbox import Mailbox
from napari_superpixels.napari_ui.wording import preview_sentence

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

    from napari_superpixels.engine.live import LiveView
    from napari_superpixels.engine.plan import Plan

SUFFIX = "(preview)"
"""How the name of a preview ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What a preview shows."""

    view: "LiveView"
    """The labels."""
    mailbox: Mailbox
    """Where its worker leaves word."""
    place: Place
    """Where level 0 of the view lies: keyword arguments of a layer."""
    name: str
    """Image, method and step."""
    colours: Any
    """A colormap in which neighbours differ."""


class LiveLayers:
    """The layers of a preview; the labels, and their boundaries when asked for.

    Parameters
    ----------
    viewer
        Where they are added.
    shown
        What they show first; `replace` shows something else in the same layers.
    boundaries
        Whether borders are shown too.
    tell
        Told a sentence on what is on screen, whenever it may have changed.
    ended
        Told when somebody else removed the labels.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        shown: Shown,
        *,
        boundaries: bool = False,
        tell: Callable[[str], None] = lambda _: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._viewer, self._shown, self._tell, self._ended = viewer, shown, tell, ended
        self._closed, self._said = False, ""
        self.labels = self._add_labels()
        self._borders: napari.layers.Labels | None = None
        self.show_boundaries(wanted=boundaries)
        self._timer = QTimer()
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()
        # The bound method is held by a function, and that by the viewer's list of layers: so these
        # layers are looked after for as long as they are there, whether or not anybody else cares.
        self._watch = partial(LiveLayers._removed, self)
        viewer.layers.events.removed.connect(self._watch)

    @property
    def layers(self) -> "tuple[napari.layers.Labels, ...]":
        """The layers that are there."""
        if self._closed:
            return ()
        return (self.labels,) if self._borders is None else (self.labels, self._borders)

    def fits(self, shown: Shown) -> bool:
        """Return whether something can be shown in the same layers: its axes are as many."""
        return not self._closed and self.labels.ndim == shown.view.labels[0].ndim

    def freeze(self) -> None:
        """Compute no more tiles: what is shown is out of date, and something else is on its way."""
        self._shown.view.close()

    def replace(self, shown: Shown) -> None:
        """Show something else; what the user did to the layers stays."""
        self._shown.view.close()
        self._shown = shown
        self._put(self.labels, shown.view.labels, _labels_name(shown))
        self.labels.colormap = shown.colours
        if self._borders is not None:
            self._put(self._borders, shown.view.boundaries, _borders_name(shown))
        self._tick()

    def show_boundaries(self, *, wanted: bool) -> None:
        """Add the layer of boundaries, or remove it."""
        if wanted and self._borders is None:
            self._borders = self._add_borders()
            self.labels.events.visible.connect(self._follow)
        elif not wanted and self._borders is not None:
            borders, self._borders = self._borders, None
            self.labels.events.visible.disconnect(self._follow)
            remove(self._viewer, borders)

    def close(self) -> None:
        """Stop what computes the layers and remove them; may be called again."""
        layers = self.layers
        self.stop()
        for layer in layers:
            remove(self._viewer, layer)

    def stop(self) -> None:
        """Stop what computes the layers and look after them no more; may be called again."""
        if self._closed:
            return
        self._closed = True
        self._shown.view.close()
        self._timer.stop()
        self._viewer.layers.events.removed.disconnect(self._watch)

    def _removed(self, event: Any) -> None:
        if event.value == self.labels:
            self.close()
            self._ended()
        elif self._borders is not None and event.value == self._borders:
            self._borders = None

    def _tick(self) -> None:
        if self._shown.mailbox.fetch_change():
            refresh(*self.layers)
        if error := self._shown.mailbox.fetch_error():
            show(error)
        if self.labels.visible:
            view = self._shown.view
            kind = view.labels[self.labels.data_level].kind
            self._say(preview_sentence(kind, view.status()))

    def _say(self, sentence: str) -> None:
        """Tell a sentence, once: what others say in the meantime is not covered."""
        if sentence != self._said:
            self._said = sentence
            self._tell(sentence)

    def _follow(self) -> None:
        if self._borders is not None:
            self._borders.visible = self.labels.visible

    def _put(self, layer: "napari.layers.Labels", levels: Any, name: str) -> None:
        layer.data = list(levels)
        layer.name = name
        move(layer, self._shown.place)

    def _add_labels(self) -> "napari.layers.Labels":
        shown = self._shown
        name = _labels_name(shown)
        return add_live_labels(self._viewer, shown.view.labels, name, shown.place, shown.colours)

    def _add_borders(self) -> "napari.layers.Labels":
        shown = self._shown
        name = _borders_name(shown)
        borders = add_live_borders(self._viewer, shown.view.boundaries, name, shown.place)
        borders.visible = self.labels.visible
        return borders


def colours_of(plan: "Plan") -> Any:
    """Return colours for the labels of a plan; of the whole lattice, as ids are."""
    rows, columns = plan.lattice.cells
    return superpixel_colours((rows, columns), plan.lattice.planes)


def _labels_name(shown: Shown) -> str:
    return f"{shown.name} {SUFFIX}"


def _borders_name(shown: Shown) -> str:
    return f"{shown.name} boundaries {SUFFIX}"
