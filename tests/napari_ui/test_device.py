"""The field that says what computes, from the form to the plan and the script."""

from typing import Any

import numpy as np
import pytest

from napari_superpixels.napari_ui.form import Form
from napari_superpixels.napari_ui.panel_kinds import SUPERPIXELS
from napari_superpixels.napari_ui.plugin_settings import PluginSettings
from napari_superpixels.napari_ui.remembered import Remembered
from napari_superpixels.napari_ui.resolve import resolve
from napari_superpixels.napari_ui.script import script_for
from napari_superpixels.napari_ui.wanted import request_of


def test_a_device_is_chosen_remembered_and_planned_with(
    monkeypatch: pytest.MonkeyPatch, make_napari_viewer: Any
) -> None:
    monkeypatch.setattr("napari_superpixels.engine.device.has_driver", lambda: True)
    viewer = make_napari_viewer()
    kept = Remembered(device="cpu")
    form = Form(viewer, SUPERPIXELS, kept, PluginSettings())
    assert form.device.choices == ("auto", "cuda", "cpu")
    assert form.remembered().device == form.device.value == "cpu"
    viewer.add_image(np.zeros((40, 40), np.uint8))
    form.reset_choices()
    request = request_of(form, viewer, preview=False)
    assert request.device == "cpu"
    assert resolve(request).compute.device == "cpu"
    script = script_for(request)
    assert "device='cpu'" in script
