"""A live view as layers of a viewer: kept fresh, never editable, gone together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_superpixels.napari_ui.colours import class_colours, superpixel_colours
from napari_superpixels.napari_ui.live_care import LiveCare
from napari_superpixels.napari_ui.live_layer import LayerPlace, LiveLayer
from napari_superpixels.napari_ui.mailbox import Mailbox
from napari_superpixels.napari_ui.placement import Placement
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
    place: LayerPlace
    """Where level 0 of the view lies: keyword arguments of a layer."""
    name: str
    """Image, method and step."""
    colours: Any
    """A colormap in which neighbours differ."""
    features: Mapping[str, Sequence[Any]]
    """What is known of each label: names of classes."""


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
        self._said = ""
        self._labels = LiveLayer(
            viewer, shown.view.labels, _labels_name(shown), shown.colours, shown.place
        )
        self.labels.features = shown.features
        self._live_borders: LiveLayer | None = None
        self._care = LiveCare(
            viewer, self.labels, shown.mailbox, ended=self._gone, ticked=self._tell_what_is_seen
        )
        self._care.add(self.labels)
        self.show_boundaries(wanted=boundaries)

    @property
    def labels(self) -> "napari.layers.Labels":
        """The layer of the labels."""
        return self._labels.layer

    @property
    def layers(self) -> "tuple[napari.layers.Labels, ...]":
        """The layers that are there."""
        return self._care.layers

    @property
    def _borders(self) -> LiveLayer | None:
        """The boundaries, unless somebody removed them."""
        live = self._live_borders
        return live if live is not None and live.layer in self.layers else None

    def fits(self, shown: Shown) -> bool:
        """Return whether something can be shown in the same layers: its axes are as many."""
        return bool(self.layers) and self.labels.ndim == shown.view.labels[0].ndim

    def freeze(self) -> None:
        """Compute no more tiles: what is shown is out of date, and something else is on its way."""
        self._shown.view.close()

    def replace(self, shown: Shown) -> None:
        """Show something else; what the user did to the layers stays."""
        self._shown.view.close()
        self._said = ""  # somebody may have said something else in the meantime
        self._shown, self._care.mailbox = shown, shown.mailbox
        self._labels.put(shown.view.labels, _labels_name(shown), shown.place, shown.colours)
        self.labels.features = shown.features
        if self._borders is not None:
            self._borders.put(shown.view.boundaries, _borders_name(shown), shown.place)
        self._tell_what_is_seen()

    def move(self, placement: Placement) -> None:
        """Move the layers, as their image was."""
        place = placement.with_ndim(self.labels.ndim).as_layer_kwargs()
        self._shown = replace(self._shown, place=place)
        self._labels.move(place)
        if self._borders is not None:
            self._borders.move(place)

    def show_boundaries(self, *, wanted: bool) -> None:
        """Add the layer of boundaries, or remove it."""
        if wanted and self._borders is None:
            shown = self._shown
            self._live_borders = LiveLayer.of_borders(
                self._viewer, shown.view.boundaries, _borders_name(shown), shown.place
            )
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
        """Somebody removed the labels."""
        self._shown.view.close()
        self._ended()

    def _tell_what_is_seen(self) -> None:
        """Tell a sentence, once: what others say in the meantime is not covered."""
        if not self.labels.visible:
            return
        view = self._shown.view
        sentence = preview_sentence(view.labels[self.labels.data_level].kind, view.status())
        if sentence != self._said:
            self._said = sentence
            self._tell(sentence)


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


def _labels_name(shown: Shown) -> str:
    return f"{shown.name} {SUFFIX}"


def _borders_name(shown: Shown) -> str:
    return f"{shown.name} boundaries {SUFFIX}"
