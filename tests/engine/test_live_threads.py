"""Who works, on what first, and when it ends: real threads, decided by events."""

import gc
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from queue import SimpleQueue

import numpy as np
import pytest

from napari_superpixels import api
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.live import LiveView
from napari_superpixels.engine.live_worker import NAME, WORKER
from napari_superpixels.engine.plan import make_plan
from napari_superpixels.errors import SourceError
from napari_superpixels.testing.fake import Fake
from napari_superpixels.testing.gate import PATIENCE_SECONDS, gated
from napari_superpixels.tiling import Box


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """A thread outlives no test."""
    yield
    join()


@pytest.fixture(autouse=True)
def small_tiles(no_thread_is_left, tiles_of):
    """Tiles of 16 pixels."""
    tiles_of(16, 16)


def join():
    """Wait until there is no worker."""
    for thread in threading.enumerate():
        if thread.name == NAME:
            thread.join(PATIENCE_SECONDS)
    assert WORKER.thread is None
    assert NAME not in [thread.name for thread in threading.enumerate()]


@pytest.fixture
def image():
    return np.random.default_rng(1).integers(0, 200, (96, 128), dtype=np.uint8)


def plan_of(source, **options):
    return make_plan(source, Fake(reach=0, **options))


def tile_of(gate):
    """Row and column of the tile that is read next; without halo but for the ring."""
    y, x = gate.begun.get(timeout=PATIENCE_SECONDS)
    return -(-y.start // 16), -(-x.start // 16)


@pytest.fixture
def scene(live, image):
    """A view of an image behind a closed gate: every tile waits."""
    source, gate = gated(api.open(image, axes="yx"))
    view = live(plan_of(source))
    yield view, gate
    gate.opened.set()


def test_asking_does_not_wait(scene):
    view, gate = scene
    assert (view.labels[0][...] == 0).all()
    assert tile_of(gate) in [(2, 3), (2, 4), (3, 3), (3, 4)], "the middle is read first"
    assert (view.labels[0][...] == 0).all(), "it is still being read"
    status = view.status()
    assert (status.done, status.waiting, status.failed, status.closed) == (0, 48, 0, False)
    assert status.seconds_per_tile is None
    assert not view.wait(0.0)
    gate.opened.set()
    assert view.wait(PATIENCE_SECONDS)
    np.testing.assert_array_equal(view.labels[0][...], lazy_labels(view.plan).compute())
    status = view.status()
    assert (status.done, status.waiting) == (48, 0)
    assert status.seconds_per_tile >= 0


def test_nothing_is_read_or_computed_in_the_asking_thread(live, image, monkeypatch):
    computed = set()
    model = Fake.model

    def recorded(self, facts, statistics):
        computing = model(self, facts, statistics)

        def call(tile, **options):
            computed.add(threading.get_ident())
            return computing(tile, **options)

        return call

    monkeypatch.setattr(Fake, "model", recorded)
    told = set()
    source, gate = gated(api.open(image, axes="yx"), is_open=True)
    gate.threads.clear()  # of what opening reads
    view = live(plan_of(source), on_change=lambda: told.add(threading.get_ident()))
    for level in (*view.labels, *view.boundaries):
        level[...]
        assert view.wait(PATIENCE_SECONDS)
        level[...]
    worker = WORKER.thread.ident
    view.close()
    assert gate.threads == computed == told == {worker}
    assert worker != threading.get_ident()


def test_the_newest_request_is_served_first(scene):
    view, gate = scene
    view.labels[0][:16, :16]
    assert tile_of(gate) == (0, 0)
    view.labels[0][:16, 32:48]
    view.labels[0][:16, 64:80]
    gate.opened.set()
    assert [tile_of(gate) for _ in range(2)] == [(0, 4), (0, 2)]


def test_what_was_asked_for_long_ago_is_dropped(scene):
    view, gate = scene
    for column in range(8):
        view.labels[0][:16, 16 * column : 16 * column + 16]
    gate.opened.set()
    assert view.wait(PATIENCE_SECONDS)
    made = [column for column in range(8) if view.labels[0][0, 16 * column] != 0]
    assert made == [4, 5, 6, 7]


@dataclass(frozen=True, kw_only=True)
class Endless(Fake):
    """Works on tiles that hold 99 until it is stopped."""

    begun: SimpleQueue = field(default_factory=SimpleQueue)
    stopped: SimpleQueue = field(default_factory=SimpleQueue)

    def model(self, facts, statistics):
        computing = super().model(facts, statistics)

        def call(tile, *, threads: int = 1, pulse: Callable[[], None]):
            while (tile.pixels[:, tile.wanted[0].start * 8 :] == 99).any():
                self.begun.put(None)
                try:
                    pulse()
                except BaseException as error:
                    self.stopped.put(error)
                    raise
                time.sleep(0.001)
            return computing(tile, threads=threads, pulse=pulse)

        return call


@pytest.fixture
def endless(live, image):
    """A view whose left half never ends, and its method."""
    image[image == 99] = 98
    image[:, :48] = 99
    method = Endless(reach=0)
    view = live(make_plan(api.open(image, axes="yx"), method))
    return view, method


def test_closing_cancels_the_running_tile(endless):
    view, method = endless
    view.labels[0][:, :48]
    method.begun.get(timeout=PATIENCE_SECONDS)
    view.close()
    assert type(method.stopped.get(timeout=PATIENCE_SECONDS)).__name__ == "Cancelled"
    assert view.wait(PATIENCE_SECONDS)
    status = view.status()
    assert (status.closed, status.waiting, status.done, status.failed) == (True, 0, 0, 0)


def test_a_newer_request_cancels_a_tile_that_it_does_not_want(endless):
    view, method = endless
    view.labels[0][:, :16]
    method.begun.get(timeout=PATIENCE_SECONDS)
    view.labels[0][:, 64:]
    method.stopped.get(timeout=PATIENCE_SECONDS)
    while not method.begun.empty():
        method.begun.get()
    method.begun.get(timeout=PATIENCE_SECONDS)  # it is taken up again, after all others
    right = view.labels[0][:, 64:]
    np.testing.assert_array_equal(right, lazy_labels(plan_of(view.plan.source)).compute()[:, 64:])
    assert view.status().failed == 0


def test_a_closed_view_asks_for_nothing(scene):
    view, gate = scene
    gate.opened.set()
    view.labels[0][...]
    assert view.wait(PATIENCE_SECONDS)
    view.close()
    while not gate.begun.empty():
        gate.begun.get()
    assert (view.labels[0][...] == 0).all()
    assert view.wait(0.0)
    join()
    assert gate.begun.empty()
    assert (view.labels[-1][...] > 0).all(), "cells are arithmetic"


def test_the_thread_lives_as_long_as_a_view(live, image):
    views = [live(plan_of(api.open(image, axes="yx"))) for _ in range(2)]
    assert WORKER.thread is None, "nothing was asked for yet"
    for view in views:
        view.labels[0][...]
        assert view.wait(PATIENCE_SECONDS)
    thread = WORKER.thread
    assert [t.name for t in threading.enumerate()].count(NAME) == 1, "they share it"
    views[0].close()
    views[1].labels[0][:5]
    assert WORKER.thread is thread
    views[1].close()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    again = live(plan_of(api.open(image, axes="yx")))
    again.labels[0][...]
    assert again.wait(PATIENCE_SECONDS)
    again.close()


def test_a_forgotten_view_is_no_leak(image):
    view = LiveView(plan_of(api.open(image, axes="yx")))
    view.labels[0][...]
    assert view.wait(PATIENCE_SECONDS)
    thread, gone = WORKER.thread, weakref.ref(view._view)
    del view
    gc.collect()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert gone() is None


def test_views_take_turns_by_what_was_asked_for_last(live, image):
    (first, gate), (second, other) = (gated(api.open(image, axes="yx")) for _ in range(2))
    views = [live(plan_of(first)), live(plan_of(second))]
    views[0].labels[0][:16, :48]
    tile_of(gate)
    views[1].labels[0][:16, :16]
    other.opened.set()
    gate.opened.set()
    tile_of(other)
    assert views[1].wait(PATIENCE_SECONDS)
    done_when_the_second_ended = views[0].status().done
    assert views[0].wait(PATIENCE_SECONDS)
    assert done_when_the_second_ended <= views[0].status().done == 3


def test_more_than_the_cache_holds_ends_all_the_same(live, image):
    changes, place = [], [np.s_[:, :]]

    def look():
        return int((view.labels[0][place[0]] > 0).sum())

    # What a viewer does: on every change it asks for all that it shows.
    view = live(
        plan_of(api.open(image, axes="yx")),
        cache_bytes=10 * 256,
        on_change=lambda: changes.append(look()),
    )
    look()
    assert view.wait(PATIENCE_SECONDS)
    assert changes == [256 * n for n in range(1, 11)], "every tile stays once it is there"
    look()
    assert view.status().waiting == 0
    place[0] = np.s_[:16, :32]
    look()
    assert view.wait(PATIENCE_SECONDS)
    assert changes[-1] == 16 * 32, "another place is shown"
    assert view.status().done == 12


def test_two_places_that_do_not_fit_together_end_all_the_same(live, image):
    # Two canvases, say: each asks again whenever the other has got a tile.
    view = live(
        plan_of(api.open(image, axes="yx")),
        cache_bytes=10 * 256,
        on_change=lambda: (view.labels[0][:, :48], view.labels[0][:, 64:112]),
    )
    view.labels[0][:, :48]
    view.labels[0][:, 64:112]
    assert view.wait(PATIENCE_SECONDS)
    assert view.status().done == 20


class Broken:
    """Reads nothing at the left."""

    def __init__(self, reader):
        self.reader = reader
        self.reads = []

    def __getattr__(self, name):
        return getattr(self.reader, name)

    def read(self, box):
        self.reads.append(box)
        if box[1].start < 32:
            raise SourceError(f"The block {len(self.reads)} cannot be read.")
        return self.reader.read(box)


def test_a_broken_source_fails_tile_by_tile_and_is_told_once(live, image):
    source = api.open(image, axes="yx")
    reader = Broken(source.reader)
    errors, changes = [], []
    view = live(
        plan_of(replace(source, reader=reader)),
        on_change=lambda: changes.append(1),
        on_error=errors.append,
    )
    for _ in range(3):
        shown = view.labels[0][...]
        assert view.wait(PATIENCE_SECONDS)
    shown = view.labels[0][...]
    assert (shown[:, :32] == 0).all()
    assert (shown[:, 48:] > 0).all()
    assert [type(error) for error in errors] == [SourceError]
    assert len(reader.reads) == 48, "none is tried again"
    status = view.status()
    assert status.failed == 18
    assert status.done == len(changes) == 30


@pytest.mark.parametrize("error", [RuntimeError("deleted"), ValueError("closed")])
def test_a_listener_that_fails_stops_nobody(live, image, error, caplog):
    def listener():
        raise error

    view = live(plan_of(api.open(image, axes="yx")), on_change=listener)
    view.labels[0][...]
    assert view.wait(PATIENCE_SECONDS)
    assert view.status().done == 48
    assert "A listener of a live view failed" in caplog.text


def test_errors_go_to_the_log_where_nobody_listens(live, image, caplog):
    source = api.open(image, axes="yx")
    view = live(plan_of(replace(source, reader=Broken(source.reader))))
    view.labels[0][:16, :16]
    assert view.wait(PATIENCE_SECONDS)
    assert "The block 1 cannot be read." in caplog.text


def test_many_threads_may_ask(live, image):
    view = live(plan_of(api.open(image, axes="yx")), cache_bytes=20 * 256)
    labels = lazy_labels(view.plan).compute()
    wrong = []

    def look(seed):
        rng = np.random.default_rng(seed)
        for _ in range(50):
            y, x = rng.integers(0, 80), rng.integers(0, 100)
            part = Box.of((y, y + 16), (x, x + 28)).slices
            shown = view.labels[0][part]
            wrong.append(((shown != 0) & (shown != labels[part])).any())

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert view.wait(PATIENCE_SECONDS)
    assert len(wrong) == 200
    assert not any(wrong)


def test_a_view_that_is_closed_while_it_is_asked_leaves_no_thread(live, image, monkeypatch):
    view = live(plan_of(api.open(image, axes="yx")))
    wake = WORKER.wake

    def close_first(work):
        view.close()  # as another thread would, right before the worker is told
        wake(work)

    monkeypatch.setattr(WORKER, "wake", close_first)
    assert not view.labels[0][:16, :16].any()
    join()
    assert WORKER.thread is None
