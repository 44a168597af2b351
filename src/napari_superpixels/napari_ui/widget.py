"""The dock widget *Superpixels*: what a person chooses becomes a request, and labels appear.

Nothing is decided or computed here. The `Form` holds the fields, the `Panel` lays them out,
`Preview` and `Run` do the work off the main thread; this class passes word between them.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer
from qtpy.QtGui import QGuiApplication

from napari_superpixels.engine.tally import Progress
from napari_superpixels.errors import SuperpixelsError
from napari_superpixels.napari_ui import remembered
from napari_superpixels.napari_ui.asking import ask
from napari_superpixels.napari_ui.closing import Closing
from napari_superpixels.napari_ui.form import VIEW, WHOLE, Form
from napari_superpixels.napari_ui.layout import Panel
from napari_superpixels.napari_ui.parameters import Parameters
from napari_superpixels.napari_ui.plugin_settings import plugin_settings
from napari_superpixels.napari_ui.preview import Preview, Wish
from napari_superpixels.napari_ui.running import Errand, Finished, Listeners, Run
from napari_superpixels.napari_ui.warming import warm_up
from napari_superpixels.napari_ui.wanted import request_of
from napari_superpixels.napari_ui.wording import layer_name, run_sentence

if TYPE_CHECKING:
    import napari.viewer

    from napari_superpixels.engine.plan import Plan
    from napari_superpixels.napari_ui.running import Answer

SETTLE_MS = 150
"""How long nothing must have changed before a preview is planned anew."""


class SuperpixelsWidget(Container):  # type: ignore[misc, type-arg]
    """Superpixels of image layers: looked at, and written to disk.

    The fields are attributes, e.g. ``widget.step.value = 32`` or
    ``widget.parameters["compactness"].value = 20``.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered, and where labels appear.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        settings = plugin_settings()
        self._folder = remembered.settings_folder()
        kept = remembered.load(self._folder)
        self.form = Form(viewer, kept, settings)
        super().__init__(widgets=self.form.fields, labels=False)
        self._viewer, self._cache_bytes = viewer, settings.cache_bytes
        self._panel = Panel(self.form, self.native)
        self._preview = Preview(viewer, self._tell_preview, self._preview_ended)
        self._run: Run | None = None
        self._watched: list[Any] = []
        self._settled = QTimer()
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLE_MS)
        self._connect()
        self._closing = Closing(self.native, self.close_work, self._stop_work)
        self._warming = warm_up(partial(self._tell, ""))
        self._tell(PREPARING)
