"""The dock widgets *Superpixels* and *Segment*: one panel, of two kinds."""

from typing import TYPE_CHECKING

from napari_superpixels.napari_ui.method_widget import MethodWidget
from napari_superpixels.napari_ui.panel_kinds import SEGMENT, SUPERPIXELS

if TYPE_CHECKING:
    import napari.viewer


class SuperpixelsWidget(MethodWidget):
    """Superpixels of image layers: looked at, and written to disk.

    The fields are attributes with a ``value``: ``images`` (a list of layers), ``level``,
    ``method``, ``step`` (pixels), ``step_um`` (micrometers), ``unit`` (``"px"`` or ``"um"``),
    ``mask``, ``region``, ``boundaries``, ``folder``, ``output``, ``device``;
    ``parameter(name)`` is a method's own.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered, and where labels appear.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget("napari-superpixels")  # doctest: +SKIP
    >>> widget.step.value = 32  # doctest: +SKIP
    >>> widget.preview()  # doctest: +SKIP
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer, SUPERPIXELS)


class SegmentWidget(MethodWidget):
    """Classes of the pixels of image layers, by a trained network: looked at, and written to disk.

    The fields are attributes with a ``value``: ``images`` (a list of layers), ``level``, ``mask``,
    ``region``, ``boundaries``, ``folder``, ``output``, ``device``; ``parameter(name)`` is one of
    `Segment`, such as ``weights``.

    Parameters
    ----------
    viewer
        The viewer whose layers are offered, and where classes appear.

    Examples
    --------
    >>> plugin = "napari-superpixels"
    >>> dock, widget = viewer.window.add_plugin_dock_widget(plugin, "Segment")  # doctest: +SKIP
    >>> widget.parameter("weights").value = "tissue"  # doctest: +SKIP
    >>> widget.preview()  # doctest: +SKIP
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer, SEGMENT)
