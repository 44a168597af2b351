"""Deformable downsampling against its definition, one pixel at a time, and its limits."""

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn.functional import conv2d

from napari_superpixels.networks.deformable import LIMIT, DeformableDownsampling, downsampling
from napari_superpixels.networks.hcssn import Hcssn
from napari_superpixels.networks.ssn import normalise
from napari_superpixels.testing.weights import lively


def sample(*shape, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


def made(channels, *, moves=3.0, seed=0):
    """A module whose places move about, many of them as far as they may."""
    module = DeformableDownsampling(channels).double()
    with torch.no_grad():
        module.places.copy_(moves * sample(*module.places.shape, seed=seed))
        module.places_bias.copy_(sample(27, seed=seed + 1))
    return module


def at(image, y, x):
    """The value between pixels, bilinear; zeros outside."""
    top, left, total = int(y // 1), int(x // 1), image.new_zeros(len(image))
    for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, right in ((left, 1 - (x - left)), (left + 1, x - left)):
            if 0 <= row < image.shape[1] and 0 <= column < image.shape[2]:
                total = total + image[:, row, column] * down * right
    return total


@pytest.mark.parametrize("shape", [(6, 8), (5, 7)])
def test_it_is_the_sum_over_moved_and_weighed_places(shape):
    module = made(2, moves=0.3)
    image = sample(1, 2, *shape, seed=3)
    chosen = conv2d(image, module.places, module.places_bias, stride=2, padding=1)[0]
    found = module(image)[0]
    assert found.shape == (2, -(-shape[0] // 2), -(-shape[1] // 2))
    most = LIMIT - 1 / 256
    for row in range(found.shape[1]):
        for column in range(found.shape[2]):
            expected = torch.zeros(2, dtype=torch.float64)
            for k in range(9):
                dy, dx = chosen[2 * k : 2 * k + 2, row, column].clamp(-most, most).tolist()
                weight = 2 * torch.sigmoid(chosen[18 + k, row, column])
                value = at(image[0], 2 * row + k // 3 - 1 + dy, 2 * column + k % 3 - 1 + dx)
                expected = expected + module.weight[:, :, k // 3, k % 3] @ (weight * value).reshape(
                    2
                )
            torch.testing.assert_close(found[:, row, column], expected)


def test_it_begins_as_an_ordinary_convolution():
    module, image = DeformableDownsampling(3).double(), sample(1, 3, 8, 8)
    expected = conv2d(image, module.weight, stride=2, padding=1)
    torch.testing.assert_close(module(image), expected)


@pytest.mark.parametrize("value", [1e30, -1e30, float("inf"), float("nan")])
def test_places_move_by_less_than_the_limit_in_training_and_in_use(value):
    for module in (made(2).train(), made(2).eval()):
        moved = module.clamped(torch.full((1, 18, 2, 2), value))
        assert bool(moved.isfinite().all())
        assert moved.abs().max() < LIMIT


def test_a_shift_changes_no_more_than_the_order_of_a_sum():
    """In use, where places land is exact, as far from the corner as near it."""
    module = made(4, moves=0.1).float()
    image = sample(1, 4, 24, 600).float()
    differences = []
    for training in (True, False):
        module.train(training)
        whole, part = module(image), module(image[..., 400:])
        difference = whole[..., 204:298] - part[..., 4:98]
        differences.append(float(difference.detach().abs().max()))
    assert differences[1] < 3e-6 < 3e-5 < differences[0]


def test_gradients():
    module = made(2, moves=0.1)
    image = sample(1, 2, 5, 4, seed=5).requires_grad_()
    weights = tuple(p.detach().requires_grad_() for p in module.parameters())
    names = [name for name, _ in module.named_parameters()]

    def run(x, *values):
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (x,))

    assert gradcheck(run, (image, *weights))


def test_no_number_stays_near_and_reads_nowhere_else():
    module = downsampling(2).eval()
    image = torch.zeros(1, 2, 32, 32)
    image[0, 0, 16, 16] = torch.nan
    rows = module(image).isnan().any(dim=1)[0].nonzero()
    assert rows.min() >= (16 - 1 - LIMIT) // 2
    assert rows.max() <= (16 + 1 + LIMIT + 1) // 2


def test_weights_say_whether_it_is_on_and_older_ones_have_it_off():
    plain, moving = Hcssn(), Hcssn(deformable=True)
    assert "deformable" not in plain.config
    assert moving.config["deformable"] is True
    again = Hcssn(**moving.config)
    again.load_state_dict(moving.state_dict())
    image = normalise(torch.rand(1, 3, 32, 32))
    lively(moving), lively(again)
    assert torch.equal(moving.learned(image, (16, 16)), again.learned(image, (16, 16)))
