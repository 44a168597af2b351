"""The trace of a run, the stage that bounds it, and stages that work side by side."""

import errno
import io
import json
import threading
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.cli import EXIT_BAD_INPUT
from napari_superpixels.engine.cost import Lanes
from napari_superpixels.engine.events import Report, RunFinished, RunStarted, Span, TileDone
from napari_superpixels.engine.line import Line
from napari_superpixels.engine.profile import profiled
from napari_superpixels.engine.run import run_plan
from napari_superpixels.engine.stage import STEPS, Task, Work
from napari_superpixels.errors import OutputError
from napari_superpixels.models.visits import Visit, note, visits
from napari_superpixels.testing.fake import FakeModel


def test_a_trace_tells_each_step_of_each_super_tile(image, fake_plan, tmp_path):
    plan, events = fake_plan(image, window=48), []
    nsp.run(plan, tmp_path / "out.zarr", profile=tmp_path / "p.json", listener=events.append)
    trace = json.loads((tmp_path / "p.json").read_text())
    done = {event.tile for event in events if isinstance(event, TileDone)}
    steps = [entry for entry in trace if entry["ph"] == "X"]
    assert {entry["name"] for entry in steps} == {f"{s} {tile}" for s in STEPS for tile in done}
    rows = {e["tid"]: e["args"]["name"] for e in trace if e["name"] == "thread_name"}
    for entry in steps:
        stage = "write" if entry["cat"] == "finish" else entry["cat"]
        assert stage in rows[entry["tid"]], "threads are called after their stage"
        assert entry["ts"] >= 0 <= entry["dur"]
    for tile in done:
        begins = [next(e["ts"] for e in steps if e["name"] == f"{s} {tile}") for s in STEPS]
        assert begins == sorted(begins)


def test_no_file_is_left_by_a_run_that_never_began(image, fake_plan, tmp_path):
    plan, out = fake_plan(image), tmp_path / "out.zarr"
    out.mkdir()
    with pytest.raises(OutputError, match="exists already"):
        nsp.run(plan, out, profile=tmp_path / "p.json")
    assert not (tmp_path / "p.json").exists()


def test_a_killed_run_leaves_a_trace_that_lacks_its_bracket_alone(tmp_path):
    path = tmp_path / "p.json"
    with profiled(path, lambda _: None) as listen:
        listen(RunStarted(tiles=1, done=0, pixels=1))
        listen(TileDone("0/0", 0, 1, 1.0, (Span("read", "one", 0.0, 1.0),)))
    assert json.loads(path.read_text().rstrip().removesuffix("]") + "]")


@pytest.mark.parametrize("room", [0, 300, 1000])
def test_a_full_disk_ends_the_trace_and_not_the_run(room, tmp_path, monkeypatch, caplog):
    """Whether it is full from the first byte on, in the middle, or at the end."""
    written, heard = [], []

    class Small(io.StringIO):
        def write(self, text):
            written.append(text)
            if sum(map(len, written)) > room:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(text)

    monkeypatch.setattr(Path, "open", lambda *_, **__: Small())
    with profiled(tmp_path / "p.json", heard.append) as listen:
        events = [TileDone(f"0/{n}", 0, 1, 1.0, (Span("read", "one", 0.0, 1.0),)) for n in range(9)]
        for event in events:
            listen(event)
    assert heard == events
    assert [record.getMessage() for record in caplog.records] == [
        f"The profile {tmp_path / 'p.json'} cannot be written any more (No space left on device); "
        f"the run goes on without."
    ]


@pytest.mark.parametrize("name", ["there.json", "no/where.json"])
def test_a_profile_that_cannot_be_written_is_refused_before_the_run(name, shell, tmp_path):
    (tmp_path / "there.json").write_text("mine")
    np.save(tmp_path / "image.npy", np.zeros((40, 50), np.uint8))
    out = tmp_path / "out.zarr"
    code, _, errors = shell("run", tmp_path / "image.npy", out, "--profile", tmp_path / name)
    assert code == EXIT_BAD_INPUT
    assert "exist" in errors
    assert not out.exists()
    assert (tmp_path / "there.json").read_text() == "mine"


def test_a_run_that_is_resumed_and_one_that_is_finished_are_traced_as_well(shell, tmp_path):
    np.save(tmp_path / "image.npy", np.zeros((80, 90), np.uint8))
    image, out, other = (tmp_path / name for name in ("image.npy", "out.zarr", "other.zarr"))
    plan, settings = nsp.plan(image, step=8, window=40), ("--step", 8, "--window", 40)
    with pytest.raises(KeyboardInterrupt):
        run_plan(plan, out, listener=interrupting, workers=1)
    assert shell("run", image, other, *settings, "--part", "1/1")[0] == 0
    for command, unfinished in (("resume", out), ("finish", other)):
        path = tmp_path / f"{command}.json"
        assert shell(command, unfinished, "--profile", path, "--device", "cpu")[0] == 0
        assert any(entry["name"] == "RunStarted" for entry in json.loads(path.read_text()))


def interrupting(event):
    if isinstance(event, TileDone):
        raise KeyboardInterrupt


def test_the_workers_of_a_run_are_processors_in_its_help_too(shell):
    for command in ("run", "resume", "finish"):
        assert "Processors to use" in " ".join(shell(command, "--help")[1].split())


