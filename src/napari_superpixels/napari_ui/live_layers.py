"""A live view as layers of a viewer: kept fresh, never editable, gone together."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_superpixels.napari_ui.live_care import LiveCare
from napari_superpixels.napari_ui.live_layer import LayerPlace, LiveLayer
from napari_superpixels.napari_ui.looks import Look, border_look, limits_of
from napari_superpixels.napari_ui.mailbox import Mailbox
from napari_superpixels.napari_ui.placement import Placement
from napari_superpixels.napari_ui.wording import preview_sentence

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

    from napari_superpixels.engine.live import LiveView

SUFFIX = "(preview)"
"""How the name of a preview ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What a preview shows."""

    view: "LiveView"
    """The labels, or numbers."""
    mailbox: Mailbox
    """Where its worker leaves word."""
    place: LayerPlace
    """Where level 0 of the view lies: keyword arguments of a layer."""
    name: str
    """Image, method and step."""
    look: Look
    """What its layer looks like."""


class LiveLayers:
    """The layers of a preview; labels with their boundaries when asked for, or numbers.

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
        Told when somebody else removed the labels or numbers.
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
        self._said = ""
        self._limits: tuple[float, float] | None = None
        self._values = LiveLayer(viewer, shown.view.labels, _name(shown), shown.look, shown.place)
        self._live_borders: LiveLayer | None = None
        self._care = LiveCare(
            viewer, self.layer, shown.mailbox, ended=self._gone, ticked=self._ticked
        )
        self._care.add(self.layer)
        self.show_boundaries(wanted=boundaries)

    @property
    def layer(self) -> "napari.layers.Layer":
        """The layer of the labels, or of the numbers."""
        return self._values.layer

    @property
    def layers(self) -> "tuple[napari.layers.Layer, ...]":
        """The layers that are there."""
        return self._care.layers

    @property
    def _borders(self) -> LiveLayer | None:
        """The boundaries, unless somebody removed them."""
        live = self._live_borders
        return live if live is not None and live.layer in self.layers else None

    def fits(self, shown: Shown) -> bool:
        """Return whether something can be shown in the same layers: of their kind, and axes."""
        alike = shown.look.kind == self._shown.look.kind
        return alike and bool(self.layers) and self.layer.ndim == shown.view.labels[0].ndim

    def freeze(self) -> None:
        """Compute no more tiles: what is shown is out of date, and something else is on its way."""
        self._shown.view.close()

    def replace(self, shown: Shown) -> None:
        """Show something else; what the user did to the layers stays."""
        self._shown.view.close()
        self._limits = None
        self._said = ""  # somebody may have said something else in the meantime
        self._shown, self._care.mailbox = shown, shown.mailbox
        self._values.put(shown.view.labels, _name(shown), shown.place, shown.look)
        if self._borders is not None:
            name, look = _borders_name(shown), border_look()
            self._borders.put(shown.view.boundaries, name, shown.place, look)
        self._tell_what_is_seen()

    def move(self, placement: Placement) -> None:
        """Move the layers, as their image was."""
        place = placement.with_ndim(self.layer.ndim).as_layer_kwargs()
        self._shown = replace(self._shown, place=place)
        self._values.move(place)
        if self._borders is not None:
            self._borders.move(place)

    def show_boundaries(self, *, wanted: bool) -> None:
        """Add the layer of boundaries, or remove it; numbers have none."""
        shown = self._shown
        if wanted and self._borders is None and shown.view.boundaries:
            levels, name = shown.view.boundaries, _borders_name(shown)
            self._live_borders = LiveLayer(self._viewer, levels, name, border_look(), shown.place)
            self._care.add(self._live_borders.layer)
        elif not wanted and self._borders is not None:
            self._care.remove(self._borders.layer)
            self._live_borders = None

    def close(self) -> None:
        """Stop what computes the layers and remove them; may be called again."""
        self._shown.view.close()
        self._care.close()

    def stop(self) -> None:
        """Stop what computes the layers and look after them no more; may be called again."""
        self._shown.view.close()
        self._care.stop()

    def _gone(self) -> None:
        """Somebody removed the labels or numbers."""
        self._shown.view.close()
        self._ended()

    def _ticked(self) -> None:
        """Draw numbers between those that are known by now, and tell what is seen."""
        if self._shown.look.kind == "image":
            limits, before = limits_of(self._shown.view), self._limits
            self._limits = limits
            if limits != before:  # what is set is drawn anew
                self._values.wear({"contrast_limits": limits})
        self._tell_what_is_seen()

    def _tell_what_is_seen(self) -> None:
        """Tell a sentence, once: what others say in the meantime is not covered."""
        if not self.layer.visible:
            return
        view = self._shown.view
        sentence = preview_sentence(view.labels[self.layer.data_level].kind, view.status())
        if sentence != self._said:
            self._said = sentence
            self._tell(sentence)


def _name(shown: Shown) -> str:
    unit = f" [{shown.look.unit}]" if shown.look.unit else ""
    return f"{shown.name}{unit} {SUFFIX}"


def _borders_name(shown: Shown) -> str:
    return f"{shown.name} boundaries {SUFFIX}"
