"""Exact inference: one thread, pulses, and nothing left behind."""

import threading

import pytest
import torch

from napari_superpixels.networks.inference import exact
from napari_superpixels.networks.scn import Scn


def nothing() -> None:
    pass


def test_operations_run_on_one_thread_and_the_number_is_put_back():
    before = torch.get_num_threads()
    with exact(nothing):
        assert torch.get_num_threads() == 1
        assert torch.is_inference_mode_enabled()
    assert torch.get_num_threads() == before


def test_side_by_side_the_number_is_put_back_too():
    torch.set_num_threads(2)
    started, leave = threading.Event(), threading.Event()

    def other() -> None:
        with exact(nothing):
            started.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    with exact(nothing):
        thread.start()
        started.wait(60)
    leave.set()
    thread.join()
    assert torch.get_num_threads() == 2
    found = []
    fresh = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    fresh.start()
    fresh.join()
    assert found == [2]


def test_the_pulse_is_called_between_layers_and_ends_the_work():
    calls = []
    network = Scn().eval()
    with exact(lambda: calls.append(1)):
        network(torch.zeros(1, 3, 32, 32))
    assert len(calls) > 40

    class StopNowError(Exception):
        pass

    def stop() -> None:
        if len(calls) < 3:
            raise StopNowError
        calls.pop()

    with pytest.raises(StopNowError), exact(stop):
        network(torch.zeros(1, 3, 32, 32))
    torch.zeros(1) + 1  # no pulse is left behind
