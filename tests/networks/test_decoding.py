"""Decoding by clusters against the equations, one pixel at a time."""

import pytest
import torch
from torch.nn.functional import interpolate

from napari_superpixels.networks.association import candidates_only
from napari_superpixels.networks.decoding import Decoding, nearest_clusters


def sample(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def logits(strides, y=96, x=64, *, spread=1.0, seed=0):
    """Random assignments of an image of Y x X, none to what is outside."""
    return {
        s: candidates_only(spread * sample(1, 9, y // s, x // s, seed=seed + s), (2, 2))
        for s in strides
    }


def squares(strides, y=96, x=64):
    """Assignments of every pixel to the coarse one that it lies in, all but certain."""
    found = logits(strides, y, x, spread=0.0)
    for each in found.values():
        each[:, 4] = 1000.0
    return found


def parent(plane, row, column):
    """The coarse pixel of the largest of nine logits, (9, Y, X)."""
    k = max(range(9), key=lambda k: float(plane[k, row, column]))
    return row // 2 + k // 3 - 1, column // 2 + k % 3 - 1


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("strides", [(16,), (8, 16), (4, 8, 16), (2, 4, 8, 16)])
def test_square_clusters_are_the_nearest_coarse_pixel(strides, hard):
    values, last = sample(1, 3, 3, 2), min(strides)
    found = Decoding(squares(strides), hard).finer(values, 32, last)
    assert torch.equal(found, interpolate(values, scale_factor=32 // last, mode="nearest"))


def test_without_clusters_it_is_bilinear():
    values = sample(1, 3, 3, 2)
    expected = interpolate(values, size=(96, 64), mode="bilinear", align_corners=False)
    assert torch.equal(Decoding().finer(values, 32), expected)


def test_what_clusters_do_not_reach_is_bilinear():
    decoding = Decoding(logits((8, 16)))
    values = sample(1, 2, 3, 2)
    eighth = decoding.finer(values, 32, 8)
    expected = interpolate(eighth, size=(96, 64), mode="bilinear", align_corners=False)
    assert torch.equal(decoding.finer(values, 32), expected)


@pytest.mark.parametrize("hard", [False, True])
def test_decoding_is_the_product_of_assignments(hard):
    """Eq. 3 with the matrices written out, pixels by coarse pixels."""
    planes, values = logits((8, 16)), sample(1, 2, 3, 2, seed=5)
    flat = values[0].flatten(1).T
    for stride in (16, 8):
        y, x = 96 // stride, 64 // stride
        matrix = torch.zeros(y * x, y * x // 4, dtype=torch.float64)
        for row in range(y):
            for column in range(x):
                weights = planes[stride][0, :, row, column].softmax(0)
                for k in range(9):
                    r, c = row // 2 + k // 3 - 1, column // 2 + k % 3 - 1
                    if 0 <= r < y // 2 and 0 <= c < x // 2:
                        share = float((r, c) == parent(planes[stride][0], row, column))
                        matrix[row * x + column, r * x // 2 + c] = share if hard else weights[k]
        flat = matrix @ flat
    found = Decoding(planes, hard).finer(values, 32, 8)
    torch.testing.assert_close(found[0].flatten(1).T, flat)


def test_hard_decoding_is_soft_decoding_without_temperature():
    planes, values = logits((8, 16)), sample(1, 2, 3, 2, seed=5)
    sharp = {stride: 1e6 * plane for stride, plane in planes.items()}
    hard, soft = Decoding(planes).hardened(), Decoding(sharp)
    torch.testing.assert_close(hard.finer(values, 32, 8), soft.finer(values, 32, 8))


def test_the_hard_assignment_is_one_of_nine_inside_the_map():
    plane = logits((2,), 14, 10)[2]
    found = nearest_clusters(plane)[0]
    for row in range(7):
        for column in range(5):
            r, c = parent(plane[0], row, column)
            assert found[row, column] == r * 3 + c
            assert 0 <= r < 4
            assert 0 <= c < 3


@pytest.mark.parametrize("strides", [(16,), (8, 16), (2, 4, 8, 16)])
def test_hard_values_are_those_of_clusters_of_clusters(strides):
    planes, last = logits(strides), min(strides)
    numbers = torch.arange(6.0).reshape(1, 1, 3, 2)
    found = Decoding(planes, hard=True).finer(numbers, 32, last)[0, 0]
    y, x = found.shape
    for place in [(0, 0), (y // 3, x // 4), (y // 2, x - 1), (y - 1, x // 2)]:
        row, column = place
        for stride in sorted(strides):
            row, column = parent(planes[stride][0], row, column)
        assert found[place] == 2 * row + column


def test_clusters_reach_less_than_two_coarse_pixels():
    numbers = torch.arange(64.0).reshape(1, 1, 8, 8)
    found = Decoding(logits((1, 2, 4, 8, 16), 256, 256), hard=True).finer(numbers, 32)[0, 0]
    row = torch.arange(256)[:, None] // 32
    assert ((found.long() // 8 - row).abs() <= 2).all()
    assert ((found.long() // 8 - row).abs() == 1).any()


def test_gradients_reach_values_and_assignments():
    planes = {s: p.requires_grad_() for s, p in logits((8, 16)).items()}
    values = sample(1, 2, 3, 2).requires_grad_()
    Decoding(planes).finer(values, 32).square().sum().backward()
    for each in (values, *planes.values()):
        assert each.grad.isfinite().all()
        assert each.grad.abs().sum() > 0
