"""``napari-superpixels train``: what it writes, how it is interrupted, its sentences."""

import json
import os
import re
import signal
from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from skimage.io import imsave

from napari_superpixels.cli import train_command as command
from napari_superpixels.cli.train_progress import Lines
from napari_superpixels.cli.train_recipe import changed, slow_note
from napari_superpixels.errors import InputError
from napari_superpixels.testing.tiny import tiny_loss, tiny_recipe
from napari_superpixels.training import recipes
from napari_superpixels.training.encoder import Encoder
from napari_superpixels.training.events import StepDone, TrainingStarted, Validated
from napari_superpixels.training.log import column, read_log
from napari_superpixels.training.validate import NOISE


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
    assert re.match(rf"{re.escape(str(out / 'tiny.safetensors'))}: step [1-6]: ASA ", told)
    assert {p.name for p in out.iterdir()} == {
        "last.pt", "best.pt", "log.csv", "curves.png", "tiny.safetensors", "tiny.json",
    }  # fmt: skip
    assert "Learning from 9 annotations, 6 steps" in complained
    card = json.loads((out / "tiny.json").read_text())
    assert card["data"] == {
        "folder": "images", "images": 9, "annotations": 9, "validated_on": 1,
    }  # fmt: skip
    assert card["licence"].startswith("not stated")
    assert card["hardware"]
    assert card["date"].startswith("20")


def test_the_licence_goes_on_the_card(shell, images, tmp_path):
    out = tmp_path / "out"
    code, _, _ = shell(
        "train", "tiny", "--images", images, "--out", out, "--licence", "CC0", "--quiet"
    )
    assert code == 0
    assert json.loads((out / "tiny.json").read_text())["licence"] == "CC0"


def test_a_training_that_diverges_leaves_its_last_good_weights(
    shell, images, tmp_path, monkeypatch
):
    """They can be begun with, with a smaller rate, in another folder."""

    def poisoned(network, batches, step, rng):
        terms = tiny_loss(network, batches, step, rng)
        return {name: term * (float("nan") if step == 3 else 1) for name, term in terms.items()}

    monkeypatch.setitem(recipes.RECIPES, "poisoned", lambda: tiny_recipe(loss=poisoned))
    out = tmp_path / "out"
    code, _, complained = shell(
        "train", "poisoned", "--images", images, "--out", out, "--save-every", 2
    )
    weights = out / "tiny.safetensors"
    assert code == 2
    assert f"--start-from '{weights}'" in complained
    code, _, _ = shell(
        "train", "tiny", "--images", images, "--out", tmp_path / "again", "--rate", 1e-5,
        "--start-from", weights,
    )  # fmt: skip
    assert code == 0


def test_nothing_is_claimed_to_be_kept_before_the_first_step(shell, images, tmp_path, monkeypatch):
    def press(self, event):
        if isinstance(event, TrainingStarted):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Lines, "__call__", press)
    code, _, complained = shell("train", "tiny", "--images", images, "--out", tmp_path / "o")
    assert code == 130
    assert "nothing is kept" in complained


def test_machines_get_one_line(shell, images, tmp_path):
    out = tmp_path / "out"
    code, told, complained = shell(
        "train", "tiny", "--images", images, "--out", out, "--steps", 2, "--validate-every", 1,
        "--json",
    )  # fmt: skip
    assert (code, complained) == (0, "")
    values = json.loads(told)
    assert values["step"] == 2
    steps, found = column(read_log(out / "log.csv"), "asa")
    best = max(at for at, asa in enumerate(found) if asa > max(found) - NOISE)
    assert (values["best"], values["asa"]) == (steps[best], pytest.approx(found[best]))


def test_ctrl_c_ends_after_a_checkpoint_and_resume_goes_on(shell, images, tmp_path, monkeypatch):
    def press(self, event):
        if isinstance(event, StepDone) and event.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    shell("train", "tiny", "--images", images, "--out", whole)
    with monkeypatch.context() as patch:
        patch.setattr(Lines, "__call__", press)
        code, _, complained = shell("train", "tiny", "--images", images, "--out", parts)
    assert code == 130
    assert "step 2 is kept" in complained
    assert f"the weights so far are '{parts / 'tiny.safetensors'}'" in complained
    assert (parts / "tiny.safetensors").is_file()
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
        (["--device", "gpu"], "cpu or cuda"),
        (["--seed", "-1"], "seed is -1"),
        (["--resume"], "no training to go on with"),
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
    made = changed("tiny", Encoder(), steps=9, batch=3, crop=16, rate=0.5)
    assert (made.steps, made.batch, made.crops[0].size, made.rate(99, 1)) == (9, 3, 16, 0.5)
    assert changed("tiny", Encoder()) == tiny_recipe()
    falling = changed("ssn-cpu", Encoder(), rate=1e-4).rate
    assert [falling(step, 10) for step in (0, 10)] == pytest.approx([1e-4, 1e-6])
    with pytest.raises(InputError, match="above 0"):
        changed("tiny", Encoder(), rate=float("nan"))


def test_every_tenth_image_is_held_out():
    kept, held = command.hold_out(list(range(25)))
    assert held == [9, 19]
    assert sorted(kept + held) == list(range(25))
    assert command.hold_out([1, 2, 3]) == ([1, 2, 3], [])


def test_of_few_images_the_last_is_held_out():
    assert command.hold_out([1, 2, 3, 4]) == ([1, 2, 3], [4])
    assert command.hold_out(list(range(9))) == (list(range(8)), [8])


def test_what_is_probably_not_meant_is_noted(shell, images, tmp_path):
    out = tmp_path / "o"
    code, _, complained = shell(
        "train", "tiny", "--images", images, "--out", out, "--void", 99, "--steps", 1
    )
    assert code == 0
    assert complained.count("Note: ") == 1
    assert "the label 99" in complained


def test_papers_recipes_on_a_processor_are_noted():
    assert "ssn-cpu is made for that" in slow_note(recipes.recipe("ssn"), "cpu")
    assert slow_note(recipes.recipe("ssn"), "cuda") == ""
    assert slow_note(recipes.recipe("ssn-cpu"), "cpu") == ""


def test_crops_larger_than_the_frame_are_refused():
    with pytest.raises(InputError, match="--crop 768"):
        changed("pcnet", Encoder(), crop=1024)


def test_validation_images_may_be_given(images):
    found = command.find_images((images, None), (images / "4.png", None))
    assert len(found.learned) == 10
    assert [pair.name for pair in found.held] == ["4"]
    with pytest.raises(InputError, match="give one of --val-share and --val-images"):
        command.find_images((images, None), (images / "4.png", None), share=0.2)


def test_lines_come_now_and_then():
    lines, now = [], [0.0]
    listener = Lines(lines.append, lambda: now[0])
    listener(TrainingStarted(100, 20, 7))
    for step in range(21, 25):
        now[0] += 20
        listener(StepDone(step, 0.1, {"label": 0.5}))
    listener(Validated(24, {"asa": 0.9, "br": 0.8, "superpixels": 30}))
    assert lines == [
        "Learning from 7 annotations, 100 steps, 20 of them done",
        "step 22 of 100, loss 0.5000, about 26 min left",
        "step 24 of 100, loss 0.5000, about 25 min left",
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
    before = signal.getsignal(signal.SIGINT)
    with command.stop_politely() as stopped:
        assert not stopped()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
