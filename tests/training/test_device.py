"""Which device trains, and what is no device."""

import pytest
import torch

from napari_superpixels.errors import InputError
from napari_superpixels.training.device import chosen_device


@pytest.fixture
def gpus(monkeypatch):
    def have(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return have


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "mps"])
def test_other_names_are_refused(name):
    with pytest.raises(InputError, match="cpu or cuda"):
        chosen_device(name)


def test_a_gpu_that_is_not_there_is_refused(gpus):
    gpus(0)
    with pytest.raises(InputError, match="finds no GPU"):
        chosen_device("cuda")
    gpus(1)
    with pytest.raises(InputError, match="finds 1 GPU"):
        chosen_device("cuda:1")


def test_what_is_there_is_taken(gpus):
    gpus(0)
    assert chosen_device() == "cpu"
    gpus(2)
    assert (chosen_device(), chosen_device("cuda:1"), chosen_device("cpu")) == (
        "cuda", "cuda:1", "cpu",
    )  # fmt: skip
