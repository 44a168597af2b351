"""Outputs made in parts: by real processes at one moment, killed, refused, finished."""

import errno
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import zarr
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

import napari_superpixels as nsp
from napari_superpixels.engine.events import RunStarted, TileDone
from napari_superpixels.engine.parts import Part
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.errors import Cancelled, IncompleteRunError, InputError, OutputError
from napari_superpixels.testing.files import break_silently
from napari_superpixels.testing.local_cluster import different_files, kill, wait_until

SETTINGS = {"step": 8, "iterations": 1, "window": 64}

PART = """
import sys
import napari_superpixels as nsp
image, out, number, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
plan = nsp.plan(image, step=8, iterations=1, window=64)
sys.stdin.readline()  # all start at one moment
def stall(event):
    if "stall" in sys.argv and type(event).__name__ == "TileDone":
        sys.stdin.readline()
nsp.run(plan, out, part=(number, count), workers=1, listener=stall)
"""


@pytest.fixture
def image(tmp_path):
    """An image of 5 x 3 windows and a coarser level."""
    path = tmp_path / "in.zarr"
    made = zarr.create_array(path, shape=(300, 170), chunks=(64, 64), dtype="u1")
    made[:] = np.random.default_rng(5).integers(0, 99, made.shape)
    return path


@pytest.fixture
def plan(image):
    return nsp.plan(image, **SETTINGS)


@pytest.fixture
def local(plan, tmp_path):
    """What one local run writes."""
    (tmp_path / "local").mkdir()
    return nsp.run(plan, tmp_path / "local" / "out.zarr").path


