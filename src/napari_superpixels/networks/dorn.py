"""DORN's scene understanding: the head of depth estimation by ordinal regression.

Fu et al., Deep Ordinal Regression Network for Monocular Depth Estimation, CVPR 2018, section 3.1. A
1 x 1 convolution and three dilated ones, each followed by a 1 x 1, and the average over the image,
put together by a 1 x 1 convolution to as many channels as the last map has.

Where the paper's full-image encoder flattens an average over parts into a layer of its own, which
fixes the size of images, the average here is one number a channel. Convolutions have batch
normalisation, as in the other heads.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from napari_superpixels.networks.deeplabv3 import DROPPED, SideBySide
from napari_superpixels.networks.heads import LastMapHead, convolution
from napari_superpixels.networks.reach import Reach

RATES = (6, 12, 18)
"""Dilations of the convolutions side by side."""


class DornHead(LastMapHead):
    """The scene understanding module.

    Parameters
    ----------
    widths
        Channels of the backbone's maps.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.width = widths[-1]
        each = self.width // 4
        first = [convolution(self.width, each, 1)]
        first += [convolution(self.width, each, dilation=rate) for rate in RATES]
        branches = [nn.Sequential(*layers, *convolution(each, each, 1)) for layers in first]
        average = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            *convolution(self.width, each, 1),
            *convolution(each, each, 1),
        )
        project = nn.Sequential(
            nn.Dropout(DROPPED),
            *convolution((len(branches) + 1) * each, self.width, 1),
            nn.Dropout(DROPPED),
        )
        self.scene = SideBySide(branches, average, project)

    def features(self, x: Tensor) -> Tensor:
        """Return the features of the last map."""
        features: Tensor = self.scene(x)
        return features

    def looking(self, reach: Reach) -> Reach:
        """Return how far they look."""
        return self.scene.looking(reach)
