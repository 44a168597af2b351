"""Weights from a checkpoint: what methods load, in half precision, with a card."""

import errno
import os

import numpy as np
import pytest

from napari_superpixels.errors import InputError, OutputError, SourceError
from napari_superpixels.models.learned import load
from napari_superpixels.models.ssn import Ssn
from napari_superpixels.models.weights import find, read_card
from napari_superpixels.testing.tiny import tiny_recipe
from napari_superpixels.training.checkpoint import BEST, LAST, Checkpoint
from napari_superpixels.training.data import Crops
from napari_superpixels.training.export import export
from napari_superpixels.training.loop import Running, train
from napari_superpixels.training.recipes import recipe
from napari_superpixels.training.validate import Validation


@pytest.fixture
def short():
    """SSN for one small step."""
    from dataclasses import replace

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


def test_a_full_disk_is_told(data, tmp_path, monkeypatch):
    train(tiny_recipe(), data, tmp_path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        export(tiny_recipe(), tmp_path)
    assert not list(tmp_path.glob("*.safetensors*"))
