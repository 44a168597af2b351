"""Segmentation and regression through the one loop: trajectories, stops, files."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.io import imsave

from napari_superpixels.errors import InputError, TrainingError
from napari_superpixels.labels.class_metrics import confusion, mean_iou_of
from napari_superpixels.models.weights import read_card
from napari_superpixels.networks import resnet
from napari_superpixels.networks.backbone import BackboneSettings
from napari_superpixels.networks.segmentation import SegmentationNetwork
from napari_superpixels.training import start
from napari_superpixels.training.checkpoint import BEST, LAST, Checkpoint
from napari_superpixels.training.classes import classified, parsed
from napari_superpixels.training.data import Batch, TrainingSet
from napari_superpixels.training.dense import class_loss
from napari_superpixels.training.dense_recipes import DENSE, SHORT
from napari_superpixels.training.events import StepDone, Validated
from napari_superpixels.training.export import export
from napari_superpixels.training.log import read_log
from napari_superpixels.training.loop import Run, Running, train
from napari_superpixels.training.measure import ClassValidation, ValueValidation, looked_at
from napari_superpixels.training.pairs import find_pairs
from napari_superpixels.training.recipes import recipe
from napari_superpixels.training.start import starting_from
from napari_superpixels.training.targets import distances

TWO = parsed("ground=0,bar#ff8800=1")


@pytest.fixture
def place(tmp_path):
    """Images of bright bars on noise, all alike, and which pixels are a bar's."""
    folder = tmp_path / "bars"
    folder.mkdir()
    for seed in range(3):
        rng = np.random.default_rng(seed)
        labels = np.zeros((64, 96), np.uint8)
        at = int(rng.integers(8, 60))
        labels[:, at : at + 24] = 1
        image = rng.normal(60 + 120 * labels, 10).clip(0, 255).astype(np.uint8)
        imsave(folder / f"{seed}.png", image, check_contrast=False)
        imsave(folder / f"{seed}.labels.png", labels, check_contrast=False)
    return folder


@pytest.fixture
def pairs(place):
    return classified(find_pairs(place), TWO)


def small(name="hcfcn-cpu", steps=4, **changes):
    made = SHORT[name]().telling(TWO)
    crops = tuple(replace(each, size=64, scales=(1.0, 1.5)) for each in made.crops)
    return replace(made, crops=crops, batch=2, steps=steps, **changes)


def learning(pairs, seed=3):
    return TrainingSet(pairs, seed=seed, void=0)


def weights(folder, name=LAST):
    return Checkpoint.load(folder / name).network


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_an_interrupted_training_has_the_same_weights_dropout_included(pairs, tmp_path):
    running = Running(save_every=1, validate_every=2)
    measured = ClassValidation(tuple(pairs[:1]), TWO)
    whole = train(small(), learning(pairs), tmp_path / "w", validation=measured, running=running)
    told = []

    def stopped():
        return sum(isinstance(event, StepDone) for event in told) >= 3

    parts = tmp_path / "p"
    for resume in (False, True):
        torch.rand(7)  # what others draw meanwhile changes nothing
        ended = train(
            small(),
            learning(pairs),
            parts,
            validation=measured,
            running=running,
            resume=resume,
            listener=told.append,
            stopped=stopped if not resume else lambda: False,
        )
    assert ended.finished
    assert same(weights(parts), weights(tmp_path / "w"))
    assert same(weights(parts, BEST), weights(tmp_path / "w", BEST))
    assert ended.scores == whole.scores
    assert (parts / "log.csv").read_text() == (tmp_path / "w" / "log.csv").read_text()


def test_other_classes_are_another_trajectory(pairs, tmp_path):
    train(small(steps=1), learning(pairs), tmp_path)
    other = small(steps=1).telling(parsed("ground=1,bar=0"))
    with pytest.raises(InputError, match="has classes"):
        train(other, learning(pairs), tmp_path, resume=True)


