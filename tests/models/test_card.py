"""Who is on a card: so many at once, or one alone."""

import threading
from collections import Counter
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_superpixels.models import card
from napari_superpixels.models.card import (
    SLOTS,
    Room,
    Slots,
    held_on,
    on_card,
    sufficing,
    to_device,
    to_host,
)
from napari_superpixels.models.visits import Visit, visits


def test_no_more_than_the_slots_are_taken():
    slots = Slots(2)
    with slots.taken(), slots.taken():
        assert slots.free == 0
    assert slots.free == 2


def test_alone_waits_for_the_others():
    slots, entered, order = Slots(2), threading.Event(), []

    def alone():
        entered.set()
        with slots.taken(alone=True):
            order.append("alone")

    thread = threading.Thread(target=alone)
    with slots.taken():
        thread.start()
        entered.wait(60)
        order.append("other")
    thread.join(60)
    assert order == ["other", "alone"]
    assert slots.free == 2


def test_a_slot_is_given_back_after_an_error():
    slots = Slots(1)
    with pytest.raises(KeyError), slots.taken():
        raise KeyError
    assert slots.free == 1


def test_a_room_lets_in_what_fits():
    room, entered, order = Room(10), threading.Event(), []

    def late():
        entered.set()
        with room.taken(4):
            order.append("late")

    thread = threading.Thread(target=late)
    with room.taken(7):
        with room.taken(3):
            pass
        thread.start()
        entered.wait(60)
        order.append("first")
    thread.join(60)
    assert order == ["first", "late"]
    with room.taken(11):
        assert room.used == 11, "alone it must do"
    assert room.used == 0


def test_on_the_processor_nothing_is_waited_for():
    room = card.room("cpu")
    with held_on("cpu", card.HELD_BYTES), held_on("cpu", card.HELD_BYTES):
        assert room.used == 0


def test_what_tiles_leave_on_a_card_is_counted():
    card.room.cache_clear()
    with held_on("cuda:1", 1000):
        assert (card.room("cuda:1").used, card.room("cuda:0").used) == (1000, 0)
    assert card.room("cuda:1").used == 0


class FakeCard:
    """What is asked of torch's CUDA, without any."""

    def __init__(self, monkeypatch):
        self.made, self.current, self.emptied = 0, [], 0
        self.taken, self.ooms, self.full = [], 0, False
        forget()
        for name in ("Stream", "stream", "empty_cache", "memory_stats"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))
        monkeypatch.setattr(torch, "empty", self.empty)
        monkeypatch.setattr(torch.cuda, "device", nullcontext)

    def Stream(self, device):  # noqa: N802 - torch's name
        self.made += 1
        return f"{device} stream {self.made}"

    @contextmanager
    def stream(self, stream):
        assert stream not in self.current, "a stream is one thread's at a time"
        self.current.append(stream)
        try:
            yield
        finally:
            self.current.remove(stream)

    def empty_cache(self):
        self.emptied += 1

    def empty(self, size, dtype, device):
        if self.full:
            self.ooms += 1
            raise torch.OutOfMemoryError("injected")
        self.taken.append((self.current[-1], size, dtype, device))

    def memory_stats(self, device):
        assert device == "cuda:0"
        return {"num_ooms": self.ooms} if self.ooms else {}


@pytest.fixture
def fake_card(monkeypatch):
    yield FakeCard(monkeypatch)
    forget()


def forget():
    for function in (card.slots, card.stream_of, card.clock):
        function.cache_clear()


