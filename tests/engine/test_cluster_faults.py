"""A cluster that loses processes in the middle of a run."""

import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import tifffile
import zarr

import napari_superpixels as nsp
from napari_superpixels.cli import EXIT_INCOMPLETE
from napari_superpixels.engine.events import TileDone
from napari_superpixels.engine.plan import make_plan
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.errors import IncompleteRunError
from napari_superpixels.testing.fake import Fake
from napari_superpixels.testing.local_cluster import (
    different_files,
    kill,
    local_cluster,
    wait_until,
)

pytest.importorskip("distributed")

SHELL = [sys.executable, "-c", "from napari_superpixels.cli import main; main()"]
SETTINGS = ("--step", "8", "--iterations", "1", "--window", "64")


@pytest.fixture
def plan(tmp_path):
    """A plan of 42 windows and two coarser levels."""
    image = zarr.create_array(
        tmp_path / "in.zarr", shape=(1300, 1100), chunks=(256, 256), dtype="u1"
    )
    image[:] = np.random.default_rng(5).integers(0, 99, image.shape)
    return make_plan(nsp.open(tmp_path / "in.zarr"), Fake(), window=200)


@pytest.fixture
def local(plan, tmp_path):
    """What a local run writes."""
    (tmp_path / "local").mkdir()
    return nsp.run(plan, tmp_path / "local" / "out.zarr").path


class At:
    """A listener that does something when so many super-tiles are done."""

    def __init__(self, count, action):
        self.count = count
        self.action = action
        self.done = 0

    def __call__(self, event):
        if isinstance(event, TileDone):
            self.done += 1
            if self.done == self.count:
                self.action()


@contextmanager
def told(words, action):
    """Do something when the log says these words."""

    class Listening(logging.Handler):
        def emit(self, record):
            if words in record.getMessage():
                action()

    logger, handler = logging.getLogger("napari_superpixels"), Listening()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def test_a_run_outlives_all_its_workers_and_goes_on_with_those_that_join(
    plan, local, tmp_path, caplog
):
    out, waiting = tmp_path / "out.zarr", "The scheduler has no workers; waiting for them."
    with local_cluster(workers=1) as processes, processes.client(workers=1) as client:
        at = At(5, lambda: kill(processes.workers[0]))
        with told(waiting, processes.add_worker):
            result = nsp.run(plan, out, client=client, listener=at)
        assert at.done == result.report.computed == result.report.tiles
        assert len(client.nthreads()) == 1
        assert processes.workers[0].returncode == -signal.SIGKILL
    assert caplog.text.count(waiting) == 1
    assert different_files(local, out) == []


def test_a_run_outlives_one_of_two_workers(plan, local, tmp_path):
    out = tmp_path / "out.zarr"
    with local_cluster(workers=2) as processes, processes.client(workers=2) as client:
        nsp.run(plan, out, client=client, listener=At(5, lambda: kill(processes.workers[0])))
        assert processes.workers[1].poll() is None
    assert different_files(local, out) == []


def test_without_its_scheduler_a_run_ends_in_a_sentence_and_is_resumed(plan, local, tmp_path):
    out = tmp_path / "out.zarr"
    with local_cluster(workers=1) as processes, processes.client(workers=1) as client:
        address = processes.address
        with pytest.raises(IncompleteRunError) as caught:
            nsp.run(plan, out, client=client, listener=At(5, processes.kill_scheduler))
    assert str(caught.value).startswith(f"The scheduler {address} is gone; what is done is kept")
    assert 0 < len(RunState(partial_path(out)).done()) < plan.tiles
    assert not list((partial_path(out) / ".run" / "wanted").iterdir())
    with local_cluster(workers=1) as processes, processes.client(workers=1) as client:
        nsp.run(plan, out, client=client, resume=True)
    assert different_files(local, out) == []


def test_workers_grow_in_number_and_so_do_tiles_in_flight(plan, tmp_path):
    held = []
    with local_cluster(workers=1) as processes, processes.client(workers=1) as client:

        def grow():
            processes.add_worker(threads=3)
            wait_until(lambda: sum(client.nthreads().values()) == 4)

        at = At(5, grow)

        def listen(event):
            at(event)
            held.append((at.done, len(client.futures)))

        nsp.run(plan, tmp_path / "out.zarr", client=client, listener=listen)
    assert max(count for done, count in held if done < 5) <= 3
    assert max(count for done, count in held if done >= 5) > 3


@pytest.fixture
def slide(tmp_path):
    path = tmp_path / "slide.tif"
    image = np.random.default_rng(0).integers(0, 255, (600, 500, 3), dtype=np.uint8)
    tifffile.imwrite(path, image, photometric="rgb", tile=(64, 64))
    return path


def test_the_shell_on_a_cluster_killed_and_resumed_there(shell, slide, tmp_path):
    (tmp_path / "local").mkdir()
    assert shell("run", slide, tmp_path / "local" / "out.zarr", *SETTINGS)[0] == 0
    out = tmp_path / "out.zarr"
    state = RunState(partial_path(out))
    with local_cluster(workers=1) as processes:
        command = [*SHELL, "run", str(slide), str(out), *SETTINGS]
        process = subprocess.Popen([*command, "--scheduler", processes.address])
        wait_until(lambda: len(state.done()) > 2)
        kill(process)
        assert process.returncode == -signal.SIGKILL
        code, printed, _ = shell("resume", out, "--scheduler", processes.address, "--json")
    assert code == 0
    assert json.loads(printed)["computed"] > 0
    assert different_files(tmp_path / "local" / "out.zarr", out) == []


def test_the_shell_says_in_one_sentence_that_the_scheduler_is_gone(slide, tmp_path):
    out = tmp_path / "out.zarr"
    state = RunState(partial_path(out))
    with local_cluster(workers=1) as processes:
        command = [*SHELL, "run", str(slide), str(out), *SETTINGS, "--quiet"]
        process = subprocess.Popen(
            [*command, "--scheduler", processes.address],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        wait_until(lambda: len(state.done()) > 2)
        processes.kill_scheduler()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == EXIT_INCOMPLETE
    assert errors.count("\n") == 1
    assert errors.startswith("Error: The scheduler tcp://")
