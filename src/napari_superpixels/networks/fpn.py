"""FPN: from the coarsest map down to finer ones, which are added on the way.

Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017. Every map is brought to 256
channels; the coarsest is enlarged and added to the next, down to an eighth of the resolution, which
is where FPN and HCFPN predict in Suzuki, Implicit Integration of Superpixel Segmentation, 2021
(table 2); there the enlargement is the decoding by clusters. One convolution follows the last
sum, as in Lin et al.

Kirillov et al., Panoptic Feature Pyramid Networks, predict at a quarter, from the sum of all levels
and with normalisation over groups, which sees the whole tile.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from napari_superpixels.networks.backbone import Encoded, EncodedReach
from napari_superpixels.networks.heads import Head, convolution
from napari_superpixels.networks.reach import Reach

WIDTH = 256
"""Channels of the pyramid."""
FINEST = 1
"""The finest map that is added: that of conv3_x."""


class FpnHead(Head):
    """A pyramid from the last map to an eighth of the resolution.

    Parameters
    ----------
    widths
        Channels of the backbone's maps.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.width = WIDTH
        self.laterals = nn.ModuleList(nn.Conv2d(width, WIDTH, 1) for width in widths[FINEST:])
        self.smooth = convolution(WIDTH, WIDTH)

    def forward(self, encoded: Encoded) -> tuple[Tensor, int]:
        """Return the features, (N, 256, Y / 8, X / 8), and their stride."""
        maps, strides = encoded.maps[FINEST:], encoded.strides[FINEST:]
        total, stride = self.laterals[-1](maps[-1]), strides[-1]
        for place in reversed(range(len(maps) - 1)):
            total = encoded.decoding.finer(total, stride, strides[place])
            total, stride = total + self.laterals[place](maps[place]), strides[place]
        return self.smooth(total), stride

    def reach(self, encoded: EncodedReach) -> Reach:
        """Return how far the features look."""
        *finer, total = encoded.maps[FINEST:]
        for each in reversed(finer):
            total = encoded.decoding.finer(total, each.stride).joined(each)
        return total.through(self.smooth)
