"""PSPNet: averages over a few large parts of the image beside the last map.

Zhao et al., Pyramid Scene Parsing Network, CVPR 2017. The map is averaged over 1, 2 x 2, 3 x 3 and
6 x 6 parts of it; each set of averages is brought to a quarter of the channels and enlarged again,
all are put beside the map, and one convolution follows. The parts are parts of what is computed at
once: the result depends on all of it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from napari_superpixels.networks.fcn import DROPPED
from napari_superpixels.networks.heads import LastMapHead, convolution
from napari_superpixels.networks.reach import Reach, farthest

PARTS = (1, 2, 3, 6)
"""Parts along each axis."""


class PspHead(LastMapHead):
    """Pyramid pooling and one convolution.

    Parameters
    ----------
    widths
        Channels of the backbone's maps.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        inputs, self.width = widths[-1], widths[-1] // 4
        self.pools = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(parts), *convolution(inputs, self.width, 1))
            for parts in PARTS
        )
        joined = inputs + len(PARTS) * self.width
        self.layers = nn.Sequential(*convolution(joined, self.width), nn.Dropout(DROPPED))

    def features(self, x: Tensor) -> Tensor:
        """Return the features of the last map."""
        size = x.shape[-2:]
        parts = [
            interpolate(pool(x), size=size, mode="bilinear", align_corners=False)
            for pool in self.pools
        ]
        features: Tensor = self.layers(torch.cat((x, *parts), dim=1))
        return features

    def looking(self, reach: Reach) -> Reach:
        """Return how far they look."""
        joined = reach.joined(farthest(reach.through(pool) for pool in self.pools))
        return joined.through(self.layers)
