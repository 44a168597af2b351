"""FCN: the last map of the backbone predicts, and nothing else does.

Long et al., Fully Convolutional Networks for Semantic Segmentation, CVPR 2015; on a map of a 32nd
of the resolution it is FCN-32, on one of an eighth (Chen et al., DeepLab) AtrousFCN. Between the
map and the prediction lies one convolution to a quarter of the channels, as in torchvision.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from napari_superpixels.networks.heads import LastMapHead, convolution
from napari_superpixels.networks.reach import Reach

DROPPED = 0.1
"""Share of the features that training leaves out."""


def fcn_layers(inputs: int) -> nn.Sequential:
    """Make what lies between a map and a prediction; the auxiliary output has the same."""
    return nn.Sequential(*convolution(inputs, inputs // 4), nn.Dropout(DROPPED))


class FcnHead(LastMapHead):
    """One convolution.

    Parameters
    ----------
    widths
        Channels of the backbone's maps.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.width = widths[-1] // 4
        self.layers = fcn_layers(widths[-1])

    def features(self, x: Tensor) -> Tensor:
        """Return the features of the last map."""
        features: Tensor = self.layers(x)
        return features

    def looking(self, reach: Reach) -> Reach:
        """Return how far they look."""
        return reach.through(self.layers)
