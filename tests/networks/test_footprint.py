from functools import partial

import torch
from torch import nn

from napari_superpixels.networks.footprint import bytes_per_pixel, without_numbers
from napari_superpixels.networks.segmentation import SegmentationNetwork


def test_two_maps_are_alive_at_once():
    """Of a chain the image, what a layer reads and what it writes; earlier maps are gone."""

    def make():
        return nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 16, 1), nn.Conv2d(16, 4, 1))

    assert bytes_per_pixel(make, 3) == 4 * (3 + 8 + 16)


def test_a_map_that_is_needed_again_is_counted():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1)

        def forward(self, x):
            y = self.one(x)
            return y + self.two(self.two(y))

    assert bytes_per_pixel(Residual, 3) == 4 * (3 + 3 * 8)


def test_deeper_and_finer_networks_need_more():
    plain, atrous, deep = (
        bytes_per_pixel(partial(SegmentationNetwork, "fcn", **config), 3)
        for config in ({"form": "plain"}, {"form": "atrous"}, {"backbone": "resnet101"})
    )
    assert 0 < plain < atrous
    assert plain < deep


def test_a_network_without_numbers_can_be_asked():
    network = without_numbers(partial(SegmentationNetwork, "pspnet"))
    assert not network.exact
    assert not network.training
    assert torch.rand(1).item() <= 1, "what is made afterwards is real"
