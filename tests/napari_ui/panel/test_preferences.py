"""A changed preference is in the next panel, and in what that asks for."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import napari.settings
import numpy as np
import pytest

from napari_superpixels.napari_ui.widget import SuperpixelsWidget


def test_memory_and_folder_reach_the_panel(
    viewer: Any, picture: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computing = SimpleNamespace(device="auto", cache_mb=64)
    page = SimpleNamespace(computing=computing, output=SimpleNamespace(folder=str(tmp_path)))
    monkeypatch.setattr(napari.settings, "get_plugin_settings", lambda _: page, raising=False)
    viewer.add_image(picture, name="cells")
    panel = SuperpixelsWidget(viewer)
    viewer.window.add_dock_widget(panel, name="with preferences")
    assert Path(panel.folder.value) == tmp_path
    assert panel._wish().cache_bytes == 64 * 2**20
    assert panel._errand(ask_first=False).cache_bytes == 64 * 2**20
