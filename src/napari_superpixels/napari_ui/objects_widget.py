"""The dock widget *Objects*: a class layer becomes a layer of numbered objects.

Nothing is decided or computed here. `ObjectsForm` holds the fields, `ObjectsPanel` lays them out,
`Run` does the work off the main thread; this class passes word between them.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container
from napari.layers import Layer
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer

from napari_superpixels.errors import SuperpixelsError
from napari_superpixels.napari_ui import remembered
from napari_superpixels.napari_ui.closing import Closing
from napari_superpixels.napari_ui.keeping import Keeper
from napari_superpixels.napari_ui.layer_facts import pixel_um2
from napari_superpixels.napari_ui.objects_form import ObjectsForm
from napari_superpixels.napari_ui.objects_layout import ObjectsPanel
from napari_superpixels.napari_ui.objects_wording import CANCELLING, NOTHING_CHOSEN, wish_sentence
from napari_superpixels.napari_ui.plugin_settings import plugin_settings
from napari_superpixels.napari_ui.running import Listeners, Run
from napari_superpixels.napari_ui.wording import run_sentence

if TYPE_CHECKING:
    import napari.viewer

    from napari_superpixels.engine.instance_plan import InstancePlan
    from napari_superpixels.engine.tally import Progress
    from napari_superpixels.napari_ui.objects_errand import FoundObjects

SETTLE_MS = 150
"""How long nothing must have changed before a change is acted on."""


class ObjectsWidget(Container):  # type: ignore[type-arg]
    """The objects of a class layer, numbered and measured, of any size.

    The fields are attributes with a ``value``: ``layer``, ``classes`` (numbers of those that have
    names; none chosen means all) or ``numbers`` (typed), ``min_px``, ``max_px`` (0 for no limit),
    ``connectivity``, ``split``, ``distance_px``, ``largest_px``, ``exact``, ``folder``, ``output``.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered, and where objects appear.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget(
    ...     "napari-superpixels", "Objects"
    ... )  # doctest: +SKIP
    >>> widget.min_px.value = 30  # doctest: +SKIP
    >>> widget.run()  # doctest: +SKIP
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        folder = remembered.settings_folder()
        kept = remembered.load(folder, remembered.RememberedObjects)
        self.form = ObjectsForm(viewer, kept, plugin_settings())
        super().__init__(widgets=self.form.fields, labels=False)
        self._viewer = viewer
        self._panel = ObjectsPanel(self.form, self.native)
        self._run: Run[InstancePlan, FoundObjects] | None = None
        self._run_of: Any = None  # the layer of the run
        self._wished = ""
        self._keeper = Keeper(folder)
        self._settled = QTimer()
        self._connect()
        self._closing = Closing(self.native, self._stop_work, self._stop_work)
        self._settle()

    @property
    def sentence(self) -> str:
        """What the panel says at present."""
        return self._panel.status.text()

    @property
    def running(self) -> bool:
        """Whether a run is on, from the click to its last word."""
        return self._run is not None

    @property
    def settled(self) -> bool:
        """Whether the last change was acted on."""
        return not self._settled.isActive() and self._keeper.done

    def run(self) -> None:
        """Find the objects and write them; returns at once, see `running`."""
        if self._run is not None:
            show_info("A run is on already; wait for it, or cancel it.")
            return
        self._settled.stop()
        self._settle()  # what is chosen is told now, and not over what comes of the run
        try:
            errand = self.form.errand()
        except SuperpixelsError as error:
            show_error(str(error))
            return
        self._run_of = self.form.layer.value
        self._panel.show_run(on=True)
        listeners: Listeners[InstancePlan, FoundObjects] = Listeners(
            moved=self._run_moved,
            asked=_never_asked,
            finished=self._run_finished,
            ended=self._run_ended,
        )
        self._run = Run(errand, listeners)

    def cancel(self) -> None:
        """Stop the run; what is done is kept, and `run` goes on."""
        if self._run is not None:
            self._panel.tell(CANCELLING)
            self._run.cancel()

    def reset_choices(self, *_: Any) -> None:
        """Offer the layers that are there now."""
        self.form.reset_choices()
        self._settled.start()

    def _connect(self) -> None:
        self._panel.buttons["run"].clicked.connect(self._run_clicked)
        self._panel.buttons["cancel"].clicked.connect(self.cancel)
        self.form.layer.changed.connect(self._layer_changed)
        for field in self.form.fields:
            field.changed.connect(self._changed)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLE_MS)
        self._settled.timeout.connect(self._settle)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.connect(self.reset_choices)
        events.removed.connect(self._layer_removed)

    def _run_clicked(self) -> None:
        self.run()

    def _layer_changed(self, _: Any = None) -> None:
        self.form.change_layer()

    def _changed(self, _: Any = None) -> None:
        self._settled.start()

    def _settle(self) -> None:
        """Act on a change when no other has followed for a moment."""
        form = self.form
        form.propose()
        self._keeper.keep(form.remembered())
        self._panel.show_fields(named=form.are_named, split=form.split.value)
        wish, self._wished = self._wished, self._wish()
        if self._run is None and wish != self._wished:  # else the outcome of the last run stays
            self._panel.tell(self._wished)

    def _wish(self) -> str:
        layer = self.form.layer.value
        if layer is None:
            return NOTHING_CHOSEN
        area = pixel_um2(layer)
        return wish_sentence(self.form.min_px.value, area, split=self.form.split.value)

    def _run_moved(self, progress: "Progress", step: int | None) -> None:
        self._panel.show_progress(progress, run_sentence(progress, step))

    def _run_finished(self, found: "FoundObjects") -> None:
        data, keywords, kind = found.layer
        self._viewer.add_layer(Layer.create(data, keywords, kind))

    def _run_ended(self, outcome: str) -> None:
        self._run, self._run_of = None, None
        self._panel.show_run(on=False)
        self._panel.tell(outcome)

    def _layer_removed(self, event: Any) -> None:
        if self._run is not None and event.value == self._run_of:
            self._run.cancel(f"The layer {event.value.name} was removed and its run cancelled")

    def _stop_work(self) -> None:
        """Stop everything: the panel is closed, or the window is gone."""
        with suppress(RuntimeError):  # Qt may have gone first, at the interpreter's end
            self._settled.stop()
        self._keeper.keep(self.form.remembered())
        if self._run is not None:
            self._run.abandon()
            self._run = None
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.disconnect(self.reset_choices)
        events.removed.disconnect(self._layer_removed)


def _never_asked(plan: "InstancePlan", answer: Any) -> Any:
    """Begin without a question."""
    raise AssertionError(f"nobody is asked about {plan}, {answer}")
