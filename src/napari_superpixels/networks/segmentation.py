"""Semantic segmentation: a backbone, a head, and a class for every pixel.

Every head goes on every form of backbone. In the HC form (Suzuki, Implicit Integration of
Superpixel Segmentation into Fully Convolutional Networks, 2021) the prediction comes back to full
resolution by the clusters instead of by interpolation, and so does the auxiliary one, which
training reads from conv4_x (Zhao et al., Pyramid Scene Parsing Network, CVPR 2017).

The shape suffixes: N batch, C channels, Y X pixels.
"""

# ruff: noqa: N803 - names carry shape suffixes

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from napari_superpixels.errors import InputError
from napari_superpixels.networks.backbone import Backbone, BackboneSettings, Encoded
from napari_superpixels.networks.decoding import Decoding
from napari_superpixels.networks.deeplabv3 import DeepLabHead
from napari_superpixels.networks.dorn import DornHead
from napari_superpixels.networks.fcn import FcnHead, fcn_layers
from napari_superpixels.networks.fpn import FpnHead
from napari_superpixels.networks.heads import Head, initialise
from napari_superpixels.networks.pspnet import PspHead
from napari_superpixels.networks.reach import Reach

DecodingName = Literal["soft", "hard"]

HEADS: Mapping[str, Callable[[Sequence[int]], Head]] = MappingProxyType(
    {"fcn": FcnHead, "fpn": FpnHead, "pspnet": PspHead, "deeplabv3": DeepLabHead, "dorn": DornHead}
)
"""Heads by name."""

PUBLISHED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "FCN-32": {"head": "fcn", "form": "plain"},
        "AtrousFCN": {"head": "fcn", "form": "atrous"},
        "HCFCN-32": {"head": "fcn", "form": "hc"},
        "FPN": {"head": "fpn", "form": "plain"},
        "HCFPN": {"head": "fpn", "form": "hc"},
        "PSPNet": {"head": "pspnet", "form": "atrous"},
        "HCPSPNet": {"head": "pspnet", "form": "hc"},
        "DeepLabv3": {"head": "deeplabv3", "form": "atrous"},
        "HCDeepLabv3": {"head": "deeplabv3", "form": "hc"},
    }
)
"""The paper's networks (table 3): what each is made with."""

FEW = 0.01
"""Spread of the last layer's first weights: predictions begin near no preference."""
AUXILIARY = -2
"""The map that the auxiliary output reads: that of conv4_x."""


class Outputs(NamedTuple):
    """What training looks at."""

    logits: Tensor
    """(N, classes, Y, X)."""
    auxiliary: Tensor
    """Of the map of conv4_x, (N, classes, Y, X)."""


class SegmentationNetwork(nn.Module):
    """A network that gives logits of classes for every pixel.

    Weights are drawn from torch's generator: He's distribution but for the last layers.

    Parameters
    ----------
    head
        One of `HEADS`.
    classes
        Number of classes.
    **backbone
        Fields of `BackboneSettings`.

    Raises
    ------
    InputError
        If a name or a number is not one of those that are known.
    """

    def __init__(self, head: str = "fcn", *, classes: int = 2, **backbone: Any) -> None:
        super().__init__()
        self.settings = BackboneSettings(**backbone)
        self.head_name, self.classes = _known_head(head), _at_least_one(classes)
        self.backbone = Backbone(self.settings)
        self.head = HEADS[head](self.backbone.widths)
        self.classifier = _classifier(self.head.width, classes)
        watched = self.backbone.widths[AUXILIARY]
        self.auxiliary = nn.Sequential(*fcn_layers(watched), _classifier(watched // 4, classes))
        initialise(self.head)
        initialise(self.auxiliary[:-1])

    @property
    def config(self) -> dict[str, Any]:
        """What makes a network of the same layers."""
        return {"head": self.head_name, "classes": self.classes} | asdict(self.settings)

    @property
    def channels(self) -> int:
        """Channels of the image."""
        return self.settings.channels

    @property
    def align_px(self) -> int:
        """Images start at a multiple of so many pixels of the whole one, and have such sides."""
        return self.backbone.strides[-1]

    @property
    def reach(self) -> Reach:
        """How far a pixel's logits look, in pixels of the image."""
        encoded = self.backbone.reaches()
        return encoded.decoding.finer(self.head.reach(encoded))

    @property
    def halo_px(self) -> int:
        """Pixels around an aligned part on which its logits depend: whole steps of alignment."""
        farthest = max(self.reach.before, self.reach.after)
        return -(-farthest // self.align_px) * self.align_px

    @property
    def exact(self) -> bool:
        """Whether a part of an image with its halo is enough for the part's logits."""
        return not self.reach.pooled

    def forward(self, image_NCYX: Tensor, decoding: DecodingName = "soft") -> Tensor:
        """Return the logits, (N, classes, Y, X).

        Parameters
        ----------
        image_NCYX
            Y and X are multiples of `align_px`.
        decoding
            Whether pixels take mixtures of clusters' logits, or each those of its own.
        """
        encoded = self._encoded(image_NCYX, decoding)
        features, stride = self.head(encoded)
        return self._predicted(features, stride, encoded.decoding)

    def outputs(self, image_NCYX: Tensor) -> Outputs:
        """Return the logits and the auxiliary ones; the image as in `forward`."""
        encoded = self._encoded(image_NCYX, "soft")
        features, stride = self.head(encoded)
        auxiliary = self.auxiliary(encoded.maps[AUXILIARY])
        return Outputs(
            self._predicted(features, stride, encoded.decoding),
            encoded.decoding.finer(auxiliary, encoded.strides[AUXILIARY]),
        )

    def _encoded(self, image_NCYX: Tensor, decoding: DecodingName) -> Encoded:
        whole = all(size % self.align_px == 0 for size in image_NCYX.shape[-2:])
        assert whole, "the image is filled up to whole pixels of the last map"
        encoded: Encoded = self.backbone(image_NCYX)
        if decoding == "soft":
            return encoded
        return encoded._replace(decoding=encoded.decoding.hardened())

    def _predicted(self, features: Tensor, stride: int, decoding: Decoding) -> Tensor:
        """Predict at the features' resolution, and bring the prediction to full resolution."""
        return decoding.finer(self.classifier(features), stride)


def _known_head(name: str) -> str:
    if name not in HEADS:
        raise InputError(f"No head {name!r} of a network is known; take one of {', '.join(HEADS)}.")
    return name


def _at_least_one(classes: int) -> int:
    if classes < 1:
        raise InputError(f"A network cannot tell {classes} classes apart; give it at least 1.")
    return classes


def _classifier(inputs: int, classes: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, classes, 1)
    nn.init.normal_(layer.weight, std=FEW)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
