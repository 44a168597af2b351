"""The backbone of dense networks: plain, atrous, or with hierarchical clustering (HC).

Suzuki, Implicit Integration of Superpixel Segmentation into Fully Convolutional Networks, 2021,
sections 3.2 and 4.1. The HC backbone is a plain ResNet whose last `level` stages are watched: how
each made its map coarser is kept as a soft assignment, by which what heads say comes back to finer
pixels. Level 1 watches conv5_x, level 4 all of conv2_x to conv5_x; the first convolution never is.

The seeds of the clusters come from the block that makes the map coarser, B(x) = I(x) + R(x): from
all of it, its residual or its identity, each before the rectifier. Before conv2_x, where a pooling
does it, they are what was pooled.
"""

# ruff: noqa: N803 - names carry shape suffixes

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from torch import Tensor, nn

from napari_superpixels.errors import InputError
from napari_superpixels.networks import resnet
from napari_superpixels.networks.decoding import Decoding, DecodingReach
from napari_superpixels.networks.reach import Reach
from napari_superpixels.networks.resnet import STEM, ResNet, Sampling, Stage
from napari_superpixels.networks.soft_clustering import SoftClustering

Form = Literal["plain", "atrous", "hc"]
Downsampling = Literal["strided", "deformable"]

STAGES = 4
"""conv2_x to conv5_x."""
PLAIN_STRIDES = (4, 8, 16, 32)
ATROUS_STRIDES = (4, 8, 8, 8)
CHOICES: dict[str, Sequence[object]] = {
    "backbone": resnet.NAMES,
    "form": get_args(Form),
    "level": range(STAGES + 1),
    "sampling": get_args(Sampling),
    "downsampling": get_args(Downsampling),
}
"""What each setting may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneSettings:
    """What a backbone is made of."""

    backbone: resnet.Name = "resnet18"
    """Which ResNet."""
    channels: int = 3
    """Channels of the image."""
    form: Form = "hc"
    """Whether resolution is lost, kept to an eighth by dilation, or lost and kept in clusters."""
    level: int = 2
    """Of the HC form: how many stages are watched, 0 to 4."""
    sampling: Sampling = "block"
    """Of the HC form: which branch gives the seeds."""
    downsampling: Downsampling = "strided"
    """How maps get coarser; the paper prefers deformable convolutions and allows both."""

    def __post_init__(self) -> None:
        """Refuse what cannot be made."""
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                known = ", ".join(map(str, choices))
                raise InputError(f"No {name} {value!r} of a network is known; take one of {known}.")
        if self.channels < 1:
            raise InputError(
                f"A network of {self.channels} channels sees nothing; give it at least 1."
            )

    @property
    def watched(self) -> int:
        """Number of stages whose coarsening is kept."""
        return self.level if self.form == "hc" else 0


class Encoded(NamedTuple):
    """What heads work on."""

    maps: list[Tensor]
    """Of conv2_x to conv5_x."""
    strides: tuple[int, ...]
    """Of their pixels, in pixels of the image."""
    decoding: Decoding
    """How values come back to finer pixels."""


class EncodedReach(NamedTuple):
    """How far all that looks."""

    maps: list[Reach]
    decoding: DecodingReach


class Backbone(nn.Module):
    """A ResNet, and the soft clustering of the stages that are watched.

    Parameters
    ----------
    settings
        What it is made of.
    """

    def __init__(self, settings: BackboneSettings) -> None:
        super().__init__()
        self.settings = settings
        self.trunk = ResNet(
            settings.backbone,
            settings.channels,
            atrous=settings.form == "atrous",
            deformable=settings.downsampling == "deformable",
        )
        self.clusterings = nn.ModuleDict(
            {str(self._fine_stride(stage)): self._clustering(stage) for stage in self._watched()}
        )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the maps."""
        return self.trunk.widths

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the maps, in pixels of the image."""
        return ATROUS_STRIDES if self.settings.form == "atrous" else PLAIN_STRIDES

    @property
    def clustered(self) -> tuple[int, ...]:
        """Strides of the maps that clusters lead to, in pixels of the image."""
        return tuple(PLAIN_STRIDES[stage] for stage in self._watched())

    def _watched(self) -> range:
        return range(STAGES - self.settings.watched, STAGES)

    @staticmethod
    def _fine_stride(stage: int) -> int:
        return PLAIN_STRIDES[stage] // 2

    def _clustering(self, stage: int) -> SoftClustering:
        """Make the clustering of a stage; before the first one, a pooling keeps the channels."""
        if stage == 0:
            return SoftClustering(STEM, STEM)
        return SoftClustering(self.widths[stage - 1], self.widths[stage])

    def forward(self, image_NCYX: Tensor) -> Encoded:
        """Return the maps and the assignments.

        Parameters
        ----------
        image_NCYX
            Y and X are multiples of the last stride.
        """
        maps, logits = [], {}
        for stage, staged in enumerate(self._stages(image_NCYX)):
            maps.append(staged.map)
            if stage in self._watched():
                logits[self._fine_stride(stage)] = self._assigned(stage, staged)
        return Encoded(maps, self.strides, Decoding(logits))

    def assignments(self, image_NCYX: Tensor, stride: int) -> dict[int, Tensor]:
        """Return the logits of the assignments that lead to a map, as `Decoding` has them.

        Parameters
        ----------
        image_NCYX
            Y and X are multiples of the stride: nothing coarser is computed.
        stride
            Of the map, one of `clustered`.
        """
        last = PLAIN_STRIDES.index(stride)
        return {
            self._fine_stride(stage): self._assigned(stage, staged)
            for stage, staged in zip(range(last + 1), self._stages(image_NCYX), strict=False)
            if stage in self._watched()
        }

    def _stages(self, image_NCYX: Tensor) -> Iterator[Stage]:
        return self.trunk.stages(image_NCYX, self.settings.sampling)

    def _assigned(self, stage: int, staged: Stage) -> Tensor:
        """Return the logits of how a stage made a map coarser."""
        clustering = self.clusterings[str(self._fine_stride(stage))]
        assert isinstance(clustering, SoftClustering), "made above"
        return clustering.logits(staged.fine, staged.seeds)

    def reaches(self) -> EncodedReach:
        """Return how far the maps and the assignments look."""
        stages = self.trunk.reaches()
        watched = {
            self._fine_stride(stage): stages[stage].fine.joined(stages[stage].seeds.neighboured())
            for stage in self._watched()
        }
        return EncodedReach([each.map for each in stages], DecodingReach(watched))
