"""AINet's implantation against the tensor of squares, its variants, and PCNet's layers."""

import pytest
import torch
from torch.autograd import gradcheck
from torch.func import functional_call
from torch.nn.functional import conv2d, leaky_relu, pad, unfold

from napari_superpixels.networks.ainet import Ainet, Implantation, LocalAttention
from napari_superpixels.networks.pcnet import Pcnet
from napari_superpixels.testing.weights import lively


def picture(*shape: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=rng, dtype=torch.float64)


def squares(pixels: torch.Tensor, cells: torch.Tensor, kind: str) -> torch.Tensor:
    """The paper's tensor: around every pixel the 3 x 3 cells, shape (N, C, 3 Y, 3 X)."""
    n, c, height, width = pixels.shape
    around = unfold(cells, 3, padding=1).reshape(n, c, 3, 3, *cells.shape[2:])
    around = around.repeat_interleave(16, dim=4).repeat_interleave(16, dim=5)
    near = unfold(pixels, 3, padding=1).reshape(n, c, 3, 3, height, width)
    if kind == "middle":
        around[:, :, 1, 1] += pixels
    elif kind == "pixel":
        around[:, :, 1, 1] = pixels
    else:
        around = around + near
    return around.permute(0, 1, 4, 2, 5, 3).reshape(n, c, 3 * height, 3 * width)


@pytest.mark.parametrize("kind", ["middle", "neighbours", "pixel"])
def test_the_implantation_equals_a_convolution_of_the_squares(kind):
    pixels, cells = picture(2, 4, 32, 48), picture(2, 4, 2, 3, seed=1)
    module = lively(Implantation(4, kind).double())
    direct = conv2d(squares(pixels, cells, kind), module.weight, stride=3)
    torch.testing.assert_close(module(pixels, cells), leaky_relu(module.norm(direct), 0.1))


@pytest.mark.parametrize("kind", ["middle", "neighbours", "pixel"])
def test_gradients_of_the_implantation(kind):
    module = lively(Implantation(2, kind).double())
    pixels, cells = picture(1, 2, 16, 32).requires_grad_(), picture(1, 2, 1, 2).requires_grad_()

    def run(p, c, weight):
        return functional_call(module, {"weight": weight}, (p, c))

    weight = module.weight.detach().requires_grad_()
    assert gradcheck(run, (pixels, cells, weight), fast_mode=True)


def test_gradients_of_the_attention():
    block = lively(LocalAttention(2, dilation=2).double())
    assert gradcheck(block, (picture(1, 2, 4, 5).requires_grad_(),))


def test_the_variants_differ():
    pixels, cells = picture(1, 4, 32, 32), picture(1, 4, 2, 2, seed=1)
    found = []
    for kind in ("middle", "neighbours", "pixel"):
        found.append(lively(Implantation(4, kind).double())(pixels, cells))
    assert not torch.allclose(found[0], found[1])
    assert not torch.allclose(found[0], found[2])


def test_attention_is_a_weighted_mean_of_the_neighbourhood():
    block = lively(LocalAttention(8, dilation=2).double())
    x = picture(1, 8, 5, 6)
    value = block.value(x)
    reach = pad(value, (1, 1, 1, 1))
    near = torch.stack([reach[..., r : r + 5, c : c + 6] for r in range(3) for c in range(3)])
    found = block(x)
    assert (found <= near.max(dim=0).values + 1e-12).all()
    assert (found >= near.min(dim=0).values - 1e-12).all()


def test_attention_changes_the_result_and_is_left_out_by_default():
    assert not Ainet().attention
    with_attention = lively(Ainet(attention=True)).double()
    without = Ainet().double().eval()
    shared = {k: v for k, v in with_attention.state_dict().items() if k in without.state_dict()}
    without.load_state_dict(shared)
    image = picture(1, 3, 48, 48)
    assert not torch.allclose(with_attention(image), without(image))


def test_the_embedding_has_not_met_the_cells():
    """A loss on it is a loss on pixels alone, as in the paper."""
    network = lively(Ainet()).double()
    before = network.outputs(picture(1, 3, 48, 48)).embedding
    torch.nn.init.zeros_(network.implant.weight)
    torch.testing.assert_close(network.outputs(picture(1, 3, 48, 48)).embedding, before)


def test_pcnet_sees_every_fourth_row_and_column():
    network = lively(Pcnet()).double()
    image = picture(1, 3, 64, 128)
    spoilt = torch.full_like(image, torch.nan)
    spoilt[..., ::4, ::4] = image[..., ::4, ::4]
    torch.testing.assert_close(network(spoilt), network(image))


def test_pcnet_gives_full_resolution_and_reconstructs_the_image():
    network = lively(Pcnet()).double()
    result = network.outputs(picture(1, 3, 64, 128))
    assert result.logits.shape == (1, 9, 64, 128)
    assert result.embedding.shape == (1, 16, 64, 128)
    again = network.reconstruction(result.embedding)
    assert again.shape == (1, 3, 64, 128)
    assert again.abs().max() <= 1
