"""What networks declare of their reach, against what a NaN in one pixel spoils; windows."""

import pytest
import torch
from torch import nn

from napari_superpixels.networks.deformable import LIMIT, DeformableDownsampling
from napari_superpixels.networks.heads import convolution
from napari_superpixels.networks.reach import Reach
from napari_superpixels.networks.segmentation import PUBLISHED, SegmentationNetwork
from napari_superpixels.testing.weights import lively

EXACT = ["FCN-32", "AtrousFCN", "HCFCN-32", "FPN", "HCFPN"]
WIDTH = 32
"""Of the strips of image that are looked at, in pixels."""
PHASES = [0, 7, 15, 16, 17, 25, 31]
"""Places of the NaN inside a pixel of the coarsest map; at some of these each reaches farthest."""


def strip(length, *, seed=0):
    return torch.rand(1, 3, length, WIDTH, generator=torch.Generator().manual_seed(seed))


def spoilt(network, place, length, *, turned):
    """The first and last row whose logits a NaN in row `place` changes; columns where turned."""
    clean = strip(length, seed=place)
    dirty = clean.clone()
    dirty[..., place, place % WIDTH] = torch.nan
    if turned:
        clean, dirty = clean.mT.contiguous(), dirty.mT.contiguous()
    with torch.inference_mode():
        changed = ~(network(clean) == network(dirty)).all(dim=1)[0]
    rows = changed.any(dim=0 if turned else 1).nonzero()
    return int(rows.min()), int(rows.max())


def measured(network):
    """How far pixels look before and after themselves, at all of the phases."""
    middle = network.halo_px + WIDTH
    middle += -middle % WIDTH
    before = after = 0
    for number, phase in enumerate(PHASES):
        place = middle + phase
        first, last = spoilt(network, place, 2 * middle + WIDTH, turned=number % 2 == 1)
        assert first > 0, "the strip is too short to tell"
        before, after = max(before, last - place), max(after, place - first)
    return before, after


@pytest.mark.parametrize(
    "config",
    [*(PUBLISHED[name] for name in EXACT), {"head": "fpn", "level": 4}],
    ids=[*EXACT, "level 4"],
)
def test_a_network_looks_as_far_as_it_declares_and_no_farther(config):
    network = lively(SegmentationNetwork(**config))
    assert network.exact
    assert measured(network) == (network.reach.before, network.reach.after)


def test_deformable_convolutions_look_no_farther_than_they_may():
    """How far their places move is up to the weights; these move some to the limit."""
    network = lively(SegmentationNetwork("fcn", downsampling="deformable"))
    (before, after), declared = measured(network), network.reach
    assert declared.before - 4 * LIMIT <= before <= declared.before
    assert declared.after - 4 * LIMIT <= after <= declared.after


@pytest.mark.parametrize("name", sorted(set(PUBLISHED) - set(EXACT)))
def test_networks_that_pool_are_not_exact(name):
    """A NaN spoils what lies beyond the halo that the other layers would need."""
    network = lively(SegmentationNetwork(**PUBLISHED[name]))
    assert not network.exact
    length = min(2 * network.halo_px, 1536)
    assert spoilt(network, 7, length, turned=False) == (0, length - 1)


@pytest.mark.parametrize("name", EXACT)
def test_a_window_with_its_halo_is_enough(name):
    """A core's logits are those of the whole image, but for the order of sums; one step less of
    halo is not enough."""
    network = lively(SegmentationNetwork(**PUBLISHED[name], classes=3))
    halo, align = network.halo_px, network.align_px
    start = align
    image = strip(start + 2 * halo + 2 * 64)
    core = slice(start + halo, start + halo + 64)

    def differences(halo):
        part = image[..., core.start - halo : core.stop + halo, :]
        found = network(part)[..., halo : halo + 64, :]
        return (found - whole[..., core, :]).abs().max() / whole.abs().max()

    with torch.inference_mode():
        whole = network(image)
        assert differences(halo) < 1e-5
        assert differences(halo // 4 // align * align) > 1e-4, "the comparison cannot fail"


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("backbone", ["resnet34", "resnet50", "resnet101"])
def test_every_network_declares_its_reach(name, backbone):
    with torch.device("meta"):
        network = SegmentationNetwork(**PUBLISHED[name], backbone=backbone)
    reach, form = network.reach, PUBLISHED[name]["form"]
    assert reach.stride == 1
    assert network.align_px == (8 if form == "atrous" else 32)
    assert 0 <= network.halo_px - max(reach.before, reach.after) < network.align_px
    assert network.exact == (name in EXACT)


@pytest.mark.parametrize(
    "layers",
    [
        nn.Sequential(convolution(1, 1, 7), nn.MaxPool2d(3, 2, padding=1), convolution(1, 1)),
        nn.Sequential(nn.Conv2d(1, 1, 3, stride=2, padding=1), convolution(1, 1, dilation=3)),
        nn.Sequential(convolution(1, 1, 1), nn.Dropout(), nn.Conv2d(1, 1, 2, stride=2)),
        nn.Sequential(nn.Conv2d(1, 1, 5, stride=4, padding=0), convolution(1, 1)),
    ],
)
def test_the_reach_of_layers_is_that_of_a_nan(layers):
    lively(layers)
    reach = Reach().through(layers)
    size = 40 * reach.stride
    for place in range(size // 2, size // 2 + reach.stride):
        image = torch.zeros(1, 1, size, size)
        image[..., place, place] = torch.nan
        with torch.inference_mode():
            rows = layers(image)[0, 0].isnan().any(dim=1).nonzero()[:, 0] * reach.stride
        seeing = [
            row
            for row in range(0, size, reach.stride)
            if row - reach.before <= place <= row + reach.after
        ]
        assert set(rows.tolist()) <= set(seeing)
        assert {seeing[0], seeing[-1]} <= set(rows.tolist()), "dilation leaves holes inside"


def test_deformable_convolutions_reach_to_their_limit():
    reach = Reach(stride=4).through(DeformableDownsampling(1))
    assert reach == Reach(stride=8, before=4 * (1 + LIMIT), after=4 * (1 + LIMIT))


def test_bilinear_enlargement_reaches_to_the_next_pixel():
    for factor in (2, 4, 8):
        reach = Reach(stride=factor).interpolated(factor)
        coarse = torch.zeros(1, 1, 9, 9)
        coarse[..., 4, 4] = torch.nan
        fine = nn.functional.interpolate(coarse, scale_factor=factor, mode="bilinear")
        rows = fine[0, 0].isnan().any(dim=1).nonzero()
        assert int(rows.max()) - 4 * factor == reach.before
        assert 4 * factor - int(rows.min()) == reach.after


def test_a_layer_that_is_not_known_is_no_layer_that_sees_nothing():
    with pytest.raises(TypeError, match="how far does a InstanceNorm2d look"):
        Reach().through(nn.Sequential(convolution(1, 1), nn.InstanceNorm2d(1)))
