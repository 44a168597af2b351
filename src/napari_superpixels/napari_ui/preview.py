"""The preview of one widget: planned off the main thread, replaced when a parameter changes."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from napari_superpixels.engine.live import LiveView
from napari_superpixels.napari_ui.background import Latest, show
from napari_superpixels.napari_ui.live_layers import LiveLayers, Shown
from napari_superpixels.napari_ui.looks import look_of
from napari_superpixels.napari_ui.mailbox import Mailbox
from napari_superpixels.napari_ui.placement import Placement, place_on
from napari_superpixels.napari_ui.resolve import Request
from napari_superpixels.napari_ui.wanted import plan_of
from napari_superpixels.napari_ui.wording import OUT_OF_DATE

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """What a user wants to see."""

    request: Request
    """What to compute."""
    name: str
    """Image, method and step."""
    cache_bytes: int
    """Memory that tiles may be kept in."""


def open_view(wish: Wish, cancel: threading.Event) -> Shown:
    """Plan what is wanted and begin to look at it; reads the image, so never on the main thread."""
    plan, mailbox = plan_of(wish.request, cancel), Mailbox()
    view = LiveView(
        plan, cache_bytes=wish.cache_bytes, on_change=mailbox.changed, on_error=mailbox.failed
    )
    place = place_on(wish.request.images[0], wish.request.level).with_ndim(view.labels[0].ndim)
    return Shown(view, mailbox, place.as_layer_kwargs(), wish.name, look_of(view))


class Preview:
    """At most one set of live layers, which shows what was wished for last.

    Parameters
    ----------
    viewer
        Where it is shown.
    tell
        Told a sentence on what is on screen.
    ended
        Told when a preview ends, also where a person removed its layer.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        tell: Callable[[str], None],
        ended: Callable[[], None],
    ) -> None:
        self._viewer, self._tell, self._ended = viewer, tell, ended
        self._planning: Latest[Shown] = Latest(late=_close)
        self._live: LiveLayers | None = None
        self._wish: Wish | None = None
        self._boundaries = False
        self._hidden = False

    @property
    def on(self) -> bool:
        """Whether something is shown, or about to be."""
        return self._wish is not None

    @property
    def layers(self) -> "tuple[napari.layers.Layer, ...]":
        """The layers that are there."""
        return self._live.layers if self._live else ()

    def show(self, wish: Wish) -> None:
        """Show something, in the layers that are there if there are any."""
        self._wish = wish
        if self._live is not None:
            self._live.freeze()
        self._tell("Preview: planning.")
        self._planning.begin(partial(open_view, wish), self._arrived, self._refused)

    def show_boundaries(self, *, wanted: bool) -> None:
        """Show borders too, or no more; also of previews to come."""
        self._boundaries = wanted
        if self._live is not None:
            self._live.show_boundaries(wanted=wanted)

    def move(self, place: Placement) -> bool:
        """Move what is shown; return whether that is all, and nothing else is on its way."""
        if self._live is not None:
            self._live.move(place)
        return self._live is not None and not self._planning.busy

    def hide(self) -> None:
        """Make the layers invisible, until something else is wished for."""
        self._hidden = True
        self._show_layers(visible=False)

    def close(self) -> None:
        """Stop what computes the layers and remove them; may be called again."""
        self._planning.drop()
        self._wish = None
        if self._live is not None:
            self._live.close()
            self._live = None

    def stop(self) -> None:
        """Stop what computes the layers: the viewer goes, and they with it."""
        self._planning.drop()
        self._wish = None
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _show_layers(self, *, visible: bool) -> None:
        for layer in self.layers:
            layer.visible = visible

    def _arrived(self, shown: Shown) -> None:
        hidden, self._hidden = self._hidden, False
        if self._live is not None and self._live.fits(shown):
            self._live.replace(shown)
            if hidden:
                self._show_layers(visible=True)
            return
        if self._live is not None:
            self._live.close()
        self._live = LiveLayers(
            self._viewer, shown, boundaries=self._boundaries, tell=self._tell, ended=self._gone
        )

    def _refused(self, error: BaseException) -> None:
        """Tell why nothing can be shown; layers that are there wait for something that can be."""
        show(error)
        if self._live is None:
            self.close()
            self._ended()
        else:
            self._tell(OUT_OF_DATE)

    def _gone(self) -> None:
        self._live = self._wish = None
        self._planning.drop()
        self._ended()


def _close(shown: Shown) -> None:
    shown.view.close()
