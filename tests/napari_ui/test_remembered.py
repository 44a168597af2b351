"""What was chosen last is kept; a broken file costs nothing but a log line."""

import json
import logging
from pathlib import Path

import pytest

from napari_superpixels.napari_ui.plugin_settings import PluginSettings, plugin_settings
from napari_superpixels.napari_ui.remembered import (
    FILE,
    TRAINING_FILE,
    Remembered,
    RememberedTraining,
    load,
    save,
)

CHOSEN = Remembered(
    method="ssn_pix", step_px=24, unit="um", settings={"slic": {"compactness": 7.5}}, folder="here"
)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save(tmp_path, CHOSEN)
    assert load(tmp_path, Remembered) == CHOSEN
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_the_panels_do_not_forget_for_each_other(tmp_path: Path) -> None:
    training = RememberedTraining(method="scn", steps=7, zero_is_unknown=True)
    save(tmp_path, CHOSEN)
    save(tmp_path, training)
    assert load(tmp_path, Remembered) == CHOSEN
    assert load(tmp_path, RememberedTraining) == training
    assert {path.name for path in tmp_path.iterdir()} == {FILE, TRAINING_FILE}


def test_nothing_saved_are_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, Remembered) == Remembered()
    assert load(None, Remembered) == Remembered()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", '{"step_px": "16"}', '{"other": 1}', '{"settings": {"slic": 3}}', "\x00"],
)
def test_a_broken_file_is_ignored_with_a_log_line(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_text(text)
    with caplog.at_level(logging.WARNING):
        assert load(tmp_path, Remembered) == Remembered()
    assert FILE in caplog.text


def test_what_cannot_be_used_is_left_out_and_the_rest_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = {"other": 1, "step_px": "16", "method": "ssn_pix", "step_um": 4.0, "boundaries": 1}
    (tmp_path / FILE).write_text(json.dumps(kept))
    with caplog.at_level(logging.WARNING):
        assert load(tmp_path, Remembered) == Remembered(method="ssn_pix", step_um=4.0)
    assert [name for name in kept if name in caplog.text] == ["other", "step_px", "boundaries"]


def test_a_file_that_is_no_text_is_ignored(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff\xfe\xfa")
    assert load(tmp_path, Remembered) == Remembered()


def test_a_whole_number_stands_for_a_length(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"step_um": 4}))
    assert load(tmp_path, Remembered).step_um == 4.0


def test_a_folder_that_cannot_be_made_is_a_log_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        save(tmp_path / "file" / "folder", CHOSEN)
    assert "cannot be written" in caplog.text


def test_preferences_have_defaults_where_napari_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("napari.settings.get_plugin_settings", raising=False)
    assert plugin_settings() == PluginSettings()
