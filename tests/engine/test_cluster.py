"""Runs on a cluster of real processes: the same files, a bounded client, sentences."""

import pickle
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

import napari_superpixels as nsp
from napari_superpixels.engine import cluster as cluster_module
from napari_superpixels.engine import cluster_worker, records
from napari_superpixels.engine.cluster import TASKS_PER_THREAD, connected
from napari_superpixels.engine.cluster_facts import facts_of
from napari_superpixels.engine.cluster_worker import WorkerPlan, do_tile
from napari_superpixels.engine.events import RunFinished, RunStarted, TileDone, TileFailed
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.output import begin_output
from napari_superpixels.engine.plan import make_plan
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.engine.run import run_plan
from napari_superpixels.errors import Cancelled, IncompleteRunError, InputError, OutputError
from napari_superpixels.io import close_handles
from napari_superpixels.testing.fake import Fake
from napari_superpixels.testing.files import break_silently
from napari_superpixels.testing.local_cluster import different_files, local_cluster
from napari_superpixels.testing.weights import write_random_weights

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    """A client of two workers with a thread each."""
    with local_cluster(workers=2) as processes, processes.client(workers=2) as made:
        yield made


@pytest.fixture
def image(tmp_path):
    """An image of 7 x 6 windows and two coarser levels."""
    path = tmp_path / "in.zarr"
    made = zarr.create_array(path, shape=(1300, 1100), chunks=(256, 256), dtype="u1")
    made[:] = np.random.default_rng(5).integers(0, 99, made.shape)
    return path


@pytest.fixture
def plan(image):
    return make_plan(nsp.open(image), Fake(), window=200)


@pytest.fixture
def local(plan, tmp_path):
    """What a local run writes."""
    (tmp_path / "local").mkdir()
    return nsp.run(plan, tmp_path / "local" / "out.zarr").path


def stop_at(tile):
    """A cancel, and a listener that sets it."""
    cancel = threading.Event()

    def listen(event):
        if isinstance(event, TileDone) and event.tile == tile:
            cancel.set()

    return {"cancel": cancel, "listener": listen}


def test_the_files_and_events_are_those_of_a_local_run(client, plan, local, tmp_path):
    events = []
    result = nsp.run(plan, tmp_path / "out.zarr", client=client, listener=events.append)
    assert different_files(local, result.path) == []
    done = [event for event in events if isinstance(event, TileDone)]
    levels = [event.level for event in done]
    assert levels == sorted(levels)
    assert sum(event.pixels for event in done if event.level == 0) == 1300 * 1100
    assert isinstance(events[0], RunStarted)
    assert events[0].tiles == len(done) == result.report.computed
    assert events[-1] == RunFinished(result.report)
    assert result.report.pixels == 1300 * 1100
    assert all(event.seconds > 0 for event in done)


def test_the_client_holds_a_bounded_number_of_futures(client, plan, tmp_path):
    held = []

    def count(event):
        if isinstance(event, TileDone):
            held.append(len(client.futures))

    nsp.run(plan, tmp_path / "out.zarr", client=client, listener=count)
    assert max(held) <= TASKS_PER_THREAD * 2 + 1  # the one that is told of
    assert max(held) > 2
    assert not client.futures


def test_what_travels_for_a_tile_does_not_grow_with_the_plan():
    assert len(pickle.dumps((do_tile, "/out/superpixels-" + 32 * "0", "0/123456"))) < 200


def test_a_worker_makes_the_plan_ready_once(plan, tmp_path, monkeypatch):
    """Whatever the number of super-tiles and of threads that ask for the first."""
    unpacked, made = cluster_worker.unpacked, []

    def counting(*arguments):
        made.append(arguments)
        return unpacked(*arguments)

    monkeypatch.setattr(cluster_worker, "unpacked", counting)
    state = RunState(partial_path(tmp_path / "out.zarr"))
    state.make_folder()
    with state.lock():
        begin_output(state, plan)
        held = worker_plan(plan, state, tmp_path)
        with ThreadPoolExecutor(4) as pool:
            steps = list(pool.map(held.work, [f"0/{n}" for n in range(9)]))
        assert all(span.seconds > 0 for spans in steps for span in spans)
        assert len(made) == 1
        assert len(state.done()) == 9
        held.wanted.unlink()
        with pytest.raises(Cancelled, match="is over"):
            held.work("0/9")
    close_handles()


@pytest.mark.parametrize("moment", ["before the files", "among the files", "before the record"])
def test_a_worker_that_slept_writes_nothing_into_an_output_begun_anew(
    plan, image, tmp_path, monkeypatch, moment
):
    """It holds no lock; what it knows its run by is gone."""
    state = RunState(partial_path(tmp_path / "out.zarr"))
    anew, other, told = ExitStack(), make_plan(nsp.open(image), Fake(step=9), window=200), []

    def begin_anew(*_):
        if not told:
            shutil.rmtree(state.partial)
            second = RunState(state.partial)
            second.make_folder()
            anew.enter_context(second.lock())
            begin_output(second, other)
            told.append(files_of(state.partial))

    def pulse():
        if next(calls) == 3 and moment == "among the files":
            begin_anew()

    state.make_folder()
    with state.lock(), anew:
        begin_output(state, plan)
        work = worker_plan(plan, state, tmp_path).ready().named("0/0").work
        value, calls = None, count()
        for step in ("read", "compute", "finish"):
            value = getattr(work, step)(value, lambda: None)
        if moment == "before the files":
            begin_anew()
        if moment == "before the record":
            seals = records.seals_of
            monkeypatch.setattr(records, "seals_of", lambda *a: (seals(*a), begin_anew())[0])
        with pytest.raises(OutputError, match="was removed while it was being written"):
            work.write(value, pulse)
        assert [files_of(state.partial)] == told
    close_handles()


