"""Weights from a checkpoint: what methods load, in half precision, with a card."""

import errno
import os
from dataclasses import replace

import numpy as np
import pytest

from napari_superpixels.errors import InputError, OutputError, SourceError, TrainingError
from napari_superpixels.models.learned import load
from napari_superpixels.models.ssn import Ssn
from napari_superpixels.models.weights import find, read_card
from napari_superpixels.testing.tiny import tiny_recipe
from napari_superpixels.training.checkpoint import BEST, LAST, Checkpoint
from napari_superpixels.training.data import Crops
from napari_superpixels.training.export import export
from napari_superpixels.training.loop import Running, train
from napari_superpixels.training.recipes import recipe
from napari_superpixels.training.start import starting_from
from napari_superpixels.training.validate import Validation


@pytest.fixture
def short():
    """SSN for one small step."""
    made = recipe("ssn-cpu")
    return replace(made, crops=(Crops(size=40),), batch=1, steps=1)


def test_the_method_loads_what_training_wrote(short, data, tmp_path):
    train(short, data, tmp_path)
    path = export(short, tmp_path, data="discs", licence="CC0")
    assert path == tmp_path / "ssn.safetensors"
    assert Ssn(weights=str(path)).digest
    assert load(find(str(path), "ssn"))
    arrays = find(str(path), "ssn").read()
    for name, tensor in Checkpoint.load(tmp_path / LAST).network.items():
        if tensor.is_floating_point():
            assert np.array_equal(arrays[name], tensor.numpy().astype(np.float16)), name
    card = read_card(path)
    assert (card["recipe"], card["steps"], card["licence"]) == ("ssn-cpu", 1, "CC0")
    assert card["settings"]["seed"] == 3
    assert path.stat().st_size < 500_000


def test_the_best_checkpoint_is_taken_where_there_is_one(data, tmp_path):
    made = tiny_recipe()
    running = Running(validate_every=1)
    train(made, data, tmp_path, validation=Validation.of(data.pairs), running=running)
    best = Checkpoint.load(tmp_path / BEST)
    card = read_card(export(made, tmp_path, tmp_path / "best.safetensors"))
    assert card["steps"] == best.step
    assert card["validation"] == best.scores


def test_the_checkpoint_of_another_network_is_refused(short, data, tmp_path):
    train(tiny_recipe(), data, tmp_path)
    with pytest.raises(InputError, match="another network than Ssn"):
        export(short, tmp_path)
    with pytest.raises(SourceError, match="There is no"):
        export(short, tmp_path / "nowhere")


@pytest.mark.parametrize("value", [7e4, float("nan")])
def test_numbers_beyond_half_precision_are_refused(data, tmp_path, value):
    train(tiny_recipe(), data, tmp_path)
    checkpoint = Checkpoint.load(tmp_path / LAST)
    checkpoint.network["scale.running_var"][0] = value
    checkpoint.save(tmp_path / LAST)
    with pytest.raises(TrainingError, match=r"scale\.running_var.*smaller learning rate"):
        export(tiny_recipe(), tmp_path)
    assert not list(tmp_path.glob("*.safetensors*"))


def test_the_checkpoint_of_another_recipe_is_refused(data, tmp_path):
    train(tiny_recipe(), data, tmp_path)
    with pytest.raises(InputError, match="recipe 'tiny', not of 'other'"):
        export(tiny_recipe(name="other"), tmp_path)


def test_the_card_says_what_a_training_began_with(data, tmp_path):
    first = tiny_recipe()
    train(first, data, tmp_path / "a")
    begun = export(first, tmp_path / "a", licence="CC-BY, by the Museum")
    assert read_card(begun)["start"] == {}
    second = starting_from(first, str(begun))
    train(second, data, tmp_path / "b")
    card = read_card(export(second, tmp_path / "b"))
    assert card["start"]["name"] == "tiny"
    assert card["start"]["licence"] == "CC-BY, by the Museum"
    assert card["start"]["sha256"] == card["settings"]["start"] == read_card(begun)["sha256"]


def test_a_disk_that_fills_leaves_the_pair_as_it_was(data, tmp_path, monkeypatch):
    """The second of two files is the card; with the first alone, the old pair would be lost."""
    made = tiny_recipe()
    train(made, data, tmp_path)
    path = export(made, tmp_path)
    before = path.read_bytes(), path.with_suffix(".json").read_bytes()
    synced = []

    def full_at_the_second(descriptor):
        synced.append(descriptor)
        if len(synced) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    train(replace(made, steps=9), data, tmp_path, resume=True)
    monkeypatch.setattr(os, "fsync", full_at_the_second)
    with pytest.raises(OutputError, match="No space left"):
        export(made, tmp_path)
    assert (path.read_bytes(), path.with_suffix(".json").read_bytes()) == before
    assert not list(tmp_path.glob("*.partial"))


def test_a_full_disk_is_told(data, tmp_path, monkeypatch):
    train(tiny_recipe(), data, tmp_path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        export(tiny_recipe(), tmp_path)
    assert not list(tmp_path.glob("*.safetensors*"))
