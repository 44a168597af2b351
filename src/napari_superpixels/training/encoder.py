"""What the user wants otherwise of the ResNet of a segmentation network.

>>> from napari_superpixels.training.encoder import Encoder
>>> Encoder(backbone="resnet34", level=4).wanted
{'backbone': 'resnet34', 'level': 4}
"""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Encoder:
    """Some fields of `networks.backbone.BackboneSettings`; None leaves them to the recipe."""

    backbone: str | None = None
    """Which ResNet."""
    level: int | None = None
    """How many stages are clustered."""
    sampling: str | None = None
    """Which branch of a block gives the seeds of clusters."""
    downsampling: str | None = None
    """How maps get coarser."""

    @property
    def wanted(self) -> dict[str, Any]:
        """Return what is not left to the recipe."""
        return {name: value for name, value in asdict(self).items() if value is not None}


AS_IT_IS = Encoder()
"""Leaves all to the recipe."""
