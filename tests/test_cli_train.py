"""``napari-superpixels train``: what it writes, how it is interrupted, its sentences."""

import json
import os
import signal
from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from skimage.io import imsave

from napari_superpixels.cli import train_command as command
from napari_superpixels.errors import InputError
from napari_superpixels.testing.tiny import tiny_recipe
from napari_superpixels.training import recipes
from napari_superpixels.training.events import StepDone, TrainingStarted, Validated


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(recipes.RECIPES, "tiny", tiny_recipe)


@pytest.fixture
def images(tmp_path):
    """Ten images, of which the last is held out."""
    place = tmp_path / "images"
    place.mkdir()
    rng = np.random.default_rng(0)
    for number in range(10):
        image = rng.integers(0, 99, (32, 40, 3), dtype=np.uint8)
        image[:, 20:] += 99
        imsave(place / f"{number}.png", image, check_contrast=False)
        labels = np.ones((32, 40), np.uint8)
        labels[:, 20:] = 2
        imsave(place / f"{number}.labels.png", labels, check_contrast=False)
    return place


def test_a_training_leaves_checkpoints_log_and_curves(shell, images, tmp_path):
    out = tmp_path / "out"
    code, told, complained = shell("train", "tiny", "--images", images, "--out", out)
    assert code == 0
    assert told.startswith(f"{out / 'tiny.safetensors'}: step 6: ASA ")
    assert {p.name for p in out.iterdir()} == {
        "last.pt", "best.pt", "log.csv", "curves.png", "tiny.safetensors", "tiny.json",
    }  # fmt: skip
    assert "Learning from 9 annotations, 6 steps" in complained


def test_machines_get_one_line(shell, images, tmp_path):
    out = tmp_path / "out"
    code, told, complained = shell(
        "train", "tiny", "--images", images, "--out", out, "--steps", 2, "--json"
    )
    assert (code, complained) == (0, "")
    values = json.loads(told)
    assert values["step"] == 2
    assert 0 < values["asa"] <= 1


def test_ctrl_c_ends_after_a_checkpoint_and_resume_goes_on(shell, images, tmp_path, monkeypatch):
    def press(self, event):
        if isinstance(event, StepDone) and event.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    shell("train", "tiny", "--images", images, "--out", whole)
    with monkeypatch.context() as patch:
        patch.setattr(command.Lines, "__call__", press)
        code, _, complained = shell("train", "tiny", "--images", images, "--out", parts)
    assert code == 130
    assert "step 2 is kept" in complained
    assert "--resume" in complained
    code, _, complained = shell("train", "tiny", "--images", images, "--out", parts)
    assert code == 2
    assert "holds a training already" in complained
    code, _, complained = shell("train", "tiny", "--images", images, "--out", parts, "--resume")
    assert code == 0
    assert "2 of them done" in complained
    assert (parts / "log.csv").read_text() == (whole / "log.csv").read_text()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--crop", 64], "at most 32"),
        (["--crop", 8], "--crop 16"),
        (["--crop", 29], "--crop 24"),
        (["--rate", 0], "above 0"),
        (["--val-labels", "nowhere"], "give --val-images too"),
        (["--labels", "nowhere"], "There is no 'nowhere'"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(shell, images, tmp_path, options, told):
    code, _, complained = shell(
        "train", "tiny", "--images", images, "--out", tmp_path / "o", *options
    )
    assert code == 2
    assert told in complained
    assert complained.startswith("Error: ")
    assert complained.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_an_image_without_label_ends_before_anything_is_written(shell, images, tmp_path):
    (images / "3.labels.png").unlink()
    code, _, complained = shell("train", "tiny", "--images", images, "--out", tmp_path / "o")
    assert code == 2
    assert "3.png' has no labels" in complained


def test_an_unknown_recipe_is_refused(shell, images, tmp_path):
    code, _, complained = shell("train", "tinny", "--images", images, "--out", tmp_path / "o")
    assert code == 2
    assert "no recipe 'tinny'" in complained


def test_options_change_the_recipe():
    made = command.changed("tiny", steps=9, batch=3, crop=16, rate=0.5)
    assert (made.steps, made.batch, made.crops[0].size, made.rate(99, 1)) == (9, 3, 16, 0.5)
    assert command.changed("tiny") == tiny_recipe()
    falling = command.changed("ssn-cpu", rate=1e-4).rate
    assert [falling(step, 10) for step in (0, 10)] == pytest.approx([1e-4, 1e-6])
    with pytest.raises(InputError, match="above 0"):
        command.changed("tiny", rate=float("nan"))


def test_every_tenth_image_is_held_out():
    kept, held = command.hold_out(list(range(25)))
    assert held == [9, 19]
    assert sorted(kept + held) == list(range(25))
    assert command.hold_out([1, 2]) == ([1, 2], [])


def test_validation_images_may_be_given(images):
    data, validation = command.find_data((images, None), (images / "4.png", None), 0, None)
    assert len(data) == 10
    assert [pair.name for pair in validation.pairs] == ["4"]


def test_lines_come_now_and_then():
    lines, now = [], [0.0]
    listener = command.Lines(lines.append, lambda: now[0])
    listener(TrainingStarted(100, 20, 7))
    for step in range(21, 25):
        now[0] += 20
        listener(StepDone(step, 0.1, {"label": 0.5}))
    listener(Validated(24, {"asa": 0.9, "br": 0.8, "superpixels": 30}))
    assert lines == [
        "Learning from 7 annotations, 100 steps, 20 of them done",
        "step 22 of 100, loss 0.5000",
        "step 24 of 100, loss 0.5000",
        "step 24: ASA 0.9000, boundary recall 0.8000 with 30 superpixels",
    ]


class Terminal:
    """A console that is one."""

    def __init__(self):
        self.console = Console(file=StringIO(), force_terminal=True, width=120)

    def __call__(self, **options):
        return self.console


def test_a_terminal_gets_a_bar_and_the_validations(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("rich.console.Console", terminal)
    with command.shown(quiet=False) as listener:
        listener(TrainingStarted(10, 2, 7))
        listener(StepDone(3, 0.1, {"label": 0.5}))
        listener(Validated(3, {"asa": 0.9, "br": 0.8, "superpixels": 30}))
    assert "step 3: ASA 0.9000" in terminal.console.file.getvalue()


def test_a_second_ctrl_c_ends_at_once():
    with command.stop_politely() as stopped:
        assert not stopped()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
