"""Exact inference: one thread, pulses, nothing left behind; and networks made ready for it."""

import threading

import pytest
import torch
from torch import nn

from napari_superpixels.networks.build import make_network
from napari_superpixels.networks.grid import GridNetwork
from napari_superpixels.networks.inference import exact, prepare
from napari_superpixels.networks.scn import Scn
from napari_superpixels.testing.weights import lively


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


def test_one_that_leaves_gives_no_threads_to_one_that_stays():
    """Not even to a thread that has not computed anything yet."""
    torch.set_num_threads(2)
    entered, left, found = threading.Event(), threading.Event(), []

    def other() -> None:
        with exact(nothing):
            entered.set()
            left.wait(60)
            found.append(torch.get_num_threads())

    thread = threading.Thread(target=other)
    with exact(nothing):
        thread.start()
        entered.wait(60)
    left.set()
    thread.join()
    assert found == [1]


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


@pytest.mark.parametrize("name", ["ssn", "hcssn", "scn", "ainet", "pcnet"])
def test_a_network_made_ready_gives_the_same_numbers(name):
    trained, ready = (lively(make_network(name), 3) for _ in range(2))
    image = torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(0))
    outputs = []
    for network in (trained, prepare(ready)):
        made = network if isinstance(network, GridNetwork) else network.network
        inputs = image if made is network else network.inputs(image, (16, 16), (0, 0))
        with torch.inference_mode():
            outputs.append(made(inputs))
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-4, atol=1e-4)


def test_a_network_made_ready_has_less_to_do():
    ready = prepare(lively(Scn(), 3))
    kinds = {type(layer) for layer in ready.modules()}
    assert nn.BatchNorm2d not in kinds
    assert not any(value.requires_grad for value in ready.parameters())
    with torch.inference_mode():
        image = torch.zeros(1, 3, 32, 48)
        maps = ready.encoder(image)
    assert all(each.is_contiguous(memory_format=torch.channels_last) for each in maps)
    assert not image.any(), "rectifiers in place leave the image as it was"


def test_shortcuts_of_cards_stay_off_until_the_last_one_leaves():
    """Settings of the whole process: who leaves first must not give them back to who stays."""
    tf32 = torch.backends.cudnn.allow_tf32
    entered, leave = threading.Event(), threading.Event()

    def stay():
        with exact(nothing):
            entered.set()
            leave.wait()

    other = threading.Thread(target=stay)
    with exact(nothing):
        other.start()
        entered.wait()
    assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.deterministic
    assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    leave.set()
    other.join()
    assert torch.backends.cudnn.allow_tf32 == tf32
    assert not torch.backends.cudnn.deterministic
