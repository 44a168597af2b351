"""What heads share: from the maps of a backbone to features, from which one layer predicts."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from napari_superpixels.networks.backbone import Encoded, EncodedReach
from napari_superpixels.networks.reach import Reach


class Head(nn.Module, ABC):
    """Turns the maps of a backbone into features.

    Its class is made with the channels of the maps, those of conv2_x first.
    """

    width: int
    """Channels of the features."""

    @abstractmethod
    def forward(self, encoded: Encoded) -> tuple[Tensor, int]:
        """Return the features, (N, width, Y / s, X / s), and their stride s."""

    @abstractmethod
    def reach(self, encoded: EncodedReach) -> Reach:
        """Return how far the features look."""


class LastMapHead(Head):
    """A head that works on the last map alone, without changing its resolution."""

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Return the features of the last map."""

    @abstractmethod
    def looking(self, reach: Reach) -> Reach:
        """Return how far they look."""

    def forward(self, encoded: Encoded) -> tuple[Tensor, int]:
        """Return the features, (N, width, Y / s, X / s), and their stride s."""
        return self.features(encoded.maps[-1]), encoded.strides[-1]

    def reach(self, encoded: EncodedReach) -> Reach:
        """Return how far the features look."""
        return self.looking(encoded.maps[-1])


def convolution(inputs: int, outputs: int, kernel: int = 3, *, dilation: int = 1) -> nn.Sequential:
    """Make a convolution with batch normalisation and ReLU that keeps the size of a map."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(
            inputs,
            outputs,
            kernel,
            padding=padding,
            dilation=dilation,
            bias=False,
        ),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def initialise(layers: nn.Module) -> None:
    """Draw the convolutions of a head from He's normal distribution, without biases."""
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
