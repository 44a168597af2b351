"""Networks of others through preview and batch: live, run, killed and resumed, on a cluster."""

import hashlib
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import zarr
from skimage.io import imsave

import napari_superpixels as nsp
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.errors import InputError, SuperpixelsError
from napari_superpixels.models import learned
from napari_superpixels.models.registry import weights_files
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.foreign import (
    CLASSES,
    unet,
    write_card,
    write_package,
    write_pt2,
    write_script,
)
from napari_superpixels.testing.local_cluster import different_files, local_cluster

WINDOW = 32
"""Some super-tiles of up to sixteen windows."""
SECONDS = 120
KINDS = {
    "pt2": lambda folder: write_pt2(folder / "unet.pt2", unet()),
    "fixed": lambda folder: write_pt2(folder / "fixed.pt2", unet(), edge=96),
    "script": lambda folder: write_script(folder / "unet.pt", unet()),
    "package": lambda folder: write_package(folder),
}
KILLED = """
import os, signal, sys
import napari_superpixels as nsp
from napari_superpixels.engine.events import TileDone

def listen(event):
    if isinstance(event, TileDone):
        os.kill(os.getpid(), signal.SIGKILL)

image, weights, out = sys.argv[1:]
nsp.run(nsp.plan(image, nsp.Segment(weights=weights), window=32), out, workers=1, listener=listen)
"""


@pytest.fixture(scope="module", params=KINDS)
def weights(request, tmp_path_factory):
    """The file of a network."""
    if request.param == "package":
        pytest.importorskip("bioimageio.core")
    return KINDS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "in.png"
    imsave(path, noise((200, 270, 3)))
    return path


@pytest.fixture(scope="module")
def plan(image, weights):
    return nsp.plan(image, nsp.Segment(weights=str(weights)), window=WINDOW)


@pytest.fixture(scope="module")
def made(plan, tmp_path_factory):
    """What a run writes on one thread; as `out.zarr`, for names are written, too."""
    return nsp.run(plan, tmp_path_factory.mktemp("made") / "out.zarr", workers=1).path


def classes(path):
    return zarr.open_array(path / "0", mode="r")[:]


def test_the_live_view_is_what_a_run_writes(live, plan, made):
    view = live(plan)
    view.labels[0][...]
    assert view.wait(SECONDS)
    assert view.status().failed == 0
    np.testing.assert_array_equal(view.labels[0][...], classes(made))
    assert set(np.unique(classes(made))) == {1, 2, 3}


def test_the_shell_writes_the_same_files(shell, image, weights, plan, made, tmp_path):
    out = tmp_path / "out.zarr"
    options = ("--method", "segment", "--weights", weights, "--window", WINDOW, "--workers", 2)
    code, printed, told = shell("run", image, out, *options)
    assert code == 0, told
    assert "superpixels" not in printed
    assert "Warning" not in told
    assert different_files(made, out) == []
    code, printed, _ = shell("plan", image, *options[:-2], "--json")
    assert code == 0
    assert '"classes"' in printed


def test_a_killed_run_is_resumed_by_its_name_alone(image, weights, made, tmp_path):
    out = tmp_path / "out.zarr"
    command = [sys.executable, "-c", KILLED, str(image), str(weights), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    before = RunState(partial_path(out)).done()
    assert before, "it was killed after a part was done"
    report = nsp.resume(out).report
    assert report.computed == report.tiles - len(before) > 0
    assert different_files(made, out) == []


def test_file_and_card_travel(plan, made, weights, tmp_path):
    """A worker makes the plan from what was sent: it needs nothing of the folder it came from."""
    pytest.importorskip("distributed")
    from napari_superpixels.engine.cluster_worker import unpacked

    sent = weights_files(plan.method)
    assert {hashlib.sha256(content).hexdigest() for content in sent.values()} >= {
        plan.method.digest
    }
    there = unpacked(pickle.dumps(replace(plan)), sent, tmp_path / "worker")
    assert there.method.weights == str(tmp_path / "worker" / weights.name)
    assert replace(there.method, weights=plan.method.weights) == plan.method
    np.testing.assert_array_equal(lazy_labels(there).compute(), classes(made))


@pytest.fixture(scope="module")
def client():
    pytest.importorskip("distributed")
    with local_cluster(workers=1) as processes, processes.client(workers=1) as made:
        yield made


def test_a_cluster_writes_the_same_files(client, plan, made, tmp_path):
    out = tmp_path / "out.zarr"
    nsp.run(plan, out, client=client)
    assert different_files(made, out) == []


def test_a_run_goes_on_with_the_network_it_was_begun_with_alone(image, tmp_path):
    """Another file is told, and not used; nor by a plan that was made with the first."""
    path = write_script(tmp_path / "unet.pt", unet(), halo=20)
    plan = nsp.plan(image, nsp.Segment(weights=str(path)), window=WINDOW)
    nsp.run(plan, tmp_path / "out.zarr", part=(1, 2), workers=1)
    write_script(tmp_path / "unet.pt", unet(pooled=True), halo="whole")
    with pytest.raises(InputError, match="as asked for; give those that were used before"):
        nsp.resume(tmp_path / "out.zarr")
    for cache in (learned.load, learned.load_on):
        cache.cache_clear()
    with pytest.raises(InputError, match="is not the one of the plan"):
        nsp.run(plan, tmp_path / "other.zarr", workers=1)


def test_a_run_does_not_go_on_with_another_card(image, tmp_path):
    """The same network, whose classes have other numbers by now."""
    path = write_script(tmp_path / "unet.pt", unet(), halo=20)
    plan = nsp.plan(image, nsp.Segment(weights=str(path)), window=WINDOW)
    nsp.run(plan, tmp_path / "out.zarr", part=(1, 2), workers=1)
    others = [one | {"id": number} for number, one in enumerate(CLASSES, 5)]
    write_card(path, 3, halo=20, classes=others)
    with pytest.raises(
        SuperpixelsError, match=r"belongs to another plan \(its method.settings.config"
    ):
        nsp.resume(tmp_path / "out.zarr")
