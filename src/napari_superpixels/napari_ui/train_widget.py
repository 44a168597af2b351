"""The dock widget *Train*: an image and its labels become weights that other panels can use.

Nothing is decided or computed here. `TrainForm` holds the fields, `TrainPanel` lays them out,
`Learning` watches the process that trains; this class passes word between them.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer

from napari_superpixels.errors import SuperpixelsError
from napari_superpixels.napari_ui import remembered
from napari_superpixels.napari_ui.background import Latest, sentence_of
from napari_superpixels.napari_ui.closing import Closing
from napari_superpixels.napari_ui.inputs import Inputs
from napari_superpixels.napari_ui.keeping import Keeper
from napari_superpixels.napari_ui.learning import Learning, Listeners
from napari_superpixels.napari_ui.material import Outlook, outlook
from napari_superpixels.napari_ui.named_weights import NamedWeights
from napari_superpixels.napari_ui.train_form import TrainForm
from napari_superpixels.napari_ui.train_layout import TrainPanel
from napari_superpixels.napari_ui.train_wording import (
    LOOKING,
    NOTHING_CHOSEN,
    STARTING,
    STOPPING,
    done_sentence,
    outlook_sentence,
)

if TYPE_CHECKING:
    import napari.viewer

    from napari_superpixels.napari_ui.diary import Learnt
    from napari_superpixels.napari_ui.named_weights import Found
    from napari_superpixels.training.task import Done

SETTLE_MS = 300
"""How long nothing must have changed before the labels are looked at anew."""


class TrainWidget(Container):  # type: ignore[type-arg]
    """Weights of one's own, learned from an image and its labels.

    The fields are attributes with a ``value``: ``image`` and ``segments`` (layers), ``method``,
    ``zero``, ``classes``, ``evenly``, ``start``, ``steps``, ``crop`` (pixels), ``seed`` and
    ``weights`` (their name).

    Parameters
    ----------
    viewer
        The viewer whose layers are offered.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget(
    ...     "napari-superpixels", "Train"
    ... )  # doctest: +SKIP
    >>> widget.steps.value = 500  # doctest: +SKIP
    >>> widget.train()  # doctest: +SKIP
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        folder = remembered.settings_folder()
        self.form = TrainForm(viewer, remembered.load(folder, remembered.RememberedTraining))
        super().__init__(widgets=self.form.fields, labels=False)
        self._viewer = viewer
        self._panel = TrainPanel(self.form, self.native)
        self._learning: Learning | None = None
        self._method = ""  # of the training that is on
        self._looking: Latest[Outlook] = Latest()
        self._keeper = Keeper(folder)
        self._settled = QTimer()
        self._inputs = Inputs(self._settled.start, self._settled.start)
        self._connect()
        self._method_changed()
        self._named_weights = NamedWeights(self._offer)
        self._closing = Closing(self.native, self._stop_work, self._stop_work)
        self._settle()

    @property
    def sentence(self) -> str:
        """What the panel says at present."""
        return self._panel.status.text()

    @property
    def training(self) -> bool:
        """Whether a training is on, from the click to its last word."""
        return self._learning is not None

    @property
    def settled(self) -> bool:
        """Whether the last change was acted on."""
        waits = self._settled.isActive() or self._looking.busy or self._named_weights.looking
        return not waits and self._keeper.done

    def train(self) -> None:
        """Train what is chosen; returns at once, see `training`."""
        if self._learning is not None:
            show_info("A training is on already; wait for it, or stop it.")
            return
        try:
            lesson = self.form.lesson()
        except SuperpixelsError as error:
            show_error(str(error))
            return
        self._looking.drop()
        self._method = lesson.method
        self._panel.show_training(on=True)
        self._panel.tell(STARTING)
        listeners = Listeners(moved=self._moved, done=self._done, failed=self._ended)
        self._learning = Learning(lesson, listeners)

    def stop(self) -> None:
        """Stop the training; the weights so far are kept."""
        if self._learning is not None:
            self._learning.stop()
            self._panel.buttons["stop"].setEnabled(False)
            self._panel.tell(STOPPING)

    def reset_choices(self, *_: Any) -> None:
        """Offer the layers that are there now."""
        self.form.reset_choices()

    def _offer(self, own: "Found") -> None:
        self.form.offer_weights(own)

    def _connect(self) -> None:
        self._panel.buttons["train"].clicked.connect(self._train_clicked)
        self._panel.buttons["stop"].clicked.connect(self.stop)
        self.form.method.changed.connect(self._method_changed)
        for field in self.form.fields:
            field.changed.connect(self._changed)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLE_MS)
        self._settled.timeout.connect(self._settle)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.connect(self.reset_choices)

    def _train_clicked(self) -> None:
        self.train()

    def _method_changed(self, _: Any = None) -> None:
        self.form.change_method()
        self._panel.show_classes(on=self.form.learns == "classes")

    def _changed(self, _: Any = None) -> None:
        self._settled.start()

    def _settle(self) -> None:
        """Act on a change when no other has followed for a moment."""
        self.form.propose()
        self._keeper.keep(self.form.remembered())
        layers = self.form.chosen_layers
        self._inputs.listen_to((), layers)
        if self._learning is not None:
            return
        self._looking.drop()
        try:
            lesson = self.form.lesson()
        except SuperpixelsError:
            self._panel.tell(NOTHING_CHOSEN)
            return
        self._panel.tell(LOOKING)
        self._looking.begin(lambda cancel: outlook(lesson, cancel), self._looked, self._no_outlook)

    def _looked(self, found: Outlook) -> None:
        self._panel.tell(outlook_sentence(found))

    def _no_outlook(self, error: BaseException) -> None:
        self._panel.tell(sentence_of(error))

    def _moved(self, learnt: "Learnt") -> None:
        if self._panel.buttons["stop"].isEnabled():
            self._panel.show_learnt(learnt)

    def _done(self, done: "Done") -> None:
        assert self._learning is not None, "the one that is done"
        self._ended(done_sentence(done, self._learning.diary.learnt, self._method))
        self._named_weights.look()
        show_info(self.sentence)

    def _ended(self, sentence: str) -> None:
        self._learning = None
        self._panel.show_training(on=False)
        self._panel.tell(sentence)

    def _stop_work(self) -> None:
        """Stop everything: the panel is closed, or the window is gone."""
        with suppress(RuntimeError):  # Qt may have gone first, at the interpreter's end
            self._settled.stop()
        self._inputs.drop()
        self._looking.drop()
        self._named_weights.drop()
        self._keeper.keep(self.form.remembered())
        if self._learning is not None:
            self._learning.abandon()
            self._learning = None
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.disconnect(self.reset_choices)
