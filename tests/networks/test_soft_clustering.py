"""The soft clustering module against the equations, one pixel at a time."""

import pytest
import torch
from torch.autograd import gradcheck

from napari_superpixels.networks.hcssn import ClusteredFeatures
from napari_superpixels.networks.soft_clustering import SoftClustering
from napari_superpixels.testing.weights import lively


def sample(*shape: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


def assign_one_by_one(module, fine, coarse, temperature=0.07):
    """Eq. 4 over the 9 coarse pixels around, those outside left out; (9, Y, X)."""
    x = torch.einsum("dc,cyx->dyx", module.fine.weight[..., 0, 0], fine)
    s = torch.einsum("dc,chw->dhw", module.coarse.weight[..., 0, 0], coarse)
    out = torch.zeros(9, *fine.shape[1:], dtype=fine.dtype)
    for y in range(fine.shape[1]):
        for column in range(fine.shape[2]):
            weights = {}
            for k in range(9):
                r, c = y // 2 + k // 3 - 1, column // 2 + k % 3 - 1
                if 0 <= r < coarse.shape[1] and 0 <= c < coarse.shape[2]:
                    a, b = x[:, y, column], s[:, r, c]
                    weights[k] = torch.exp(a @ b / a.norm() / b.norm() / temperature)
            for k, weight in weights.items():
                out[k, y, column] = weight / sum(weights.values())
    return out


@pytest.mark.parametrize("shape", [(6, 8), (5, 7), (1, 1), (2, 3)])
def test_the_assignment_is_that_of_the_equation(shape):
    module = SoftClustering(3, 5, dimension=4).double()
    coarse_shape = [-(-n // 2) for n in shape]
    fine, coarse = sample(1, 3, *shape), sample(1, 5, *coarse_shape, seed=1)
    found = module(fine, coarse)
    torch.testing.assert_close(found[0], assign_one_by_one(module, fine[0], coarse[0]))
    total = found.sum(dim=1)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_decoding_is_the_product_with_the_assignment():
    module = SoftClustering(3, 3, dimension=4).double()
    fine, coarse = sample(1, 3, 6, 4), sample(1, 3, 3, 2, seed=1)
    assignment, values = module(fine, coarse), sample(1, 2, 3, 2, seed=2)
    found = module.decode(values, assignment)
    for y in range(6):
        for x in range(4):
            expected = torch.zeros(2, dtype=torch.float64)
            for k in range(9):
                r, c = y // 2 + k // 3 - 1, x // 2 + k % 3 - 1
                if 0 <= r < 3 and 0 <= c < 2:
                    expected += assignment[0, k, y, x] * values[0, :, r, c]
            torch.testing.assert_close(found[0, :, y, x], expected)


def test_pixels_go_to_the_coarse_pixel_that_is_like_them():
    """A border that no enlargement keeps: two colours that meet inside a coarse pixel's cell."""
    module = SoftClustering(2, 2, dimension=2).double()
    with torch.no_grad():
        for layer in (module.fine, module.coarse):
            layer.weight.copy_(torch.eye(2)[..., None, None])
    colours = torch.eye(2, dtype=torch.float64)
    fine = colours[(torch.arange(8) >= 5).long()].T[None, :, None].expand(1, 2, 4, 8)
    coarse = colours[(torch.arange(4) >= 2).long()].T[None, :, None].expand(1, 2, 2, 4)
    decoded = module.decode(coarse, module(fine, coarse))
    torch.testing.assert_close(decoded, fine, atol=1e-4, rtol=0)


def test_constants_stay_constant():
    module = SoftClustering(3, 3).double()
    assignment = module(sample(1, 3, 8, 8), sample(1, 3, 4, 4))
    torch.testing.assert_close(
        module.decode(torch.full((1, 2, 4, 4), 7.0).double(), assignment),
        torch.full((1, 2, 8, 8), 7.0).double(),
    )


def test_a_lower_temperature_decides_more():
    cold = SoftClustering(3, 3, temperature=0.01).double()
    warm = SoftClustering(3, 3, temperature=1.0).double()
    warm.load_state_dict(cold.state_dict())
    fine, coarse = sample(1, 3, 8, 8), sample(1, 3, 4, 4)
    assert cold(fine, coarse).amax(1).mean() > 0.8 > warm(fine, coarse).amax(1).mean()


def test_gradients():
    module = SoftClustering(2, 3, dimension=3).double()
    fine, coarse = sample(1, 2, 4, 4).requires_grad_(), sample(1, 3, 2, 2).requires_grad_()
    values = sample(1, 2, 2, 2, seed=2).requires_grad_()
    assert gradcheck(lambda f, c, v: module.decode(v, module(f, c)), (fine, coarse, values))


def test_zeros_have_no_direction_and_no_bad_gradient():
    module = SoftClustering(2, 2)
    fine = torch.zeros(1, 2, 4, 4, requires_grad=True)
    found = module(fine, torch.zeros(1, 2, 2, 2))
    found.square().sum().backward()
    assert torch.isfinite(found).all()
    assert torch.isfinite(fine.grad).all()


def test_two_levels_decode_one_after_the_other():
    """HCSSN's coarsest map passes both assignments (Eq. 3)."""
    network = lively(ClusteredFeatures(5, 15)).double()
    assert network(sample(1, 5, 16, 12)).shape == (1, 15, 16, 12)
    torch.nn.init.zeros_(network.scale3[2][0].weight)
    torch.nn.init.zeros_(network.scale3[2][1].bias)
    flat = network(sample(1, 5, 16, 12))
    with torch.no_grad():
        network.cluster2.fine.weight.add_(1)  # has nothing to decode but zeros
    torch.testing.assert_close(network(sample(1, 5, 16, 12)), flat)


def test_values_in_half_precision_come_back_too():
    clustering = SoftClustering(8, 8)
    fine, coarse = torch.rand(1, 8, 6, 8), torch.rand(1, 8, 3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assignment = clustering(fine, coarse)
        decoded = clustering.decode(coarse.bfloat16(), assignment)
    assert assignment.dtype == torch.float32
    expected = clustering.decode(coarse.bfloat16().float(), assignment)
    assert torch.equal(decoded, expected)
