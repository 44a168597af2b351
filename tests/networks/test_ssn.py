"""SSN: colours, positions, the variants, and weights of the public layout."""

from functools import partial

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from torch import nn
from torch.nn.functional import interpolate

from napari_superpixels.networks import ssn
from napari_superpixels.networks.association import soft_slic
from napari_superpixels.networks.hcssn import Hcssn
from napari_superpixels.networks.ssn import Ssn, normalise
from napari_superpixels.testing.weights import lively

Deformable = partial(Hcssn, deformable=True)


def picture(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def block(inputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()
    )


class Public(nn.Module):
    """The widely used layout, written out for the comparison."""

    def __init__(self) -> None:
        super().__init__()
        self.scale1 = nn.Sequential(block(5), block(64))
        self.scale2 = nn.Sequential(nn.MaxPool2d(3, 2, padding=1), block(64), block(64))
        self.scale3 = nn.Sequential(nn.MaxPool2d(3, 2, padding=1), block(64), block(64))
        self.output_conv = nn.Sequential(nn.Conv2d(197, 15, 3, padding=1), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = self.scale1(x)
        two = self.scale2(one)
        three = self.scale3(two)
        size = x.shape[-2:]
        up = [
            interpolate(each, size=size, mode="bilinear", align_corners=False)
            for each in (two, three)
        ]
        return torch.cat((self.output_conv(torch.cat((x, one, *up), 1)), x), 1)


def test_lab_is_that_of_skimage_in_the_papers_scale():
    image = picture(1, 3, 20, 30).double()
    image[0, :, 0, :3] = torch.tensor([[0.0, 1.0, 0.02]] * 3, dtype=torch.float64)
    expected = 0.26 * rgb2lab(image[0].permute(1, 2, 0).numpy())
    np.testing.assert_allclose(normalise(image)[0].permute(1, 2, 0), expected, atol=1e-9)


def test_positions_are_in_units_of_the_step():
    image = torch.zeros(1, 3, 32, 48)
    place = ssn.positions(image, (16, 16))
    assert place[0, 0, 16, 5] - place[0, 0, 0, 5] == 2.5
    inside = ssn.positions_in_cell(image, (16, 16))
    torch.testing.assert_close(inside[..., :16, :16], inside[..., 16:, 32:])
    assert inside.abs().max() < 1.25
    assert abs(inside.mean()) < 1e-6
    moved = ssn.positions_in_cell(image[..., 5:, 3:], (16, 16), (5, 3))
    torch.testing.assert_close(moved, inside[..., 5:, 3:])


@pytest.mark.parametrize("position", ["cell", "none", "absolute"])
@pytest.mark.parametrize("depth", ["deep", "linear"])
def test_every_variant_gives_the_papers_features(depth, position):
    network = lively(Ssn(depth, position))
    image = normalise(picture(1, 3, 37, 50))
    features = network(image, (8, 8))
    assert features.shape == (1, 20, 37, 50)
    torch.testing.assert_close(features[:, 15:18], image)
    torch.testing.assert_close(features[:, 18:], ssn.positions(image, (8, 8)))
    logits = network.associate(image, (8, 8), 3)
    torch.testing.assert_close(logits, soft_slic(features, (8, 8), 3).logits)


@pytest.mark.parametrize("make", [Ssn, Hcssn, Deformable])
def test_an_untrained_network_is_nearly_soft_slic_on_pixels(make):
    """Its weights are so small that the learned features hardly count: the floor of training."""
    torch.manual_seed(0)
    image = normalise(picture(1, 3, 40, 48))
    logits = make().eval().associate(image, (8, 8))
    pixels = torch.cat((image, ssn.positions(image, (8, 8))), 1)
    expected = soft_slic(pixels, (8, 8), 10).logits
    assert (logits.argmax(dim=1) == expected.argmax(dim=1)).float().mean() > 0.98


def test_public_weights_give_the_same_features_and_choices():
    public = lively(Public(), 3)
    network = Ssn.from_public(public.state_dict()).eval()
    image = normalise(picture(2, 3, 48, 64))
    seen = torch.cat((image, ssn.positions(image, (16, 16))), 1)
    expected = public(seen)
    features = network(image, (16, 16))
    order = [*range(15), 15, 16, 17, 18, 19]  # learned, L, a, b, y, x: as in theirs
    torch.testing.assert_close(features, expected[:, order], atol=1e-5, rtol=1e-5)
    chosen = network.associate(image, (16, 16)).argmax(dim=1)
    wanted = soft_slic(expected, (16, 16), 10).logits.argmax(dim=1)
    assert (chosen == wanted).all()


def test_weights_of_another_layout_are_refused():
    with pytest.raises(KeyError):
        Ssn.from_public({"conv1.weight": torch.zeros(1)})
    state = Public().state_dict()
    state.pop("scale2.1.0.weight")
    with pytest.raises(RuntimeError, match="scale2"):
        Ssn.from_public(state)


def test_only_absolute_positions_notice_where_the_image_lies():
    image = normalise(picture(1, 3, 32, 96))
    left = slice(32, 64)
    for position, same in (("cell", True), ("none", True), ("absolute", False)):
        network = lively(Ssn("linear", position))
        whole = network.learned(image, (16, 16))[..., left]
        part = network.learned(image[..., 32:], (16, 16))[..., :32]
        assert torch.allclose(whole[..., 1:], part[..., 1:], atol=1e-6) == same


@pytest.mark.parametrize(("make", "reach"), [(Ssn, 21), (Hcssn, 25), (Deformable, 31)])
def test_how_far_the_network_sees(make, reach):
    """From the 4 x 4 pixels that lie under one coarse pixel; blocks are read with more."""
    network = lively(make())
    farthest = 0
    for place in range(64, 68):
        image = picture(1, 3, 128, 128)
        image[..., place, place] = torch.nan
        with torch.inference_mode():
            spoilt = network.learned(image, (16, 16)).isnan().any(dim=1)[0].nonzero()
        group = spoilt // 4 * 4
        farthest = max(farthest, int((group - place).max()), int((place - group - 3).max()))
    assert farthest == reach


def test_gradients_reach_every_weight():
    for make in (Ssn, Hcssn, Deformable):
        network = lively(make()).train()
        network.associate(normalise(picture(1, 3, 32, 32)), (16, 16), 3)[:, 4].sum().backward()
        missing = [name for name, p in network.named_parameters() if p.grad is None]
        assert not missing


def test_colours_are_converted_in_full_precision():
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = normalise(image)
    assert torch.equal(mixed, normalise(image))
