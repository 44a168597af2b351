"""``train`` of classes and distances: from folders to weights with a card, and its refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
from skimage.io import imsave
from typer.testing import CliRunner

from napari_superpixels.cli import app
from napari_superpixels.errors import InputError
from napari_superpixels.models.hcnet import strides_of
from napari_superpixels.models.weights import read_card
from napari_superpixels.training import dense_recipes
from napari_superpixels.training.log import read_log

BARS = "ground=0,bar=*"


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Recipes of one step of two small crops."""

    def made(name):
        whole = dense_recipes.DENSE[name]

        def small(backbone="resnet18"):
            recipe = whole(backbone)
            crops = tuple(replace(each, size=64, scales=(1.0, 1.0)) for each in recipe.crops)
            return replace(recipe, crops=crops, batch=2, steps=1)

        return small

    tiny = {name: made(name) for name in ("hcfcn-cpu", "hcdorn-cpu")}
    monkeypatch.setattr(dense_recipes, "DENSE", tiny)


@pytest.fixture
def bars(tmp_path):
    """Four images of numbered bars."""
    folder = tmp_path / "bars"
    folder.mkdir()
    for seed in range(4):
        labels = np.zeros((96, 160), np.uint8)
        labels[:, 10:50], labels[:, 100:140] = 1, 2 + seed
        image = np.random.default_rng(seed).normal(60 + 100 * (labels > 0), 10)
        imsave(folder / f"{seed}.png", image.clip(0, 255).astype(np.uint8), check_contrast=False)
        imsave(folder / f"{seed}.labels.png", labels, check_contrast=False)
    return folder


@pytest.fixture
def train(bars, tmp_path):
    def run(*options, recipe="hcfcn-cpu", images=bars):
        out = ("--images", str(images), "--out", str(tmp_path / "out"))
        return CliRunner().invoke(app, ["train", recipe, *out, *options])

    return run


def refusal(result):
    assert isinstance(result.exception, InputError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def test_classes_are_learned_and_their_weights_say_so(train, tmp_path):
    result = train("--classes", BARS, "--balanced", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert 0 <= told["miou"] <= 1
    assert {"boundary_f", "accuracy", "iou_ground", "iou_bar"} <= told.keys()
    card = read_card(tmp_path / "out" / "segment.safetensors")
    assert [one["name"] for one in card["config"]["classes"]] == ["ground", "bar"]
    assert card["data"]["validated_on"] == 1
    assert "weights=(1.0" in card["settings"]["loss"]


def test_progress_and_the_last_line_tell_miou(train):
    result = train("--classes", BARS)
    assert result.exit_code == 0, result.output
    assert "mIoU" in result.stdout
    assert "boundary F" in result.stdout


def test_one_image_is_enough_for_both_parts(train, bars, tmp_path):
    image = bars / "0.png"
    result = train("--classes", BARS, "--val-share", "0.35", "--val-gap", "8", images=image)
    assert result.exit_code == 0, result.output
    assert read_card(tmp_path / "out" / "segment.safetensors")["data"]["validated_on"] == 1
    alone = train("--classes", BARS, "--out", str(tmp_path / "alone"), images=image)
    assert "none is held out" in alone.stderr


def test_distances_are_learned(train, tmp_path):
    result = train("--distance-px", "8", recipe="hcdorn-cpu")
    assert result.exit_code == 0, result.output
    assert "delta1" in result.stdout
    assert read_card(tmp_path / "out" / "segment.safetensors")["config"]["unit"] == "8 px"
    assert "rms" in read_log(tmp_path / "out" / "log.csv")[-1]


def test_a_class_that_is_only_held_out_is_noted(train):
    # The last of the four images is held out, and alone has 5.
    assert "No pixel of 'hole' is annotated" in train("--classes", "a=0,b=*,hole=5").stderr


def test_the_clusters_are_those_that_are_asked_for(train, tmp_path):
    wanted = {"level": 4, "sampling": "residual", "downsampling": "deformable"}
    options = [word for name, value in wanted.items() for word in (f"--{name}", str(value))]
    result = train("--classes", BARS, "--backbone", "resnet34", *options)
    assert result.exit_code == 0, result.output
    weights = tmp_path / "out" / "segment.safetensors"
    card = read_card(weights)
    assert card["config"]["backbone"].items() >= (wanted | {"backbone": "resnet34"}).items()
    assert strides_of(str(weights)) == (4, 8, 16, 32)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((), "learns classes, but none are named"),
        (("--classes", "ground=0,bar=1"), "has the value 2, which no class names"),
        (("--classes", BARS, "--void", "0"), "--void means nothing for hcfcn-cpu"),
        (("--classes", BARS, "--distance-px", "4"), "--distance-px means nothing"),
        (("--classes", BARS, "--backbone", "resnet19"), "No backbone 'resnet19'"),
        (("--classes", BARS, "--level", "5"), "No level 5 of a network is known; take one of 0, 1"),
        (("--classes", BARS, "--sampling", "all"), "take one of block, residual, identity"),
        (("--classes", BARS, "--crop", "80"), "--crop 64"),
        (("--classes", BARS, "--val-share", "0.9"), "share of 0.9"),
        (("--classes", "a=9,b=8", "--ignore-others"), "No image has a pixel of 'a=9' or 'b=8'"),
        (("--classes", "a=0,b=300-400", "--ignore-others"), "labels are 0, 1, 2 and 3 more;"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    train, tmp_path, options, complaint
):
    assert complaint in refusal(train(*options))
    assert not (tmp_path / "out").exists()


def test_options_of_classes_mean_nothing_for_superpixels(train):
    assert "--classes means nothing for scn-cpu" in refusal(
        train("--classes", BARS, recipe="scn-cpu")
    )
    assert "'scn-cpu' has no ResNet" in refusal(train("--backbone", "resnet18", recipe="scn-cpu"))
    assert "has no ResNet, so no level 3" in refusal(train("--level", "3", recipe="scn-cpu"))