def test_many_tiles_have_a_few_streams_among_them(fake_card):
    """What each stream keeps would add up."""
    used = Counter()

    def tiles():
        for _ in range(10):
            with on_card("cuda:0"):
                used.update(fake_card.current)

    threads = [threading.Thread(target=tiles) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert 0 < fake_card.made <= SLOTS
    assert used.total() >= 40


def test_alone_a_tile_has_one_of_the_same_streams(fake_card):
    with on_card("cuda:0"), on_card("cuda:0"):
        both = set(fake_card.current)
    with on_card("cuda:0", alone=True):
        assert set(fake_card.current) < both
    with on_card("cuda:1"):
        assert not set(fake_card.current) & both, "another card's are others"
    assert (fake_card.made, fake_card.emptied) == (3, 1)


def exactly(size, work=lambda: None):
    with on_card("cuda:0") as slot, sufficing("cuda:0", slot, size):
        return work()


def test_memory_is_set_aside_once_for_a_slot_before_the_work(fake_card):
    for size in (100, 100, 60, 120):
        exactly(size, lambda size=size: fake_card.taken.append(size))
    stream = "cuda:0 stream 1"
    aside = [(stream, n, torch.uint8, "cuda:0") for n in (100, 120)]
    assert fake_card.taken == [aside[0], 100, 100, 60, aside[1], 120]
    with on_card("cuda:0"):
        exactly(50)
    assert fake_card.taken[-1] == ("cuda:0 stream 2", 50, torch.uint8, "cuda:0")


def test_where_it_cannot_be_set_aside_nothing_is_begun(fake_card):
    fake_card.full = True
    with pytest.raises(torch.OutOfMemoryError, match="injected"):
        exactly(100, lambda: pytest.fail("begun"))
    fake_card.full = False
    exactly(100)
    assert len(fake_card.taken) == 1, "and it is tried anew"


def test_a_result_that_was_made_while_memory_was_short_is_not_taken(fake_card):
    """As when cuDNN takes another algorithm and says nothing."""
    fake_card.ooms = 3  # of earlier work, which was told of it

    def short():
        fake_card.ooms += 1

    exactly(1)
    with pytest.raises(torch.OutOfMemoryError, match="was short of memory"):
        exactly(1, short)
    exactly(1)


def test_nor_that_of_a_tile_beside_it(fake_card):
    """It began after the shortage, and used what is remembered of it."""

    def beside():
        fake_card.ooms += 1
        with pytest.raises(torch.OutOfMemoryError):
            exactly(1)

    with pytest.raises(torch.OutOfMemoryError):
        exactly(1, beside)


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (torch.OutOfMemoryError("CUDA"), True),
        (RuntimeError("GET was unable to find an engine to execute this computation"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
    ],
)
def test_shortages_come_under_many_names(error, short):
    assert card.is_shortage(error) == short


def test_a_card_is_at_work_from_the_first_pixels_sent_until_all_are_done(fake_card, monkeypatch):
    """Tiles at once are counted once, and what is done before on the processor is not."""
    seconds = iter(range(100, 200))
    clocks = SimpleNamespace(perf_counter=lambda: next(seconds), time=lambda: 1000)
    monkeypatch.setattr(card, "time", clocks)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *_args, **_options: tensor)
    pixels = np.zeros(3, np.uint8)
    with visits() as noted:
        with on_card("cuda:0"):
            pass  # no pixels
        with on_card("cuda:0"):
            clocks.perf_counter()
            to_device(pixels, "cuda:0")  # 101
            to_device(pixels, "cuda:0")
            with on_card("cuda:0"):
                to_device(pixels, "cuda:0")
                clocks.perf_counter()  # 102; done at 103
            clocks.perf_counter()  # 104; done at 105
        with pytest.raises(TypeError), on_card("cuda:0"):
            to_device(pixels, "cuda:0") + 1 + "x"  # 106; failed at 107
    assert noted == [
        Visit("cuda:0", 998, 2), Visit("cuda:0", 998, 2), Visit("cuda:0", 999, 1)
    ]  # fmt: skip
    assert card.clock("cuda:0").active == 0


@pytest.mark.parametrize("writeable", [True, False])
def test_arrays_go_there_and_back(writeable):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4).transpose(2, 0, 1)
    array.flags.writeable = writeable
    np.testing.assert_array_equal(to_host(to_device(array, "cpu")), array)
    for turned in (array[::-1], array[:, ::-1, ::-1], array[::-2]):
        np.testing.assert_array_equal(to_host(to_device(turned, "cpu")), turned)
    mask = np.array([[True, False]])
    assert to_host(to_device(mask, "cpu")).tolist() == [[1, 0]]
