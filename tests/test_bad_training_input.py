"""Training in the shell with everything that can be wrong: one sentence, and nothing is spoilt."""

import hashlib
import json
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from skimage.io import imsave

from napari_superpixels.models import weights
from napari_superpixels.testing.tiny import tiny_recipe
from napari_superpixels.testing.weights import write_random_weights
from napari_superpixels.training import recipes
from napari_superpixels.training.checkpoint import Checkpoint
from napari_superpixels.training.recipe import Steps


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(recipes.RECIPES, "tiny", tiny_recipe)


@pytest.fixture
def images(tmp_path):
    return annotated(tmp_path / "images")


def annotated(place):
    """Three images of noise with labels beside them."""
    place.mkdir()
    rng = np.random.default_rng(0)
    for name in "abc":
        image = rng.integers(0, 255, (32, 40, 3), dtype=np.uint8)
        imsave(place / f"{name}.png", image, check_contrast=False)
        labels = np.repeat(np.arange(1, 5, dtype=np.uint8), 10)[None].repeat(32, axis=0)
        imsave(place / f"{name}.labels.png", labels, check_contrast=False)
    return place


def float_labels(place):
    (place / "b.labels.png").unlink()
    tifffile.imwrite(place / "b.labels.tif", np.zeros((32, 40), np.float32))


def small_labels(place):
    imsave(place / "b.labels.png", np.zeros((32, 39), np.uint8), check_contrast=False)


def small_image(place):
    for name in ("b.png", "b.labels.png"):
        imsave(place / name, np.zeros((20, 40), np.uint8), check_contrast=False)


def six_channels(place):
    (place / "b.png").unlink()
    tifffile.imwrite(place / "b.tif", np.zeros((6, 32, 40), np.uint8), metadata={"axes": "CYX"})


def emptied(place):
    shutil.rmtree(place)
    place.mkdir()


def cut_image(place):
    content = (place / "b.png").read_bytes()
    (place / "b.png").write_bytes(content[: len(content) // 2])


FAULTS = {
    "an image without label": (lambda p: (p / "b.labels.png").unlink(), "b.png' has no labels"),
    "a label without image": (lambda p: (p / "b.png").unlink(), "b.labels.png' have no image"),
    "shapes differ": (small_labels, "32 x 39 for"),
    "float labels": (float_labels, "type float32"),
    "an empty folder": (emptied, "is empty"),
    "no folder": (shutil.rmtree, "There is no"),
    "an image smaller than a crop": (small_image, "'b' of 20 x 40 pixels is smaller; ask"),
    "images of several channels": (six_channels, "'b' has 6 channels, but 3"),
}


def assert_one_sentence(told):
    assert told.startswith("Error: ")
    assert told.count("\n") == 1
    assert "Traceback" not in told


@pytest.mark.parametrize("fault", FAULTS)
def test_data_that_cannot_be_learned_from(fault, images, tmp_path, shell):
    spoil, words = FAULTS[fault]
    spoil(images)
    code, _, told = shell("train", "tiny", "--images", images, "--out", tmp_path / "out", "--quiet")
    assert code == 2
    assert_one_sentence(told)
    assert words in told
    assert not (tmp_path / "out").exists()


def test_an_image_that_is_cut_short_is_named_when_it_is_read(images, tmp_path, shell):
    cut_image(images)
    code, _, told = shell("train", "tiny", "--images", images, "--out", tmp_path / "out", "--quiet")
    assert code == 2
    assert_one_sentence(told)
    assert "b.png" in told


def cut(path):
    path.write_bytes(path.read_bytes()[:-50])


def alter(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def pickled(path):
    path.write_bytes(pickle.dumps({"network": print}))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(cut, "cut short or altered"), (alter, "altered"), (pickled, "is a pickle")],
)
def test_a_checkpoint_that_is_none_any_more(spoil, words, images, tmp_path, shell):
    out = tmp_path / "out"
    given = ["train", "tiny", "--images", images, "--out", out, "--quiet"]
    assert shell(*given, "--steps", 2)[0] == 0
    spoil(out / "last.pt")
    before = (out / "last.pt").read_bytes()
    code, _, told = shell(*given, "--resume")
    assert code == 2
    assert_one_sentence(told)
    assert words in told
    assert (out / "last.pt").read_bytes() == before


def test_the_checkpoint_of_another_recipe_is_not_gone_on_with(images, tmp_path, shell):
    given = ["--images", images, "--out", tmp_path / "out", "--quiet"]
    assert shell("train", "tiny", *given, "--steps", 2)[0] == 0
    before = (tmp_path / "out" / "last.pt").read_bytes()
    code, _, told = shell("train", "scn-cpu", *given, "--crop", 32, "--batch", 2, "--resume")
    assert code == 2
    assert_one_sentence(told)
    assert "has recipe 'tiny', but now it is 'scn-cpu'" in told
    assert (tmp_path / "out" / "last.pt").read_bytes() == before


def test_a_rate_under_which_numbers_end_keeps_the_last_good_checkpoint(
    images, tmp_path, shell, monkeypatch
):
    """A real loss that grows without end: no step is faked."""
    made = tiny_recipe(rate=Steps(1e30), steps=50)
    monkeypatch.setitem(recipes.RECIPES, "tiny", lambda: made)
    out = tmp_path / "out"
    given = ["--images", images, "--out", out, "--save-every", 1, "--quiet"]
    code, _, told = shell("train", "tiny", *given)
    assert code == 2
    assert_one_sentence(told)
    good = Checkpoint.load(out / "last.pt")
    assert f"at step {good.step + 1}, on " in told
    assert f"of step {good.step}" in told
    assert any(f"{name}, annotation 0" in told for name in "abc")
    assert all(bool(tensor.isfinite().all()) for tensor in good.network.values())


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(cut, "truncated or altered"), (alter, "truncated or altered"), (pickled, "are a pickle")],
)
def test_weights_that_are_none_any_more_compute_nothing(spoil, words, images, tmp_path, shell):
    path = write_random_weights(tmp_path, "scn")
    spoil(path)
    given = [images / "a.png", tmp_path / "out.zarr", "--method", "scn", "--weights", path]
    code, _, told = shell("run", *given, "--quiet")
    assert code == 2
    assert_one_sentence(told)
    assert words in told
    assert not list(tmp_path.glob("out.zarr*"))


