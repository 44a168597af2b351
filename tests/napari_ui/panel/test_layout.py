"""The panel in a narrow dock: nothing is cut that cannot be scrolled or chosen."""

from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_superpixels.engine.device import devices
from napari_superpixels.models.registry import METHODS
from napari_superpixels.napari_ui.parameters import label_of, parameters_of
from napari_superpixels.napari_ui.widget import SegmentWidget, SuperpixelsWidget


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("points", [9, 12])
def test_labels_are_shown_whole_in_300_pixels(
    make_napari_viewer: Any, until: Any, no_threads: Any, method: str, points: int
) -> None:
    viewer = make_napari_viewer(show=True)
    panel = SuperpixelsWidget(viewer)
    panel.method.value = method
    font = panel.native.font()
    font.setPointSize(points)
    panel.native.setFont(font)
    dock = viewer.window.add_dock_widget(panel, name="superpixels")
    viewer.window._qt_window.resizeDocks([dock], [300], Qt.Orientation.Horizontal)
    until(lambda: panel.ready)
    assert dock.width() <= 310
    labels = [one for one in panel.native.findChildren(QLabel) if one.isVisible()]
    texts = [one.text() for one in labels]
    own = {label_of(one) for one in parameters_of(method)}
    assert {"Boundaries", *own} <= set(texts)
    for label in labels:
        if not label.wordWrap():
            assert label.width() >= label.fontMetrics().horizontalAdvance(label.text())
    viewer.close()


def test_what_computes_is_told(panel: Any) -> None:
    """Where there is no graphics driver nothing is left to choose."""
    assert [one.name for one in devices()] == list(panel.form.device.choices)
    assert panel.form.device.value == "auto"
    assert any("CPU, " in one.label for one in devices())


@pytest.mark.parametrize("points", [9, 12])
def test_labels_of_segment_are_shown_whole_and_rare_ones_folded(
    make_napari_viewer: Any, until: Any, no_threads: Any, points: int
) -> None:
    viewer = make_napari_viewer(show=True)
    panel = SegmentWidget(viewer)
    font = panel.native.font()
    font.setPointSize(points)
    panel.native.setFont(font)
    dock = viewer.window.add_dock_widget(panel, name="segment")
    viewer.window._qt_window.resizeDocks([dock], [300], Qt.Orientation.Horizontal)
    until(lambda: panel.ready)
    assert dock.width() <= 310
    more = panel._panel._more
    assert not more.isExpanded()
    assert {"Flips", "Scales"} <= {one.text() for one in more.findChildren(QLabel)}
    more.expand()
    labels = [one for one in panel.native.findChildren(QLabel) if one.isVisible()]
    assert {"Weights", "Exact", "Boundaries"} <= {one.text() for one in labels}
    for label in labels:
        if not label.wordWrap():
            assert label.width() >= label.fontMetrics().horizontalAdvance(label.text())
    viewer.close()


def test_a_method_without_rare_settings_has_no_fold_for_them(panel: Any) -> None:
    assert panel._panel._more.isHidden()
