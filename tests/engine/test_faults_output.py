"""Files of an unfinished output that are lost, altered or torn, and what a resume makes of it."""

import errno
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_superpixels.engine import records
from napari_superpixels.engine.events import TileDone, TilesLost
from napari_superpixels.engine.files import force_tree, read_json, refusal, write_json
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.engine.run import run_plan
from napari_superpixels.engine.seals import broken, seal_of, seals_of
from napari_superpixels.errors import Cancelled, IncompleteRunError, OutputError, TakenError
from napari_superpixels.io.chunk_files import chunk_files


@pytest.fixture
def plan(fake_plan):
    """A plan of several super-tiles and coarser levels."""
    image = np.random.default_rng(3).integers(0, 99, (600, 1100), dtype=np.uint8)
    return fake_plan(image, "yx", window=200)


def all_files(path):
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


def stop_at(tile):
    """A listener and the event that it sets when a tile is done."""
    cancel = threading.Event()

    def listen(event):
        if isinstance(event, TileDone) and event.tile == tile:
            cancel.set()

    return {"listener": listen, "cancel": cancel, "workers": 1}


@pytest.fixture
def interrupted(plan, tmp_path):
    """The state of a run that was stopped when its finest level was done."""
    last = f"0/{plan.tiles - 1}"
    with pytest.raises(Cancelled):
        run_plan(plan, tmp_path / "out.zarr", **stop_at(last))
    return RunState(partial_path(tmp_path / "out.zarr"))


def labels_file(state, tile):
    """A file of level 0 that a super-tile wrote."""
    files = dict(state.records())[tile]["files"]
    return state.partial / next(name for name in files if name.startswith("0/"))


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def alter(path):
    data, stat = bytearray(path.read_bytes()), path.stat()
    data[-1] ^= 16
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [cut, alter, empty, os.unlink])
def test_a_harmed_file_is_found_and_made_again(plan, interrupted, harm, tmp_path):
    (tmp_path / "whole").mkdir()
    whole = run_plan(plan, tmp_path / "whole" / "out.zarr").path
    before = set(interrupted.done())
    harm(labels_file(interrupted, "0/2"))
    lost = []
    result = run_plan(
        plan,
        tmp_path / "out.zarr",
        resume=True,
        listener=lambda event: lost.append(event) if isinstance(event, TilesLost) else None,
    )
    assert lost == [TilesLost(("0/2",))]
    assert result.report.computed == result.report.tiles - len(before) + 1
    assert all_files(result.path) == all_files(whole)


def test_levels_made_of_what_was_harmed_are_made_again(tmp_path):
    state = RunState(partial_path(tmp_path / "out.zarr"))
    state.make_folder()
    state.clear()
    with state.lock():
        for name in ("0/0", "0/1", "1/0", "2/0"):
            file = state.partial / name.replace("/", "-")
            file.write_bytes(name.encode())
            state.record(name, {}, [file])
        alter(state.partial / "0-1")
        assert state.check(lambda: None) == ["0/1"]
        assert set(state.done()) == {"0/0"}


def test_a_file_that_was_not_written_must_stay_away(tmp_path):
    """A chunk of nothing but the fill value has no file."""
    seals = seals_of(tmp_path, [tmp_path / "c" / "0"])
    assert seals == {"c/0": None}
    assert broken(tmp_path, [("0/0", seals)], lambda: None) == []
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "0").write_bytes(b"x")
    assert broken(tmp_path, [("0/0", seals)], lambda: None) == ["0/0"]


