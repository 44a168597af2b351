"""Who is on a card: so many at once, or one alone."""

import threading

import numpy as np
import pytest

from napari_superpixels.models.card import Slots, to_device, to_host


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


@pytest.mark.parametrize("writeable", [True, False])
def test_arrays_go_there_and_back(writeable):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4).transpose(2, 0, 1)
    array.flags.writeable = writeable
    np.testing.assert_array_equal(to_host(to_device(array, "cpu")), array)
    for turned in (array[::-1], array[:, ::-1, ::-1], array[::-2]):
        np.testing.assert_array_equal(to_host(to_device(turned, "cpu")), turned)
    mask = np.array([[True, False]])
    assert to_host(to_device(mask, "cpu")).tolist() == [[1, 0]]
