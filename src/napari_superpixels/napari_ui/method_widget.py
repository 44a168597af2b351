"""A dock widget that previews and runs methods: what a person chooses becomes a request.

Which methods, a `PanelKind` says. Nothing is decided or computed here. `Form` holds the fields,
`Panel` lays them out, `Preview` and `Run` do the work off the main thread; this class passes word
between them.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container
from napari.layers import Layer
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer
from qtpy.QtGui import QGuiApplication

from napari_superpixels.errors import InputError, SuperpixelsError
from napari_superpixels.napari_ui import remembered
from napari_superpixels.napari_ui.asking import ask
from napari_superpixels.napari_ui.background import Latest
from napari_superpixels.napari_ui.closing import Closing
from napari_superpixels.napari_ui.form import Form
from napari_superpixels.napari_ui.inputs import Inputs
from napari_superpixels.napari_ui.keeping import Keeper
from napari_superpixels.napari_ui.layout import Panel
from napari_superpixels.napari_ui.named_weights import NamedWeights
from napari_superpixels.napari_ui.outputs import unused_path
from napari_superpixels.napari_ui.panel_kinds import PanelKind
from napari_superpixels.napari_ui.parameters import Parameters
from napari_superpixels.napari_ui.placement import Placement, place_on
from napari_superpixels.napari_ui.plugin_settings import plugin_settings
from napari_superpixels.napari_ui.preview import Preview, Wish
from napari_superpixels.napari_ui.running import Errand, Finished, Listeners, Run
from napari_superpixels.napari_ui.script import script_for
from napari_superpixels.napari_ui.snapshot import LayerSnapshot
from napari_superpixels.napari_ui.wanted import request_of
from napari_superpixels.napari_ui.warming import begin_to_warm
from napari_superpixels.napari_ui.wording import PREPARING, layer_name, run_sentence

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

    from napari_superpixels.engine.plan import Plan
    from napari_superpixels.engine.tally import Progress
    from napari_superpixels.napari_ui.running import Answer

SETTLE_MS = 150
"""How long nothing must have changed before a preview is planned anew."""


class MethodWidget(Container):  # type: ignore[type-arg]
    """What methods make of image layers: looked at, and written to disk.

    The fields are attributes with a ``value``; ``parameter(name)`` is a method's own.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered, and where labels appear.
    kind
        Which methods, and what follows from them.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", kind: PanelKind) -> None:
        settings = plugin_settings()
        self._settings_folder = remembered.settings_folder()
        kept = remembered.load(self._settings_folder, kind.remembered)
        self.form = Form(viewer, kind, kept, settings)
        super().__init__(widgets=self.form.fields, labels=False)
        self._viewer, self._cache_bytes = viewer, settings.cache_bytes
        self._panel = Panel(self.form, self.native)
        self._preview = Preview(viewer, self._tell_preview, self._preview_ended)
        self._preview.show_boundaries(wanted=self.form.boundaries.value)
        self._run: Run[Plan, Finished] | None = None
        self._seen: list[Any] = []  # image layers of the preview
        self._run_of: list[Any] = []  # image layers of the run
        self._copying: Latest[str] = Latest()
        self._keeper = Keeper(self._settings_folder)
        self._named_weights = NamedWeights(self.form.offer_weights)
        self._warm, self._of_preview = False, ""
        self._settled, self._orphaned = QTimer(), QTimer()
        self._inputs = Inputs(self._input_moved, self._settled.start)
        self._connect()
        self._closing = Closing(self.native, self._close_work, self._stop_work)
        self._panel.tell(PREPARING)
        self._of_preview = self.form.lacking
        own = self.form.parameters.values()
        self._warming = begin_to_warm(self.form.method.value, own, self._ready)

    @property
    def ready(self) -> bool:
        """Whether kernels are ready, so that nothing is compiled any more."""
        return self._warm

    @property
    def settled(self) -> bool:
        """Whether the last change was acted on."""
        return not self._settled.isActive() and self._keeper.done

    @property
    def sentence(self) -> str:
        """What the panel says at present."""
        return self._panel.status.text()

    @property
    def previewing(self) -> bool:
        """Whether a preview is shown, or about to be."""
        return self._preview.on

    @property
    def running(self) -> bool:
        """Whether a run is on, from the click to its last word."""
        return self._run is not None

    def parameter(self, name: str) -> Any:
        """Return the field of a method's own parameter, e.g. ``parameter("compactness")``.

        Raises
        ------
        InputError
            If the method has none of that name.
        """
        fields = {field.name: field for field in self.form.parameters.fields}
        if name not in fields:
            raise InputError(
                f"{self.form.method.value} has no parameter {name!r}; its parameters are "
                f"{', '.join(fields)}."
            )
        return fields[name]

    def preview(self) -> None:
        """Show labels where one looks, with what is chosen now and whenever it changes."""
        self._settled.stop()
        try:
            wish, layers = self._wish(), self.form.image_layers()
        except SuperpixelsError as error:
            show_error(str(error))
            if not self._preview.on:
                self._preview_ended()
            return
        self._seen = layers
        self._inputs.listen_to(layers, self.form.other_layers)
        self._panel.show_preview(on=True)
        self._preview.show(wish)

    def stop_preview(self) -> None:
        """Remove the preview."""
        self._preview.close()
        self._preview_ended()

    def run(self, *, ask_first: bool = False) -> None:
        """Compute what is chosen and write it; returns at once, see `running`.

        Parameters
        ----------
        ask_first
            Whether to show the plan and ask before a long run, as the button does.
        """
        if self._run is not None:
            show_info("A run is on already; wait for it, or cancel it.")
            return
        try:
            errand, layers = self._errand(ask_first=ask_first), self.form.image_layers()
        except SuperpixelsError as error:
            show_error(str(error))
            return
        self._run_of = layers
        self._panel.show_run(on=True)
        self._run = Run(errand, self._listeners())

    def cancel(self) -> None:
        """Stop the run; what is done is kept."""
        if self._run is not None:
            self._panel.tell("Cancelling.")
            self._run.cancel()

    def copy_script(self) -> None:
        """Put a Python script that does what Run does on the clipboard; returns at once."""
        try:
            errand = self._errand(ask_first=False)
        except SuperpixelsError as error:
            show_error(str(error))
            return

        def work(_: threading.Event) -> str:
            return script_for(errand.request, out=str(unused_path(errand.output)))

        self._copying.begin(work, self._copied)

    def _copied(self, text: str) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(text)
        self._panel.tell("The script is on the clipboard.")

    def reset_choices(self, *_: Any) -> None:
        """Offer the layers that are there now; where one is missed the preview stops."""
        for sentence in self.form.reset_choices():
            if self._preview.on:
                self._orphaned.start()
            show_info(sentence)

    def _active_changed(self, _: Any = None) -> None:
        self.form.choose_what_is_meant()

    def _input_moved(self) -> None:
        """Follow an image that was moved; plan anew where labels depend on where it lies."""
        form = self.form
        form.level.reset_choices()
        image = LayerSnapshot.of(self._seen[0])
        alone = self._preview.move(place_on(image, form.level.value))
        if not alone or form.step.in_um or form.other_layers or len(self._seen) > 1:
            self._settled.start()

    def _connect(self) -> None:
        form, buttons = self.form, self._panel.buttons
        buttons["preview"].clicked.connect(self._preview_clicked)
        buttons["run"].clicked.connect(self._run_clicked)
        buttons["cancel"].clicked.connect(self.cancel)
        buttons["copy"].clicked.connect(self.copy_script)
        for field in form.looks:
            field.changed.connect(self._changed)
        form.folder.changed.connect(self._remember)
        form.boundaries.changed.connect(self._boundaries_changed)
        form.method.changed.connect(self._method_changed)
        form.images.changed.connect(form.level.reset_choices)
        self._watch_parameters(form.parameters)
        # Whoever removes several layers has a list of them, and is not done yet.
        self._orphaned.setSingleShot(True)
        self._orphaned.timeout.connect(self.stop_preview)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLE_MS)
        self._settled.timeout.connect(self._settle)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.connect(self.reset_choices)
        events.removed.connect(self._layer_removed)
        self._viewer.layers.selection.events.active.connect(self._active_changed)

    def _watch_parameters(self, parameters: Parameters) -> None:
        for field in parameters.fields:
            field.changed.connect(self._changed)

    def _method_changed(self, _: Any = None) -> None:
        self.form.change_method()
        self._panel.show_parameters(self.form.parameters)
        self._watch_parameters(self.form.parameters)
        if self.form.lacking:
            self.stop_preview()
        if not self._preview.on:
            self._tell_preview(self.form.lacking)

    def _changed(self, _: Any = None) -> None:
        self.form.step.show_unit()
        self._settled.start()

    def _boundaries_changed(self, wanted: bool) -> None:  # noqa: FBT001 - of magicgui
        self._preview.show_boundaries(wanted=wanted)
        self._remember()

    def _settle(self) -> None:
        """Act on a change when no other has followed for a moment."""
        self.form.propose()
        self._remember()
        if self._preview.on:
            self.preview()
        elif self._of_preview:
            self._tell_preview(self.form.lacking)

    def _remember(self, _: Any = None) -> None:
        self._keeper.keep(self.form.remembered())

    def _preview_clicked(self, checked: bool) -> None:  # noqa: FBT001 - of Qt
        if checked:
            self.preview()
        else:
            self.stop_preview()

    def _run_clicked(self) -> None:
        self.run(ask_first=True)

    def _tell_preview(self, sentence: str) -> None:
        self._of_preview = sentence
        self._panel.tell_preview(sentence if self._warm else PREPARING)

    def _ready(self) -> None:
        """Say that kernels are there."""
        self._warm = True
        self._tell_preview(self._of_preview)

    def _wish(self) -> Wish:
        request = request_of(self.form, self._viewer, preview=True)
        return Wish(request, self._name(), self._cache_bytes)

    def _errand(self, *, ask_first: bool) -> Errand:
        request = request_of(self.form, self._viewer, preview=False)
        self.form.propose()
        return Errand(
            request,
            self.form.where_to.wanted(),
            self._name(),
            ask_first,
            self.form.boundaries.value,
            self._cache_bytes,
        )

    def _name(self) -> str:
        form = self.form
        return layer_name(form.image_layers()[0].name, form.method.value, form.detail)

    def _preview_ended(self) -> None:
        self._seen = []
        self._inputs.drop()
        self._panel.show_preview(on=False)
        self._tell_preview("")

    def _listeners(self) -> "Listeners[Plan, Finished]":
        return Listeners(
            moved=self._run_moved,
            asked=self._run_asked,
            finished=self._run_finished,
            ended=self._run_ended,
        )

    def _run_moved(self, progress: "Progress", step: int | None) -> None:
        self._panel.show_progress(progress, run_sentence(progress, step))

    def _run_asked(self, plan: "Plan", answer: "Answer") -> Callable[[], None]:
        self._panel.tell("Run: waiting for an answer.")
        return ask(self.native, plan, answer)

    def _run_finished(self, finished: Finished) -> None:
        self._preview.hide()
        for data, keywords, kind in finished.layers:
            layer = self._viewer.add_layer(Layer.create(data, keywords, kind))
            if finished.borders is not None:
                place = Placement.of(layer).as_layer_kwargs()
                finished.borders.add_over(self._viewer, layer, place)

    def _run_ended(self, outcome: str) -> None:
        """Say how it ended; where there is nothing to say, how the preview is."""
        self._run, self._run_of = None, []
        self._panel.show_run(on=False)
        if outcome:
            self._panel.tell(outcome)
        else:
            self._tell_preview(self._of_preview)

    def _layer_removed(self, event: Any) -> None:
        if any(event.value == layer for layer in self._seen):
            self._orphaned.start()
        if self._run is not None and any(event.value == layer for layer in self._run_of):
            self._run.cancel(f"The layer {event.value.name} was removed and its run cancelled")

    def _close_work(self) -> None:
        """Stop everything and remove the preview: the panel is closed."""
        self._disconnect()
        self._preview.close()

    def _stop_work(self) -> None:
        """Stop everything: the window is gone."""
        self._disconnect()
        self._preview.stop()

    def _disconnect(self) -> None:
        for timer in (self._settled, self._orphaned):
            with suppress(RuntimeError):  # Qt may have gone first, at the interpreter's end
                timer.stop()
        self._inputs.drop()
        self._warming.drop()
        self._copying.drop()
        self._named_weights.drop()
        self._remember()
        if self._run is not None:
            self._run.abandon()
            self._run = None
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.disconnect(self.reset_choices)
        events.removed.disconnect(self._layer_removed)
        self._viewer.layers.selection.events.active.disconnect(self._active_changed)
