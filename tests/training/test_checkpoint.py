"""Checkpoints: whole or not there, and refused with a sentence where they cannot be trusted."""

import errno
import os
import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn

from napari_superpixels.errors import InputError, OutputError, SourceError
from napari_superpixels.training.checkpoint import Checkpoint, load_network


def make(step=3):
    network = nn.Linear(2, 2)
    return Checkpoint(
        step=step,
        settings={"batch": 2, "crops": [{"size": 8}]},
        network=network.state_dict(),
        optimizer=torch.optim.Adam(network.parameters()).state_dict(),
        scores={"asa": 0.5},
        best=0.5,
    )


def test_what_is_saved_comes_back(tmp_path):
    checkpoint = make()
    checkpoint.save(tmp_path / "last.pt")
    again = Checkpoint.load(tmp_path / "last.pt")
    assert (again.step, again.settings, again.scores) == (3, checkpoint.settings, {"asa": 0.5})
    assert all(torch.equal(again.network[k], v) for k, v in checkpoint.network.items())
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_a_disk_that_fills_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    make(1).save(path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"step 2 .*No space left.*before it is whole"):
        make(2).save(path)
    assert Checkpoint.load(path).step == 1
    assert [each.name for each in tmp_path.iterdir()] == ["last.pt"]
    with pytest.raises(OutputError, match="none before it"):
        make(2).save(tmp_path / "other.pt")


LIMITED = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_checkpoint import make
from napari_superpixels.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    make(2).save(Path(sys.argv[1]))
except OutputError as error:
    sys.exit(7 if "whole" in str(error) else 8)
"""


def test_a_write_that_the_system_cuts_short_leaves_the_checkpoint_before(tmp_path):
    path = tmp_path / "last.pt"
    make(1).save(path)
    assert path.stat().st_size > 1000
    here = os.path.dirname(__file__)
    ended = subprocess.run([sys.executable, "-c", LIMITED, path, here], check=False)
    assert ended.returncode == 7
    assert Checkpoint.load(path).step == 1


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_truncated_files_are_refused(tmp_path, share):
    path = tmp_path / "last.pt"
    make().save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(SourceError, match="cut short or altered"):
        Checkpoint.load(path)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9, 1.0])
def test_altered_files_are_refused(tmp_path, place):
    path = tmp_path / "last.pt"
    make().save(path)
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match="altered"):
        Checkpoint.load(path)


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.path.join(os.environ["EVIL"], "done"),)


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_pickles_are_refused_and_not_run(tmp_path, monkeypatch, how):
    monkeypatch.setenv("EVIL", str(tmp_path))
    path = tmp_path / "last.pt"
    if how == "pickle":
        path.write_bytes(pickle.dumps({"network": Evil()}))
    else:
        torch.save({"network": Evil()}, path)
    with pytest.raises(SourceError, match="is a pickle"):
        Checkpoint.load(path)
    assert not (tmp_path / "done").exists()


def test_other_files_of_tensors_are_no_checkpoints(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "last.pt")
    with pytest.raises(SourceError, match="no checkpoint of this training"):
        Checkpoint.load(tmp_path / "last.pt")
    with pytest.raises(SourceError, match="There is no"):
        Checkpoint.load(tmp_path / "none.pt")


def test_the_weights_of_another_network_are_refused():
    network = nn.Linear(2, 2)
    load_network(network, nn.Linear(2, 2).state_dict(), "here")
    for other in (nn.Linear(2, 3), nn.Linear(2, 2, bias=False)):
        with pytest.raises(InputError, match="'here' holds the weights of another network"):
            load_network(network, other.state_dict(), "here")