def files_of(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def worker_plan(plan, state, folder):
    """What a worker holds of a run that is wanted."""
    wanted = state.folder / "wanted" / "x"
    wanted.parent.mkdir()
    wanted.touch()
    held = WorkerPlan("x", pickle.dumps(plan), {}, state.partial, wanted, facts_of(plan))
    held.setup(worker_of(threads=4, folder=folder))
    return held


def worker_of(threads, folder):
    """What a plan looks at of its worker."""
    return SimpleNamespace(
        local_directory=str(folder),
        state=SimpleNamespace(nthreads=threads),
        memory_manager=SimpleNamespace(memory_limit=None),
        address="tcp://here",
    )


def test_a_worker_with_little_memory_says_so(plan, tmp_path):
    wanted = tmp_path / "a" / "b" / "x"
    wanted.parent.mkdir(parents=True)
    wanted.touch()
    held = WorkerPlan("x", pickle.dumps(plan), {}, tmp_path, wanted, facts_of(plan))
    worker = worker_of(threads=1, folder=tmp_path)
    worker.memory_manager.memory_limit = 1000
    held.setup(worker)
    with pytest.raises(
        IncompleteRunError, match=r"worker tcp://here cannot go on .One super-tile at"
    ):
        held.work("0/0")


@pytest.mark.parametrize("first", ["local", "cluster"])
def test_a_resume_works_both_ways(client, plan, local, tmp_path, first):
    out = tmp_path / "out.zarr"
    clients = {"local": None, "cluster": client}
    second = clients["cluster" if first == "local" else "local"]
    with pytest.raises(Cancelled):
        nsp.run(plan, out, client=clients[first], **stop_at("0/9"))
    done = RunState(partial_path(out)).done()
    assert done
    result = nsp.run(plan, out, client=second, resume=True)
    assert result.report.computed <= result.report.tiles - len(done)
    assert different_files(local, out) == []


def test_a_cancel_leaves_nothing_at_work(client, plan, tmp_path):
    out = tmp_path / "out.zarr"
    with pytest.raises(Cancelled, match="what is done is kept"):
        nsp.run(plan, out, client=client, **stop_at("0/5"))
    assert not client.futures
    assert not list((partial_path(out) / ".run" / "wanted").iterdir())
    assert client.run(plugins_of_ours) == {worker: [] for worker in client.nthreads()}


def plugins_of_ours(dask_worker):
    return [name for name in dask_worker.plugins if name.startswith("superpixels-")]


def test_a_tile_of_a_run_that_is_over_does_nothing(client):
    future = client.submit(do_tile, "/nowhere/superpixels-gone", "0/0")
    assert isinstance(future.exception(), Cancelled)


def test_a_worker_without_the_plan_is_named_and_nobody_is_said_to_have_interrupted(
    client, plan, tmp_path, monkeypatch
):
    monkeypatch.setattr(type(client), "register_plugin", lambda *_, **__: None)
    monkeypatch.setattr(type(client), "unregister_worker_plugin", lambda *_: None)
    with pytest.raises(IncompleteRunError, match=r"worker tcp://.* was not given the plan; rest"):
        nsp.run(plan, tmp_path / "out.zarr", client=client)


def test_a_broken_chunk_is_tried_again_and_the_rest_goes_on(client, plan, image, tmp_path):
    out, events = tmp_path / "out.zarr", []
    break_silently(image / "c" / "4" / "3")
    with pytest.raises(IncompleteRunError, match=r"tiles failed, .*; repair the cause and resume"):
        nsp.run(plan, out, client=client, listener=events.append)
    failures = [event for event in events if isinstance(event, TileFailed)]
    assert {event.retrying for event in failures} == {True, False}
    failed = {event.tile for event in failures}
    assert len(RunState(partial_path(out)).done()) == plan.tiles - len(failed)


def test_a_second_run_is_refused_while_one_is_at_work(client, plan, tmp_path):
    out, refused = tmp_path / "out.zarr", []

    def try_too(event):
        if isinstance(event, TileDone) and not refused:
            with pytest.raises(OutputError, match="is being written by process"):
                nsp.run(plan, out, resume=True)
            refused.append(event)

    nsp.run(plan, out, client=client, listener=try_too)
    assert refused


def test_workers_with_other_versions_are_refused_before_anything_is_sent(
    client, plan, tmp_path, monkeypatch
):
    facts = cluster_module.facts_of(plan)
    monkeypatch.setattr(cluster_module, "facts_of", lambda _: facts | {"numpy": "1.0"})
    with pytest.raises(
        InputError, match=r"The worker tcp://.* in numpy \(.* instead of 1\.0\), which"
    ):
        nsp.run(plan, tmp_path / "out.zarr", client=client)


@pytest.mark.parametrize("cards", [[], ["missing"], ["A100 8.0"], ["missing", "A100 8.0"]])
def test_a_client_without_a_card_takes_a_workers_for_all(plan, monkeypatch, cards):
    monkeypatch.setattr(cluster_module, "facts_of", lambda _: {"numpy": "2", "cuda:0": "missing"})
    answers = {f"tcp://{number}": {"cuda:0": card} for number, card in enumerate(cards)}
    asked = SimpleNamespace(run=lambda function, names: answers)
    crew = cluster_module.Cluster(asked, plan, RunState(Path("out.zarr.partial")))
    if "A100 8.0" in cards:
        assert crew._facts == {"numpy": "2", "cuda:0": "A100 8.0"}
        return
    with pytest.raises(InputError, match="neither this machine nor a worker has such a device"):
        assert not crew._facts


def test_a_worker_that_came_later_with_other_versions_ends_the_run(
    client, plan, local, tmp_path, monkeypatch
):
    facts, out = cluster_module.facts_of(plan), tmp_path / "out.zarr"
    with monkeypatch.context() as patch:
        patch.setattr(cluster_module, "facts_of", lambda _: facts | {"numpy": "1.0"})
        patch.setattr(cluster_module.Cluster, "_check_workers", lambda _: None)
        with pytest.raises(
            IncompleteRunError, match=r"worker tcp://.* cannot go on .it differs in numpy"
        ):
            nsp.run(plan, out, client=client)
    nsp.run(plan, out, client=client, resume=True)
    assert different_files(local, out) == []


def test_an_output_that_workers_do_not_see_is_refused(client, plan, tmp_path, monkeypatch):
    elsewhere = property(lambda _: Path("/nowhere/out.zarr.partial/.run/wanted/x"))
    monkeypatch.setattr(cluster_module.Cluster, "wanted", elsewhere)
    monkeypatch.setattr(cluster_module.Cluster, "_want", lambda _: None)
    with pytest.raises(InputError, match=r"does not see /nowhere/out.zarr.partial, so give an"):
        nsp.run(plan, tmp_path / "out.zarr", client=client)


def test_what_is_no_cluster_run_is_refused_in_a_sentence(client, plan, tmp_path):
    out = tmp_path / "out.zarr"
    in_memory = nsp.plan(np.zeros((64, 64), np.uint8))
    cases = [
        (plan, {"client": "tcp://x"}, "client is 'tcp://x'; give a dask.distributed.Client"),
        (plan, {"client": client, "workers": 2}, "workers is 2, but a cluster has its own threads"),
        (plan, {"client": client, "part": (1, 2)}, "Both part and client are given; give one"),
        (in_memory, {"client": client}, "array in memory, which no worker can open; write it"),
    ]
    for one, how, sentence in cases:
        with pytest.raises(InputError, match=sentence):
            nsp.run(one, out, **how)
    assert not partial_path(out).exists()


def test_a_client_that_is_closed_is_refused(plan, tmp_path):
    from distributed import Client

    with local_cluster(workers=0) as processes:
        other = Client(processes.address, set_as_default=False)
        other.close()
    with pytest.raises(InputError, match="The client is closed; give one that is connected"):
        nsp.run(plan, tmp_path / "out.zarr", client=other)


def test_an_address_that_does_not_answer_is_one_sentence(monkeypatch):
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 0.5)
    with pytest.raises(InputError, match=r"No scheduler answers at .*; start one"):
        connected("tcp://127.0.0.1:1").__enter__()


