"""HCSSN: SSN whose coarse maps come back to full resolution by soft clustering.

Suzuki, Implicit Integration of Superpixel Segmentation into Fully Convolutional Networks, 2021,
section 4.3. All is as in SSN_deep but for both bilinear enlargements. The seeds of the clusters are
the maps after max pooling, which is where SSN gets coarser. Deformable convolutions may take its
place (section 3.3, where they are optional; section 4.3 does not say what HCSSN has).
"""

# ruff: noqa: N803 - names carry shape suffixes

from typing import Any

import torch
from torch import Tensor

from napari_superpixels.networks.soft_clustering import SoftClustering
from napari_superpixels.networks.ssn import FEATURES, WIDTH, DeepFeatures, Position, Ssn


class ClusteredFeatures(DeepFeatures):
    """The network of HCSSN."""

    def __init__(self, inputs: int, outputs: int, *, deformable: bool = False) -> None:
        super().__init__(inputs, outputs)
        if deformable:
            from napari_superpixels.networks.deformable import downsampling

            self.scale2[0], self.scale3[0] = downsampling(WIDTH), downsampling(WIDTH)
        self.cluster1 = SoftClustering(WIDTH, WIDTH)
        self.cluster2 = SoftClustering(WIDTH, WIDTH)

    def forward(self, x_NCYX: Tensor) -> Tensor:
        """Return the learned features; Y and X are multiples of 4."""
        fine = self.scale1(x_NCYX)
        half_seeds = self.scale2[0](fine)
        half = self.scale2[1:](half_seeds)
        quarter_seeds = self.scale3[0](half)
        quarter = self.scale3[1:](quarter_seeds)
        to_fine = self.cluster1(fine, half_seeds)
        to_half = self.cluster2(half, quarter_seeds)
        coarse = torch.cat((half, self.cluster2.decode(quarter, to_half)), dim=1)
        maps = (x_NCYX, fine, self.cluster1.decode(coarse, to_fine))
        features: Tensor = self.output_conv(maps)
        return features


class Hcssn(Ssn):
    """SSN with hierarchical clustering.

    Parameters
    ----------
    position, features
        As for `Ssn`.
    deformable
        Whether maps get coarser by deformable convolutions instead of max pooling.
    """

    def __init__(
        self, position: Position = "cell", features: int = FEATURES, *, deformable: bool = False
    ) -> None:
        self.deformable = deformable
        super().__init__("deep", position, features)

    @property
    def config(self) -> dict[str, Any]:
        """What makes a network of the same layers."""
        told = {"position": self.position, "features": self.features_a_pixel}
        return told | ({"deformable": True} if self.deformable else {})

    def make(self, inputs: int, outputs: int) -> DeepFeatures:
        """Make the network."""
        return ClusteredFeatures(inputs, outputs, deformable=self.deformable)
