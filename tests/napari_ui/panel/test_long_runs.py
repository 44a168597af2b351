"""A long run that was clicked is shown first; one that a script asked for just runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QLabel

from napari_superpixels.napari_ui import running


@pytest.fixture
def clicked(
    panel: Any, viewer: Any, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch, until: Any
) -> Any:
    """A panel whose Run was clicked, with an image that counts as large."""
    monkeypatch.setattr(running, "LONG_PX", 1000)
    viewer.add_image(picture, name="cells")
    panel._panel.buttons["run"].click()
    until(lambda: panel.native.findChildren(QDialog))
    return panel


def _dialogs(panel: Any) -> list[QDialog]:
    return [dialog for dialog in panel.native.findChildren(QDialog) if dialog.isVisible()]


def _dialog(panel: Any) -> QDialog:
    (dialog,) = panel.native.findChildren(QDialog)
    return dialog


def _press(panel: Any, text: str) -> None:
    buttons = _dialog(panel).findChild(QDialogButtonBox).buttons()
    next(b for b in buttons if b.text().replace("&", "") == text).click()


def test_the_plan_is_shown_and_nothing_is_blocked(clicked: Any, tmp_path: Path) -> None:
    text = _dialog(clicked).findChild(QLabel).text()
    assert "lattice" in text
    assert "memory" in text
    assert clicked.running
    assert list(tmp_path.iterdir()) == []
    _press(clicked, "Cancel")


def test_run_goes_on(clicked: Any, until: Any, tmp_path: Path) -> None:
    _press(clicked, "Run")
    until(lambda: not clicked.running)
    assert [path.name for path in tmp_path.iterdir()] == ["cells slic 16px.zarr"]


def test_cancel_leaves_it(clicked: Any, tmp_path: Path, told: list[str]) -> None:
    _press(clicked, "Cancel")
    assert not clicked.running
    assert list(tmp_path.iterdir()) == []
    assert told == []
    assert "waiting" not in clicked.sentence


def test_the_button_of_the_panel_cancels_the_question_too(
    clicked: Any, tmp_path: Path, told: list[str], until: Any
) -> None:
    clicked.cancel()
    assert not clicked.running
    assert list(tmp_path.iterdir()) == []
    assert len(told) == 1
    assert clicked.sentence == told[0]
    assert not _dialogs(clicked)
    clicked._panel.buttons["run"].click()
    until(lambda: _dialogs(clicked))
    assert len(_dialogs(clicked)) == 1
    clicked.cancel()


def test_a_question_goes_with_its_panel(
    clicked: Any, viewer: Any, tmp_path: Path, told: list[str], no_threads: Any
) -> None:
    dialog = _dialog(clicked)
    viewer.window.remove_dock_widget(clicked.native)
    assert not dialog.isVisible()
    no_threads()
    assert list(tmp_path.iterdir()) == []
    assert told == []


def test_a_script_is_not_asked(
    panel: Any, viewer: Any, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    monkeypatch.setattr(running, "LONG_PX", 1000)
    viewer.add_image(picture, name="cells")
    panel.run()
    until(lambda: not panel.running)
    assert panel.native.findChildren(QDialog) == []
    assert "cells slic 16px" in viewer.layers