def test_a_pickle_is_not_opened_whatever_its_card_says(images, tmp_path, shell):
    """Neither by its own name nor under another one with a card that vouches for it."""
    for name in ("net.pt", "net.safetensors"):
        path = tmp_path / name
        pickled(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        weights.write_card(path, {"network": "scn", "config": {}, "sha256": digest})
        given = [images / "a.png", tmp_path / "out.zarr", "--method", "scn", "--weights", path]
        code, _, told = shell("run", *given, "--quiet")
        assert code == 2
        assert_one_sentence(told)
        assert "pickle" in told or "no .safetensors file" in told


def test_weights_of_another_network_and_of_other_layers(images, tmp_path, shell):
    path = write_random_weights(tmp_path, "scn")
    for method in ("ainet", "ssn"):
        given = [images / "a.png", tmp_path / "out.zarr", "--method", method, "--weights", path]
        code, _, told = shell("run", *given, "--quiet")
        assert code == 2
        assert_one_sentence(told)
        assert f"are for 'scn', not for '{method}'" in told
    card = weights.read_card(path)
    weights.write_card(path, card | {"network": "ainet"})
    given = [images / "a.png", tmp_path / "out.zarr", "--method", "ainet", "--weights", path]
    code, _, told = shell("run", *given, "--quiet")
    assert code == 2
    assert_one_sentence(told)
    assert "the card was altered" in told


FULL = """
import json, shutil, sys
from pathlib import Path
from napari_superpixels.errors import OutputError
from napari_superpixels.testing.tiny import tiny_recipe
from napari_superpixels.training.checkpoint import LAST, Checkpoint
from napari_superpixels.training.data import TrainingSet
from napari_superpixels.training.loop import Running, train
from napari_superpixels.training.pairs import find_pairs

disk, images = map(Path, sys.argv[1:])
data, running = TrainingSet(find_pairs(images)), Running(save_every=1)
train(tiny_recipe(steps=2), data, disk / "out", running=running)
size = (disk / "out" / LAST).stat().st_size
(disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - size // 2 // 4096 * 4096))
told = {}
try:
    train(tiny_recipe(steps=4), data, disk / "out", running=running, resume=True)
except OutputError as error:
    told["error"] = str(error)
told["kept"] = Checkpoint.load(disk / "out" / LAST).step
told["left"] = sorted(path.name for path in (disk / "out").iterdir())
(disk / "filler").unlink()
told["end"] = train(tiny_recipe(steps=4), data, disk / "out", running=running, resume=True).step
print(json.dumps(told))
"""


def on_a_disk_of(size, folder, *command):
    """Run a command with a file system of so many bytes mounted on a folder, for it alone."""
    text = f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"'
    words = ["unshare", "-rm", "sh", "-c", text, str(folder), *map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_a_disk_that_fills_keeps_the_checkpoint_before(images, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if not shutil.which("unshare") or on_a_disk_of(4096, disk, "true").returncode:
        pytest.skip("no file system can be mounted here")
    done = on_a_disk_of(400_000, disk, sys.executable, "-c", FULL, disk, images)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "checkpoint of step 3 could not be written" in told["error"]
    assert "No space left on device), the one before it is whole" in told["error"]
    assert (told["kept"], told["end"]) == (2, 4)
    assert told["left"] == ["last.pt", "log.csv"]
