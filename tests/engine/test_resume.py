"""Runs that end in the middle, at every kind of place, and what is left on disk."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import zarr

import napari_superpixels as nsp
from napari_superpixels.engine.events import TileDone
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.records import STATE, RunState, partial_path
from napari_superpixels.engine.run import run_plan
from napari_superpixels.errors import Cancelled, IncompleteRunError, OutputError, TakenError
from napari_superpixels.testing.files import break_silently


@pytest.fixture
def large(fake_plan):
    """A plan of 35 windows and two coarser levels."""
    image = np.random.default_rng(3).integers(0, 99, (1300, 1100), dtype=np.uint8)
    return fake_plan(image, "yx", window=200)


def interrupt(plan, out, tile):
    cancel = threading.Event()

    def at(event):
        if isinstance(event, TileDone) and event.tile == tile:
            cancel.set()

    with pytest.raises(Cancelled):
        run_plan(plan, out, listener=at, cancel=cancel, workers=1)


def levels_of(path):
    names = [str(n) for n in range(3)] + ["cells/means", "cells/counts"]
    return [zarr.open_array(path / name, mode="r")[...] for name in names]


@pytest.mark.parametrize("tile", ["0/0", "0/20", "0/41", "1/0", "2/0"])
def test_a_resume_from_any_stage_gives_the_same(large, tile, tmp_path):
    whole = run_plan(large, tmp_path / "whole.zarr")
    interrupt(large, tmp_path / "out.zarr", tile)
    result = run_plan(large, tmp_path / "out.zarr", resume=True)
    assert result.report.computed < whole.report.computed
    for one, two in zip(levels_of(whole.path), levels_of(result.path), strict=True):
        np.testing.assert_array_equal(one, two)
    assert result.report.superpixels == whole.report.superpixels


def test_a_process_killed_while_it_publishes(large, tmp_path):
    out = tmp_path / "out.zarr"
    run_plan(large, out)
    partial = partial_path(out)
    (out / STATE / "records").mkdir(parents=True)  # killed after the rename: the state is left
    assert zarr.open_array(out / "0", mode="r").shape == (1300, 1100)
    with pytest.raises(OutputError, match="exists already"):
        run_plan(large, out)
    assert not partial.exists()


def test_records_without_a_manifest_are_not_trusted(large, tmp_path):
    out = tmp_path / "out.zarr"
    interrupt(large, out, "0/5")
    RunState(partial_path(out)).manifest_path.unlink()
    result = run_plan(large, out)
    assert result.report.computed == result.report.tiles
    np.testing.assert_array_equal(result.labels[:], lazy_labels(large).compute())


@pytest.mark.parametrize("torn", ["", '{"superp', "[]x"])
def test_a_torn_record_counts_as_none(large, torn, tmp_path):
    out = tmp_path / "out.zarr"
    interrupt(large, out, "0/5")
    state = RunState(partial_path(out))
    (state.folder / "records" / "0" / "3.json").write_text(torn)
    assert "0/3" not in state.done()
    result = run_plan(large, out, resume=True)
    np.testing.assert_array_equal(result.labels[:], lazy_labels(large).compute())


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_strangers_partial_is_left_alone(large, kind, tmp_path):
    out = tmp_path / "out.zarr"
    stranger = partial_path(out)
    if kind == "folder":
        stranger.mkdir()
        stranger = stranger / "precious.txt"
    stranger.write_text("mine")
    with pytest.raises(OutputError, match="none of ours; move it away"):
        run_plan(large, out)
    assert stranger.read_text() == "mine"


def test_any_step_and_window_can_be_resumed(tmp_path):
    image = zarr.create_array(tmp_path / "in.zarr", shape=(700, 900), chunks=(128, 128), dtype="u1")
    image[:] = np.random.default_rng(0).integers(0, 9, image.shape)
    for step, window in ((39, 300), (46, 700), (73, None), (16, 250)):
        plan = nsp.plan(tmp_path / "in.zarr", step=step, iterations=1, window=window)
        out = tmp_path / f"{step}.zarr"
        interrupt(plan, out, "0/0")
        labels = nsp.resume(out).labels[:]
        np.testing.assert_array_equal(labels, lazy_labels(plan).compute())


def test_failures_are_written_where_the_run_stopped(tmp_path):
    image = zarr.create_array(tmp_path / "in.zarr", shape=(60, 90), chunks=(30, 30), dtype="u1")
    image[:] = 7
    plan = nsp.plan(tmp_path / "in.zarr", step=6, iterations=1, window=30)
    break_silently(tmp_path / "in.zarr" / "c" / "1" / "2")
    out = tmp_path / "out.zarr"
    with pytest.raises(IncompleteRunError):
        run_plan(plan, out)
    text = (partial_path(out) / STATE / "failures.json").read_text()
    assert "y 30:60 px, x 60:90 px" in text


def test_the_users_cancel_event_is_the_users(large, tmp_path):
    cancel = threading.Event()

    def interrupting(event):
        if isinstance(event, TileDone):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(large, tmp_path / "out.zarr", listener=interrupting, cancel=cancel)
    assert not cancel.is_set()
    assert run_plan(large, tmp_path / "out.zarr", cancel=cancel, resume=True).labels.size


CANCELLED = """
import sys, threading, time
import numpy as np
import napari_superpixels as nsp
image = np.random.default_rng(0).integers(0, 255, (3000, 3000, 3), dtype=np.uint8)
nsp.superpixels(image[:64, :64]).compute()  # compiles
plan = nsp.plan(image, sys.argv[1])
cancel, done = threading.Event(), []
threading.Timer(0.3, lambda: (done.append(time.perf_counter()), cancel.set())).start()
try:
    nsp.run(plan, sys.argv[2], cancel=cancel)
except nsp.SuperpixelsError as error:
    print(time.perf_counter() - done[0])
"""


@pytest.mark.parametrize("method", ["slic", "ssn_pix"])
def test_one_large_window_stops_soon_after_a_cancel(method, tmp_path):
    out = tmp_path / "out.zarr"
    command = [sys.executable, "-c", CANCELLED, method, str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    assert float(done.stdout) >= 0, "it prints how long the cancel took"
    assert not out.exists(), done.stderr
    assert not RunState(partial_path(out)).done(), "the one window was stopped, not finished"


def test_a_run_that_starts_while_another_one_publishes_computes_nothing(
    large, tmp_path, monkeypatch
):
    """It saw no output, made a folder, and then the other one's had got its name."""
    out, exists, asked = tmp_path / "out.zarr", Path.exists, []
    run_plan(large, out)

    def lately(self):
        if self == out and not asked:
            asked.append(self)
            return False
        return exists(self)

    monkeypatch.setattr(Path, "exists", lately)
    events = []
    with pytest.raises(TakenError, match="exists already"):
        run_plan(large, out, listener=events.append)
    assert events == []
    monkeypatch.undo()
    assert not partial_path(out).exists()


def test_two_runs_race_for_a_published_output(large, tmp_path):
    out = tmp_path / "out.zarr"
    interrupt(large, out, "0/5")
    late = RunState(partial_path(out))
    run_plan(large, out, resume=True)
    with pytest.raises(OutputError, match="no unfinished output"), late.lock():
        pass
    assert not partial_path(out).exists()