def test_a_network_learns_bars_and_validation_says_so(pairs, tmp_path):
    measured = ClassValidation(tuple(pairs[:1]), TWO)
    running = Running(validate_every=60)
    made = small(steps=60)
    ended = train(made, learning(pairs[1:]), tmp_path, validation=measured, running=running)
    assert ended.scores["miou"] > 0.5  # with one class everywhere it is at most .4
    row = read_log(tmp_path / "log.csv")[-1]
    assert list(row)[-5:] == ["miou", "accuracy", "boundary_f", "iou_ground", "iou_bar"]
    assert float(row["iou_bar"]) == pytest.approx(ended.scores["iou_bar"], rel=1e-4)
    network = made.network()
    network.load_state_dict(weights(tmp_path))
    (look,) = looked_at(network.eval(), made, pairs[0])
    counts = confusion(look.truth, look.logits.argmax(dim=0).numpy() + 1, 2)
    assert mean_iou_of(counts) == ended.scores["miou"]


@pytest.mark.parametrize("name", ["hcpspnet-cpu", "hcfcn-cpu"])
def test_a_loss_that_is_no_number_names_the_image_also_with_pooled_heads(pairs, tmp_path, name):
    made = small(name)

    def poisoned(network, batches, step, rng):
        terms = made.loss(network, batches, step, rng)
        bad = step == 2 and any(each.startswith("1,") for each in batches[0].names)
        return terms | {"class": terms["class"] * (float("nan") if bad else 1)}

    data = learning(pairs[1:2])
    with pytest.raises(TrainingError, match=r"at step 3, on 1, annotation 0.*of step 2") as error:
        train(replace(made, loss=poisoned), data, tmp_path, running=Running(save_every=1))
    assert "\n" not in str(error.value)
    assert Checkpoint.load(tmp_path / LAST).step == 2
    assert export(made, tmp_path)


def test_one_crop_is_too_few_for_heads_that_average(pairs, tmp_path):
    with pytest.raises(InputError, match="give at least --batch 2"):
        train(replace(small("hcpspnet-cpu"), batch=1), learning(pairs), tmp_path)


def test_training_ends_early_where_nothing_gets_better(pairs, tmp_path, monkeypatch):
    scores = iter([0.5, 0.7, 0.6, 0.7, 0.9])
    monkeypatch.setattr(ClassValidation, "__call__", lambda *_: {"miou": next(scores)})
    measured = ClassValidation(tuple(pairs[:1]), TWO)
    running = Running(validate_every=1, patience=2)
    told = []
    ended = train(
        small(steps=9),
        learning(pairs),
        tmp_path,
        validation=measured,
        running=running,
        listener=told.append,
    )
    assert (ended.step, ended.finished) == (4, True)
    assert [event.step for event in told if isinstance(event, Validated)] == [1, 2, 3, 4]
    assert Checkpoint.load(tmp_path / BEST).step == 2
    again = train(
        small(steps=9),
        learning(pairs),
        tmp_path,
        validation=measured,
        running=running,
        resume=True,
    )
    assert again.step == 4
    patient = replace(running, patience=3)
    on = train(
        small(steps=9),
        learning(pairs),
        tmp_path,
        validation=measured,
        running=patient,
        resume=True,
        stopped=iter([False, True]).__next__,
    )
    assert on.step == 5


def test_weights_say_what_they_tell_apart(pairs, tmp_path):
    train(small(steps=1), learning(pairs), tmp_path)
    path = export(small(steps=1), tmp_path, licence="CC0")
    card = read_card(path)
    block = card["config"]
    assert (card["network"], path.name) == ("segmentation", "segment.safetensors")
    assert block["classes"] == [
        {"id": 1, "name": "ground", "colour": "#0072b2"},
        {"id": 2, "name": "bar", "colour": "#ff8800"},
    ]
    told = {key: block[key] for key in ("network", "name", "head", "channels", "output")}
    assert told == {
        "network": "segmentation",
        "name": "hcfcn-cpu",
        "head": "fcn",
        "channels": 3,
        "output": "classes",
    }
    assert len(block["normalisation"]["mean"]) == len(block["normalisation"]["std"]) == 3
    made = SegmentationNetwork(block["head"], classes=len(block["classes"]), **block["backbone"])
    assert made.settings == BackboneSettings(form="hc", backbone="resnet18")
    assert {k: v.shape for k, v in made.state_dict().items()} == {
        k: v.shape for k, v in weights(tmp_path).items()
    }