@pytest.mark.parametrize("address", ["nonsense", "ftp://x", "tcp://127.0.0.1:x", "127.0.0.1", ""])
def test_what_is_no_address_is_refused_before_anybody_is_asked(address):
    with pytest.raises(InputError, match=f"address is '{address}'; give host and port .* tcp://"):
        connected(address).__enter__()


def test_a_missing_library_is_one_sentence(plan, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"not installed; run pip install 'napari-superpixels\[c"):
        nsp.run(plan, tmp_path / "out.zarr", client=object())


def test_weights_of_the_users_own_travel_to_the_workers(client, image, own, tmp_path):
    """Workers look for weights of that name in another folder, and find none."""
    own.mkdir()
    write_random_weights(own, "ssn")
    made = nsp.plan(
        image, "ssn", weights="ssn-0", step=16, iterations=1, region={"y": (0, 64), "x": (0, 64)}
    )
    whole = lazy_labels(made).compute()
    result = nsp.run(made, tmp_path / "out.zarr", client=client)
    np.testing.assert_array_equal(result.labels[:], whole)


def test_a_relative_output_is_found_by_workers_elsewhere(
    client, plan, local, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    run_plan(plan, Path("out.zarr"), hire=lambda p, s: cluster_module.Cluster(client, p, s))
    assert different_files(local, tmp_path / "out.zarr") == []