def test_the_report_names_the_stage_that_bounds_the_run(image, fake_plan, tmp_path):
    facts = {"tiles": 1, "computed": 1, "failed": (), "pixels": 10**6, "seconds": 2.0}
    busy = (("read", 0.25), ("compute", 0.5), ("write", 0.125))
    report = Report(**facts, superpixels=3, busy=busy)
    assert report.bound == "compute"
    assert str(report).endswith(
        "; compute bounds it (read 25%, compute 50%, write 12% of the time)"
    )
    assert Report(**facts, superpixels=3).bound is None
    events = []
    report = run_plan(fake_plan(image), tmp_path / "out.zarr", listener=events.append).report
    assert [stage for stage, _ in report.busy] == ["read", "compute", "write"]
    assert all(0 < share <= 1 for _, share in report.busy)
    assert events[-1] == RunFinished(report)


def test_a_card_at_work_is_told_beside_the_steps_it_works_for(
    image, fake_plan, tmp_path, monkeypatch
):
    """Also where windows are in threads of their own."""
    plan = replace(fake_plan(image, window=24), group=(2, 2))
    events, compute = [], FakeModel.__call__
    threads = []

    def on_card(model, tile, **options):
        threads.append(threading.current_thread().name)
        note(Visit("cuda:1", 1.0, 2.0**-20))
        return compute(model, tile, **options)

    monkeypatch.setattr(FakeModel, "__call__", on_card)
    listener, profile = events.append, tmp_path / "p.json"
    report = nsp.run(
        plan, tmp_path / "out.zarr", profile=profile, listener=listener, workers=8
    ).report
    assert any("superpixels-window" in name for name in threads)
    tiles = [event for event in events if isinstance(event, TileDone)]
    cards = [span for tile in tiles for span in tile.spans if span.step == "card"]
    assert len(cards) == len(threads) > len(tiles)
    for tile in tiles:
        steps = sum(span.seconds for span in tile.spans if span.step in STEPS)
        assert tile.seconds == pytest.approx(steps, abs=1e-9)
    stage, share = report.busy[-1]
    assert stage == "card"
    assert share == pytest.approx(len(cards) * 2.0**-20 / report.seconds)
    trace = json.loads(profile.read_text())
    rows = {e["tid"]: e["args"]["name"] for e in trace if e["name"] == "thread_name"}
    names = {rows[e["tid"]] for e in trace if e.get("cat") == "card"}
    (name,) = names
    assert name.startswith("cuda:1 of ")


def test_what_is_noted_where_nobody_asks_is_forgotten():
    note(Visit("cuda:0", 1.0, 1.0))
    with visits() as outer:
        with visits() as inner:
            note(Visit("cuda:0", 1.0, 1.0))
        assert (len(inner), len(outer)) == (1, 0)


@pytest.mark.parametrize(
    ("compute", "card", "bound"), [(0.9, 0.85, "card"), (0.9, 0.7, "compute"), (0.2, 0.2, "read")]
)
def test_a_card_that_is_waited_for_bounds_the_run(compute, card, bound):
    busy = (("read", 0.5), ("compute", compute), ("write", 0.1), ("card", card))
    report = Report(tiles=1, computed=1, failed=(), pixels=1, seconds=1.0, superpixels=1, busy=busy)
    assert report.bound == bound
    assert f"card {card:.0%} of the time" in str(report)


def test_the_report_tells_compiling_and_what_was_done_before():
    facts = {"tiles": 9, "failed": (), "superpixels": 3, "seconds": 20.0}
    busy = (("compute", 0.9),)
    first = Report(**facts, computed=9, pixels=2 * 10**7, compiling=15.2, busy=busy)
    assert str(first) == (
        "9 of 9 tiles, 20.0 Mpx in 20.0 s (1.0 Mpx/s) of which 15 s went into compiling, "
        "once a machine, 3 superpixels"
    )
    coarse = Report(**facts, computed=2, pixels=0, busy=busy)
    assert str(coarse) == "2 of 9 tiles, all of coarser levels, in 20.0 s, 3 superpixels"
    assert str(Report(**facts, computed=0, pixels=0)) == "all was done before, 3 superpixels"


class Gated(Work):
    """A super-tile whose every step waits until it may go on, and tells when it has begun."""

    def __init__(self):
        self.begun = {step: threading.Event() for step in STEPS}
        self.may = {step: threading.Event() for step in STEPS}

    def _step(self, step):
        self.begun[step].set()
        assert self.may[step].wait(30)

    def read(self, before, pulse):
        self._step("read")
        return "pixels"

    def compute(self, before, pulse):
        assert before == "pixels"
        self._step("compute")
        return "codes"

    def finish(self, before, pulse):
        assert before == "codes"
        self._step("finish")
        return "labels"

    def write(self, before, pulse):
        assert before == "labels"
        self._step("write")


def test_stages_work_side_by_side_and_none_runs_ahead():
    works = [Gated() for _ in range(4)]
    lanes = Lanes(read=1, compute=1, write=1, threads=1)
    with Line(lanes) as line:
        tasks = [Task(f"0/{n}", 0, "", 1, work) for n, work in enumerate(works)]
        futures = [line.start(task, lambda: None) for task in tasks]
        first, second, third, fourth = works
        for step in ("read", "compute", "finish"):
            first.may[step].set()
        assert first.begun["write"].wait(30)
        second.may["read"].set()
        assert second.begun["compute"].wait(30), "computed while the one before is written"
        assert third.begun["read"].wait(30), "read while the one before is computed"
        third.may["read"].set()
        second.may["compute"].set()
        # All places are taken: the first is written, so none after it gets on.
        assert not fourth.begun["read"].wait(0.2)
        assert not third.begun["compute"].is_set()
        assert not second.begun["finish"].is_set()
        for work in works:
            for gate in work.may.values():
                gate.set()
        wait(futures, timeout=30)
    for future in futures:
        assert [span.step for span in future.result()] == list(STEPS)