def test_a_quick_look_reads_sizes_alone(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc" * 1000)
    seals = seals_of(tmp_path, [path])
    alter(path)
    assert broken(tmp_path, [("0/0", seals)], lambda: None, quick=True) == []
    assert broken(tmp_path, [("0/0", seals)], lambda: None) == ["0/0"]
    cut(path)
    assert broken(tmp_path, [("0/0", seals)], lambda: None, quick=True) == ["0/0"]


def test_a_file_that_cannot_be_read_is_broken(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"")
    seals = seals_of(tmp_path, [path])
    path.unlink()
    path.symlink_to("/proc/self/mem")  # of no bytes; reading it is an input/output error
    assert broken(tmp_path, [("0/0", seals)], lambda: None) == ["0/0"]


def test_a_check_can_be_cancelled(interrupted):
    def pulse():
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        interrupted.check(pulse)


def test_seals_see_every_byte(tmp_path):
    path = tmp_path / "a"
    data = bytearray(np.random.default_rng(0).bytes(3 * 2**20 + 17))
    path.write_bytes(data)
    seal = seal_of(path)
    for place in (0, 2**20, len(data) - 1):
        data[place] ^= 1
        path.write_bytes(data)
        assert seal_of(path)[0] == seal[0]
        assert seal_of(path) != seal
        data[place] ^= 1


def test_files_that_vanish_under_the_run_are_missed_at_its_end(plan, tmp_path):
    out = tmp_path / "out.zarr"
    state = RunState(partial_path(out))

    def remove(event):
        if isinstance(event, TileDone) and event.tile == f"0/{plan.tiles - 1}":
            labels_file(state, "0/0").unlink()

    with pytest.raises(IncompleteRunError, match=r"tiles of .* altered or removed .*; resume"):
        run_plan(plan, out, listener=remove, workers=1)
    assert not out.exists()
    (tmp_path / "whole").mkdir()
    whole = run_plan(plan, tmp_path / "whole" / "out.zarr")
    assert all_files(run_plan(plan, out, resume=True).path) == all_files(whole.path)


def test_a_removed_output_ends_the_run(plan, tmp_path):
    out = tmp_path / "out.zarr"

    def remove(event):
        if isinstance(event, TileDone):
            shutil.rmtree(partial_path(out), ignore_errors=True)

    with pytest.raises(OutputError, match="was removed while it was being written; run it anew"):
        run_plan(plan, out, listener=remove, workers=1)
    assert not out.exists()


def test_two_processes_of_one_number_write_a_record_at_once(tmp_path, monkeypatch):
    """As in two containers, whose processes are all number 1."""
    path, replace, others = tmp_path / "0.json", Path.replace, [{"of": "the other"}]

    def meanwhile(self, target):
        if others:
            write_json(path, others.pop())
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", meanwhile)
    write_json(path, {"of": "this one"})
    assert read_json(path) == {"of": "this one"}
    assert list(tmp_path.iterdir()) == [path]


def test_an_output_that_another_run_began_anew_is_left_to_it(tmp_path):
    state = RunState(partial_path(tmp_path / "out.zarr"))
    state.make_folder()
    with state.lock():
        shutil.rmtree(state.partial)
        other = RunState(state.partial)
        other.make_folder()
        with other.lock():
            other.write(lambda: None)
            with pytest.raises(OutputError, match="was removed"):
                state.write(lambda: None)


def test_metadata_of_arrays_are_restored(plan, interrupted, tmp_path):
    empty(interrupted.partial / "1" / "zarr.json")
    (interrupted.partial / "zarr.json").unlink()
    result = run_plan(plan, tmp_path / "out.zarr", resume=True)
    (tmp_path / "whole").mkdir()
    assert all_files(result.path) == all_files(run_plan(plan, tmp_path / "whole" / "out.zarr").path)


def test_an_unreadable_manifest_is_said(plan, interrupted, tmp_path):
    for torn in (b"", b"\0" * 99, b"[]"):
        interrupted.manifest_path.write_bytes(torn)
        with pytest.raises(OutputError, match=r"no readable manifest.*remove it and run again"):
            run_plan(plan, tmp_path / "out.zarr", resume=True)


def test_what_a_killed_process_left_unnamed_is_not_published(plan, interrupted, tmp_path):
    stray = labels_file(interrupted, "0/0").with_name("7.0123456789abcdef.partial")
    stray.write_bytes(b"half")
    result = run_plan(plan, tmp_path / "out.zarr", resume=True)
    assert not list(result.path.rglob("*.partial"))


def test_the_holder_is_named_also_to_a_new_run(plan, interrupted, tmp_path):
    with interrupted.lock():
        for resume in (True, False):
            with pytest.raises(
                TakenError, match=rf"process {os.getpid()} on \S+ since 2\d\d\d-.*; wait"
            ):
                run_plan(plan, tmp_path / "out.zarr", resume=resume)
    with pytest.raises(TakenError, match="holds an unfinished run; resume it"):
        run_plan(plan, tmp_path / "out.zarr")


def test_a_server_that_is_away_for_a_moment_is_asked_again(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "PAUSES", (0.0, 0.0))
    state = RunState(partial_path(tmp_path / "out.zarr"))
    state.make_folder()
    asked = []

    def away(times, number):
        def action():
            asked.append(1)
            if len(asked) <= times:
                raise OSError(number, os.strerror(number))

        return action

    with state.lock():
        state.write(away(2, errno.ESTALE))
        assert len(asked) == 3
        asked.clear()
        with pytest.raises(OutputError, match=r"Input/output error.*and resume"):
            state.write(away(3, errno.EIO))
        asked.clear()
        with pytest.raises(
            OutputError, match=r"No space left on device.*make room there and resume"
        ):
            state.write(away(1, errno.ENOSPC))
        assert len(asked) == 1, "no room is no matter of patience"


def test_waiting_for_a_server_can_be_cancelled(tmp_path):
    state = RunState(partial_path(tmp_path / "out.zarr"))
    state.make_folder()

    def fail():
        raise OSError(errno.EIO, "Input/output error")

    def pulse():
        raise Cancelled("enough")

    with state.lock(), pytest.raises(Cancelled):
        state.write(fail, pulse)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG])
def test_refusals_are_one_sentence(number):
    text = refusal("out.zarr.partial", OSError(number, os.strerror(number)))
    assert os.strerror(number) in text
    assert "; " in text
    assert text.endswith("what is done is kept.")


def test_json_files_are_whole_or_not_there(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1}, durable=True)
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": 1}
    assert read_json(tmp_path / "none.json") is None
    with pytest.raises(OSError, match="No such file"):
        write_json(tmp_path / "no" / "folder.json", {})
    assert not (tmp_path / "no").exists()


def test_forcing_a_tree_leaves_the_state_alone(tmp_path):
    (tmp_path / ".run").mkdir()
    for name in (".run/a.1.tmp", "b.1.tmp", "c"):
        (tmp_path / name).write_text("x")
    force_tree(tmp_path, without=".run")
    assert sorted(all_files(tmp_path)) == [".run/a.1.tmp", "c"]


@pytest.mark.parametrize("shards", [None, (20, 30)])
@pytest.mark.parametrize("place", [(1, slice(0, 20), slice(0, 30)), (slice(1, 3), slice(15, 41))])
def test_the_files_of_a_box_are_those_that_writing_it_makes(tmp_path, shards, place):
    array = zarr.create_array(
        tmp_path / "a" / "b",
        shape=(3, 45, 70),
        chunks=(1, 10, 10),
        shards=shards and (1, *shards),
        dtype="u1",
    )
    array[place] = 7
    written = {path for path in (tmp_path / "a" / "b" / "c").rglob("*") if path.is_file()}
    assert set(chunk_files(array, place)) == written
