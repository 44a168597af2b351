"""DeepLabv3: convolutions that look differently far, side by side, and the image's average.

Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, 2017. A 1 x 1
convolution, three dilated ones and the average over the whole map (so that the result depends on
all that is computed at once), put together by two more. The rates are those of torchvision and of
the paper at an eighth of the resolution. HCDeepLabv3 keeps them at a 32nd, where they look four
times as far (Suzuki, Implicit Integration of Superpixel Segmentation, 2021, section 4.2).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_superpixels.networks.heads import LastMapHead, convolution
from napari_superpixels.networks.reach import Reach, farthest

RATES = (12, 24, 36)
"""Dilations of the convolutions side by side."""
WIDTH = 256
"""Channels of each branch."""
DROPPED = 0.5
"""Share of what the branches give that training leaves out."""


class SideBySide(nn.Module):
    """Branches that look differently far, and the average over the map, put together.

    Parameters
    ----------
    branches
        Each a sequence with as many channels at its end.
    average
        The last branch: begins with the average, one number a channel.
    project
        What follows their concatenation.
    """

    def __init__(
        self, branches: Sequence[nn.Module], average: nn.Module, project: nn.Sequential
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList((*branches, average))
        self.project = project

    def forward(self, x: Tensor) -> Tensor:
        """Return what the branches see, put together."""
        *branches, average = self.branches
        seen = [branch(x) for branch in branches]
        seen.append(average(x).expand(-1, -1, *x.shape[-2:]))
        joined: Tensor = self.project(torch.cat(seen, dim=1))
        return joined

    def looking(self, reach: Reach) -> Reach:
        """Return how far that looks."""
        seen = farthest(reach.through(branch) for branch in self.branches)
        return seen.through(self.project)


class DeepLabHead(LastMapHead):
    """Atrous spatial pyramid pooling and one convolution.

    Parameters
    ----------
    widths
        Channels of the backbone's maps.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        inputs, self.width = widths[-1], WIDTH
        branches = [convolution(inputs, WIDTH, 1)]
        branches += [convolution(inputs, WIDTH, dilation=rate) for rate in RATES]
        average = nn.Sequential(nn.AdaptiveAvgPool2d(1), *convolution(inputs, WIDTH, 1))
        joined = (len(branches) + 1) * WIDTH
        project = nn.Sequential(*convolution(joined, WIDTH, 1), nn.Dropout(DROPPED))
        self.pyramid = SideBySide(branches, average, project)
        self.layers = convolution(WIDTH, WIDTH)

    def features(self, x: Tensor) -> Tensor:
        """Return the features of the last map."""
        features: Tensor = self.layers(self.pyramid(x))
        return features

    def looking(self, reach: Reach) -> Reach:
        """Return how far they look."""
        return self.pyramid.looking(reach).through(self.layers)