def test_a_network_begins_with_another_ones_layers(pairs, tmp_path):
    train(small(steps=1), learning(pairs), tmp_path)
    path = str(export(small(steps=1), tmp_path))
    started = starting_from(SHORT["hcfcn-cpu"](), path).telling(TWO)
    state, given = started.network().state_dict(), weights(tmp_path)
    assert all(torch.equal(state[name].half(), given[name].half()) for name in given)
    assert started.rate.rate == pytest.approx(0.003)
    three = starting_from(SHORT["hcfcn-cpu"](), path).telling(parsed("a=0,b=1,c=*"))
    state = three.network().state_dict()
    assert torch.equal(state["head.layers.0.weight"].half(), given["head.layers.0.weight"].half())
    assert state["classifier.weight"].shape[0] == 3
    with pytest.raises(InputError, match="backbone 'resnet18'"):
        starting_from(SHORT["hcfcn-cpu"]("resnet34"), path).network()


def test_imagenets_weights_are_taken_when_asked_for(pairs, tmp_path, monkeypatch):
    def filled(trunk):
        torch.nn.init.constant_(trunk.conv1.weight, 0.5)

    monkeypatch.setattr(resnet, "load_imagenet", filled)
    begun = starting_from(SHORT["hcfcn-cpu"](), "imagenet").telling(parsed("a=0,b=1,c=*"))
    network = begun.network()
    assert float(network.backbone.trunk.conv1.weight.detach().mean()) == 0.5
    assert network.classes == 3
    assert start.start_of(begun)["name"] == "imagenet"
    with pytest.raises(InputError, match="'scn' has no ResNet"):
        starting_from(recipe("scn"), "imagenet")


def test_classes_weigh_and_unknown_pixels_do_not():
    logits = torch.tensor([[[[2.0, 0.0, 5.0]], [[0.0, 1.0, 0.0]]]])
    ids = torch.tensor([[[1, 2, -1]]])
    first, second = np.log1p(np.exp(-2)), np.log1p(np.exp(-1))
    assert float(class_loss(logits, ids)) == pytest.approx((first + second) / 2)
    weighed = float(class_loss(logits, ids, (1.0, 3.0)))
    assert weighed == pytest.approx((first + 3 * second) / 4)
    assert float(class_loss(logits, torch.zeros_like(ids))) == 0


def distance_recipe(steps=2):
    made = DENSE["hcdorn-cpu"]()
    crops = tuple(replace(each, size=64) for each in made.crops)
    return replace(made, crops=crops, batch=2, steps=steps, reach_px=8)


def test_distances_are_learned_and_measured(place, tmp_path):
    pairs = distances(find_pairs(place), 8)
    made = distance_recipe()
    measured = ValueValidation(tuple(pairs[:1]))
    ended = train(made, TrainingSet(pairs), tmp_path, validation=measured)
    assert set(ended.scores) == {"delta1", "delta2", "delta3", "rel", "log10", "rms"}
    rows = read_log(tmp_path / "log.csv")
    assert float(rows[0]["loss_ordinal"]) == pytest.approx(79 * np.log(2), rel=0.1)
    block = read_card(export(made, tmp_path))["config"]
    assert (block["output"], block["unit"]) == ("map", "8 px")
    assert block["discretisation"] == {"bins": 80, "lowest": 0.0, "highest": 1.0}
    with pytest.raises(InputError, match="has reach_px 8"):
        train(
            replace(made, reach_px=9),
            TrainingSet(pairs),
            tmp_path,
            validation=measured,
            resume=True,
        )


def test_unknown_values_do_not_reach_the_loss(place):
    pairs = distances(find_pairs(place), 8, void=0)
    made = distance_recipe()
    batch = TrainingSet(pairs, seed=1).batch(0, 2, made.crops[0])
    assert batch.labels.isnan().any()
    assert batch.labels.dtype == torch.float32
    network = made.network().train()
    terms = made.loss(network, (batch,), 0, np.random.default_rng(0))
    assert all(bool(term.isfinite()) for term in terms.values())
    nothing = Batch(batch.image, torch.full_like(batch.labels, float("nan")), batch.names)
    torch.manual_seed(0)
    none = made.loss(network, (nothing,), 0, np.random.default_rng(0))
    assert [float(term.detach()) for term in none.values()] == [0, 0]


def test_images_without_known_pixels_cannot_be_measured_on(place, tmp_path):
    nobody = classified(find_pairs(place), parsed("a=7,b=8", ignores_rest=True))
    run = Run(small(), learning(nobody), tmp_path, None, Running())
    with pytest.raises(InputError, match="No pixel of the images that are held out"):
        ClassValidation(tuple(nobody), TWO)(run.network, small())
    assert run.network.training
