"""Networks are recorded once a shape; what cannot be recorded is computed all the same."""

import pytest
import torch

from napari_superpixels.networks.inference import fast, fast_copy
from napari_superpixels.networks.replay import KEPT, Replayed
from napari_superpixels.networks.scn import Scn
from napari_superpixels.testing.weights import lively


def double(x):
    return 2 * x


def test_each_shape_is_recorded_once():
    shapes = []

    def record(function, given):
        shapes.append(tuple(given.shape))
        return function

    replayed = Replayed(double, record)
    for size in (2, 3, 2, 3):
        assert replayed(torch.ones(size)).tolist() == [2] * size
    assert shapes == [(2,), (3,)]


def test_no_more_shapes_are_recorded_than_memory_is_meant_for():
    shapes = []

    def record(function, given):
        shapes.append(tuple(given.shape))
        return function

    replayed = Replayed(double, record)
    for size in range(1, KEPT + 4):
        assert replayed(torch.ones(size)).tolist() == [2] * size
    assert len(shapes) == KEPT


def test_what_cannot_be_recorded_is_computed(caplog):
    def record(function, given):
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    replayed = Replayed(double, record)
    assert replayed(torch.ones(2)).tolist() == [2, 2]
    assert replayed(torch.ones(2)).tolist() == [2, 2]
    assert [one.getMessage() for one in caplog.records] == [
        "A network cannot be recorded (operation not permitted when stream is capturing); "
        "it is launched anew."
    ]


def test_too_little_memory_is_told():
    def record(function, given):
        raise torch.OutOfMemoryError("injected")

    with pytest.raises(torch.OutOfMemoryError):
        Replayed(double, record)(torch.ones(2))


def test_half_precision_is_used_and_is_near():
    network = lively(Scn()).eval()
    half = fast_copy(network, "cpu")
    image = torch.rand(1, 3, 32, 48)
    beats = []
    with fast(lambda: beats.append(1), "cpu"):
        found = half.associate(image)
    assert found.dtype == torch.bfloat16
    assert len(beats) > 10
    assert next(network.parameters()).dtype == torch.float32, "the exact one is as it was"
    with torch.inference_mode():
        wanted = network.associate(image)
    finite = torch.isfinite(wanted)
    assert torch.equal(finite, torch.isfinite(found))
    torch.testing.assert_close(found.float()[finite], wanted[finite], atol=0.2, rtol=0.05)


@pytest.mark.gpu
def test_a_graph_gives_what_the_network_gives():
    network = lively(Scn()).eval()
    half = fast_copy(network, "cuda:0")
    images = [torch.rand(1, 3, 64, 64, device="cuda") for _ in range(3)]
    with fast(lambda: None, "cuda:0"):
        found = [half(image) for image in images]
        wanted = [half.forward.function(image) for image in images]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)
