"""How far a network looks, measured, against what is counted by hand."""

import pytest
import torch
from torch import nn

from napari_superpixels.networks.measured import agrees, measured_halo


def conv(kernel, dilation=1, stride=1):
    """A convolution none of whose weights is 0."""
    made = nn.Conv2d(
        1, 1, kernel, padding=dilation * (kernel // 2), dilation=dilation, stride=stride
    )
    with torch.no_grad():
        made.weight.uniform_(0.5, 1, generator=torch.Generator().manual_seed(1))
    return made.eval()


class Mean(nn.Module):
    def forward(self, image):
        return image - image.mean(dim=(2, 3), keepdim=True)


class Oblong(nn.Module):
    """It looks 7 px along one axis and 1 px along the other."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2d(1, 1, (3, 15), padding=(1, 7))

    def forward(self, image):
        return self.wide(image)


COUNTED = [
    (lambda: nn.Identity(), 1, 0),
    (lambda: conv(3), 1, 1),
    (lambda: nn.Sequential(conv(3), nn.ReLU(), conv(5)), 1, 3),
    (lambda: conv(3, dilation=20), 1, 20),
    (Oblong, 1, 7),
    # The last of a block of two is 2 px from the farthest that its neighbour's convolution sees.
    (lambda: nn.Sequential(nn.MaxPool2d(2), conv(3), nn.Upsample(scale_factor=2)), 2, 3),
    (lambda: nn.Sequential(conv(2, stride=2), nn.Upsample(scale_factor=2)), 2, 2),
]


@pytest.mark.parametrize(("network", "stride", "halo"), COUNTED)
def test_the_halo_is_what_is_counted(network, stride, halo):
    with torch.inference_mode():
        found = network()
        assert measured_halo(found, 1, stride) == halo
        assert agrees(found, 1, 4, halo)


@pytest.mark.parametrize("gap", [70, 150, 700])
@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_looked_at_past_a_gap_counts(gap, axis):
    """A dilated convolution reads nothing but its own pixel in images shorter than the gap."""
    kernel = (3, 1) if axis == 0 else (1, 3)
    padding = (gap, 0) if axis == 0 else (0, gap)
    network = nn.Conv2d(1, 1, kernel, padding=padding, dilation=gap).eval()
    with torch.inference_mode():
        assert measured_halo(network, 1, 1) == gap
        assert agrees(network, 1, 8, gap)
        assert not agrees(network, 1, 8, gap - 8)
        assert not agrees(network, 1, 8, 8)


def test_in_the_only_image_that_is_taken_gaps_count_too():
    network = nn.Conv2d(1, 1, 3, padding=80, dilation=80).eval()
    with torch.inference_mode():
        assert measured_halo(network, 1, 1, edge=128) == 80
        assert measured_halo(network, 1, 4, edge=128) >= 80


def test_a_network_that_looks_far_is_tried_on_larger_images():
    seen = []
    network = nn.Sequential(*(conv(9, dilation=k) for k in (1, 8, 20)))

    def watched(image):
        seen.append(image.shape[-2:])
        return network(image)

    with torch.inference_mode():
        assert measured_halo(watched, 1, 1) == 4 * (1 + 8 + 20)
    assert (128, 128) in seen
    assert (256, 256) in seen
    assert (512, 512) not in seen


def test_what_depends_on_all_has_none():
    with torch.inference_mode():
        assert measured_halo(Mean(), 1, 1) is None
        assert measured_halo(Mean(), 1, 1, edge=128) is None


def test_a_halo_that_is_too_small_is_seen():
    network = conv(5)
    with torch.inference_mode():
        assert agrees(network, 1, 1, 2)
        assert not agrees(network, 1, 1, 1)
        assert not agrees(Mean(), 1, 8, 64)


def test_places_of_windows_count():
    """A network of a stride of 4 says something else 2 px on."""
    network = nn.Sequential(nn.AvgPool2d(4), nn.Upsample(scale_factor=4))
    with torch.inference_mode():
        assert agrees(network, 1, 4, 4)
        assert not agrees(network, 1, 2, 4)