def started(image, out, *words):
    command = [sys.executable, "-c", PART, str(image), str(out), *map(str, words)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


def stopped_at(plan, out, part, tile):
    """Compute some of a part; the listener stops it."""
    cancel = threading.Event()

    def at(event):
        if isinstance(event, TileDone) and event.tile == tile:
            cancel.set()

    with pytest.raises(Cancelled):
        nsp.run(plan, out, part=part, listener=at, cancel=cancel, workers=1)


def test_four_processes_at_one_moment_give_the_local_runs_files(image, local, tmp_path):
    out = tmp_path / "out.zarr"
    parts = [started(image, out, number, 4) for number in (1, 2, 3, 4)]
    for part in parts:
        go(part)
    for part in parts:
        _, errors = part.communicate(timeout=120)
        assert part.returncode == 0, errors
    done = RunState(partial_path(out)).done()
    finished = nsp.finish(out)
    assert finished.report.computed == finished.report.tiles - len(done)
    assert different_files(local, out) == []
    assert not partial_path(out).exists()


def test_a_killed_part_is_started_again(image, plan, local, tmp_path):
    out = tmp_path / "out.zarr"
    state = RunState(partial_path(out))
    for number in (1, 3):
        nsp.run(plan, out, part=(number, 3))
    before = len(state.done())
    process = started(image, out, 2, 3, "stall")
    go(process)
    wait_until(lambda: len(state.done()) > before)
    kill(process)
    process.communicate()
    computed = len(Part(2, 3).names(plan.tiles)) - (len(state.done()) - before)
    assert computed > 0
    assert nsp.run(plan, out, part=(2, 3)).report.computed == computed
    nsp.finish(out)
    assert different_files(local, out) == []


def test_a_part_tells_of_its_share_alone(plan, tmp_path):
    events = []
    result = nsp.run(plan, tmp_path / "out.zarr", part=(2, 4), listener=events.append)
    share = Part(2, 4).names(plan.tiles)
    assert {event.tile for event in events if isinstance(event, TileDone)} == set(share)
    (start,) = (event for event in events if isinstance(event, RunStarted))
    assert (start.tiles, start.done) == (len(share), 0)
    assert result.path == partial_path(tmp_path / "out.zarr")
    assert result.report.pixels == start.pixels
    assert 0 < result.report.superpixels < nsp.run(plan, tmp_path / "all.zarr").report.superpixels


def test_parts_can_be_resumed_as_one(plan, local, tmp_path):
    out = tmp_path / "out.zarr"
    nsp.run(plan, out, part=(2, 4))
    result = nsp.resume(out)
    assert result.report.computed < result.report.tiles
    assert different_files(local, out) == []


def test_an_interrupted_run_can_go_on_in_parts(plan, local, tmp_path):
    out = tmp_path / "out.zarr"
    stopped_at(plan, out, None, "0/11")
    computed = [nsp.run(plan, out, part=(number, 3)).report.computed for number in (1, 2, 3)]
    assert sum(computed) < plan.tiles
    nsp.finish(out)
    assert different_files(local, out) == []


def test_finish_names_the_parts_that_are_missing(plan, tmp_path):
    out = tmp_path / "out.zarr"
    for number in (1, 3, 8):
        nsp.run(plan, out, part=(number, 8))
    stopped_at(plan, out, (5, 8), f"0/{Part(5, 8).share(plan.tiles)[0]}")
    with pytest.raises(
        IncompleteRunError, match=r"Parts 2, 4 to 7 of 8 are not done; .*--part 2/8"
    ):
        nsp.finish(out)
    for number in (2, 4, 6, 7):
        nsp.run(plan, out, part=(number, 8))
    with pytest.raises(IncompleteRunError, match="Part 5 of 8 is not done"):
        nsp.finish(out)
    nsp.run(plan, out, part=(5, 8))
    assert nsp.finish(out).path == out


def test_more_parts_than_tiles(plan, local, tmp_path):
    out = tmp_path / "out.zarr"
    count = plan.tiles + 2
    computed = [nsp.run(plan, out, part=(n + 1, count)).report.computed for n in range(count)]
    assert sorted(set(computed)) == [0, 1]
    nsp.finish(out)
    assert different_files(local, out) == []


def test_what_does_not_go_together_is_refused(plan, image, tmp_path):
    out = tmp_path / "out.zarr"
    nsp.run(plan, out, part=(2, 4))
    with pytest.raises(OutputError, match="is made in 4 parts, but part 2/3 was asked for"):
        nsp.run(plan, out, part=(2, 3))
    with pytest.raises(OutputError, match=r"belongs to another plan \(its method.settings.step"):
        nsp.run(nsp.plan(image, **SETTINGS | {"step": 9}), out, part=(1, 4))
    with pytest.raises(OutputError, match="holds an unfinished run"):
        nsp.run(plan, out)
    nsp.resume(out)
    with pytest.raises(OutputError, match=r"out.zarr exists already"):
        nsp.run(plan, out, part=(1, 4))
    with pytest.raises(OutputError, match="is finished already"):
        nsp.finish(out)
    stopped_at(plan, tmp_path / "whole.zarr", None, "0/3")
    with pytest.raises(OutputError, match=r"not made in parts; resume .*whole.zarr instead"):
        nsp.finish(tmp_path / "whole.zarr")


def test_locks_keep_parts_and_runs_apart(plan, tmp_path):
    out = tmp_path / "out.zarr"
    nsp.run(plan, out, part=(1, 2))
    at_work = RunState(partial_path(out), "2-of-2")
    with at_work.lock_part(lambda: None):
        with pytest.raises(OutputError, match=r"\(part 2/2\) is being written by process \d+"):
            nsp.run(plan, out, part=(2, 2))
        with pytest.raises(OutputError, match=r"\(part 2/2\) is being written by process \d+"):
            nsp.resume(out)
        assert nsp.run(plan, out, part=(1, 2)).report.computed == 0
    with (
        RunState(partial_path(out)).lock(),
        pytest.raises(OutputError, match=r"out.zarr.partial is being written by process \d+"),
    ):
        nsp.run(plan, out, part=(2, 2))
    assert nsp.run(plan, out, part=(2, 2)).report.computed > 0


@pytest.mark.parametrize("place", ["parts", "parts/count.json", "parts/queue", "parts/1-of-2"])
def test_a_part_that_cannot_be_written_says_so(plan, tmp_path, monkeypatch, place):
    out = tmp_path / "out.zarr"
    full = partial_path(out) / ".run" / place
    for name in ("mkdir", "replace"):
        monkeypatch.setattr(Path, name, refusing(full, getattr(Path, name)))
    monkeypatch.setattr("filelock.BaseFileLock.acquire", refusing(full, FileLock.acquire))
    with pytest.raises(OutputError, match=r"cannot be written \(No space left on .*and resume"):
        nsp.run(plan, out, part=(1, 2))
    monkeypatch.undo()
    assert nsp.run(plan, out, part=(1, 2)).report.computed


def refusing(full, action):
    """Do something with any file but one, for which there is no room."""

    def answer(self, *arguments, **options):
        if full in (self, *arguments, Path(getattr(self, "lock_file", ""))):
            raise OSError(errno.ENOSPC, "No space left on device")
        return action(self, *arguments, **options)

    return answer


def test_a_part_that_comes_when_all_is_finished_leaves_nothing(plan, tmp_path, monkeypatch):
    """It saw no output, stood in line, and then there was one."""
    out = tmp_path / "out.zarr"
    nsp.run(plan, out)
    monkeypatch.setattr(Path, "exists", lately(out, Path.exists))
    with pytest.raises(OutputError, match="exists already"):
        nsp.run(plan, out, part=(1, 2))
    monkeypatch.undo()
    assert not partial_path(out).exists()


def test_a_part_that_comes_when_all_is_finished_leaves_the_work_of_others(
    plan, tmp_path, monkeypatch
):
    """Somebody put a finished output beside an unfinished one."""
    out = tmp_path / "out.zarr"
    nsp.run(plan, out, part=(1, 2))
    done = RunState(partial_path(out)).done()
    out.mkdir()
    monkeypatch.setattr(Path, "exists", lately(out, Path.exists))
    with pytest.raises(OutputError, match="exists already"):
        nsp.run(plan, out, part=(2, 2))
    monkeypatch.undo()
    assert done
    assert RunState(partial_path(out)).done() == done


def lately(path, exists):
    """Pretend, when it is asked for the first time, that a path is not there."""
    asked = []

    def answer(self):
        if self == path and not asked:
            asked.append(self)
            return False
        return exists(self)

    return answer


def test_a_part_with_a_broken_chunk_is_repaired_and_started_again(image, plan, local, tmp_path):
    out, chunk = tmp_path / "out.zarr", image / "c" / "0" / "1"
    content = chunk.read_bytes()
    break_silently(chunk)
    with pytest.raises(IncompleteRunError, match=r"repair the cause and start part 1/2 again"):
        nsp.run(plan, out, part=(1, 2))
    nsp.run(plan, out, part=(2, 2))
    assert RunState(partial_path(out)).read_failures()
    with pytest.raises(IncompleteRunError, match="Part 1 of 2 is not done"):
        nsp.finish(out)
    chunk.write_bytes(content)
    nsp.run(nsp.plan(image, **SETTINGS), out, part=(1, 2))
    assert not RunState(partial_path(out)).read_failures()
    nsp.finish(out)
    assert different_files(local, out) == ["zarr.json"]  # which names the image that was repaired


@given(count=st.integers(1, 70), tiles=st.integers(0, 500))
def test_shares_are_balanced_contiguous_and_all(count, tiles):
    shares = [Part(number, count).share(tiles) for number in range(1, count + 1)]
    assert [number for share in shares for number in share] == list(range(tiles))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("part", [(0, 4), (5, 4), (1, 0), (1,), "3/4", 3, (1.5, 4), None])
def test_no_part(part):
    with pytest.raises(InputError, match=r"part is .*; (give|there must be 1)"):
        Part.of(part)
