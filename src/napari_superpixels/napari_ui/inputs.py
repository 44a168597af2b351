"""The layers that a preview is made from: told when one of them is moved, or holds other data."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari.layers

MOVES = ("scale", "translate", "rotate", "shear", "affine", "units")
"""What a layer emits when it is moved."""
EDITS = ("data", "paint")
"""What a layer emits when its data are others; layers have those that they can emit."""
UNFINISHED = ("adding", "removing", "changing")
"""Of an edit that is followed by word of its end."""


class Inputs:
    """Listens to layers until it listens to others.

    Parameters
    ----------
    moved
        Told that an image was moved.
    changed
        Told that the pixels of an image are others, or that another layer is another in any way.
    """

    def __init__(self, moved: Callable[[], None], changed: Callable[[], None]) -> None:
        self._moved, self._changed = moved, changed
        self._heard: list[tuple[Any, Callable[[Any], None]]] = []

    def listen_to(
        self,
        images: "Iterable[napari.layers.Layer]",
        others: "Iterable[napari.layers.Layer]" = (),
    ) -> None:
        """Listen to images and to other layers (masks, regions), and to nothing else any more."""
        self.drop()
        for layer in images:
            self._connect(layer, MOVES, self._tell_moved)
            self._connect(layer, EDITS, self._tell_changed)
        for layer in others:
            self._connect(layer, (*MOVES, *EDITS), self._tell_changed)

    def drop(self) -> None:
        """Listen to nothing any more."""
        for emitter, callback in self._heard:
            emitter.disconnect(callback)
        self._heard = []

    def _connect(
        self, layer: "napari.layers.Layer", names: tuple[str, ...], callback: Callable[[Any], None]
    ) -> None:
        for name in names:
            emitter = getattr(layer.events, name, None)
            if emitter is not None:
                emitter.connect(callback)
                self._heard.append((emitter, callback))

    def _tell_moved(self, _: Any) -> None:
        self._moved()

    def _tell_changed(self, event: Any) -> None:
        action = getattr(event, "action", "")
        if getattr(action, "value", action) not in UNFINISHED:
            self._changed()
