"""ResNet as the trunk of dense networks: torchvision's layers, any channels, plain or atrous.

He et al., Deep Residual Learning for Image Recognition, CVPR 2016; the layers, their names and how
they are initialised are torchvision's (whose bottlenecks have their stride in the 3 x 3
convolution), so its weights fit. Two things are done to them:

- *Atrous* (Chen et al., DeepLab; Yu and Koltun, Multi-Scale Context Aggregation by Dilated
  Convolutions): conv4_x and conv5_x keep the resolution of conv3_x, an eighth, and their
  convolutions look as far as before by dilation. At the pixels that the plain form has, it computes
  the same. torchvision has that for bottlenecks only; here for both kinds of blocks.
- *Deformable* (Suzuki, Implicit Integration of Superpixel Segmentation, 2021, appendix A): the
  3 x 3 convolutions of stride 2 become modulated deformable ones. The 7 x 7 one at the beginning
  and the 1 x 1 ones beside the blocks stay: the paper says "except for conv1", and its operation
  has 3 x 3 places.

The shape suffixes: N batch, C channels, Y X pixels of the image.
"""

# ruff: noqa: N803 - names carry shape suffixes

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, get_args

import torch
import torchvision
from torch import Tensor, nn

from napari_superpixels.errors import SourceError
from napari_superpixels.networks.deformable import DeformableDownsampling
from napari_superpixels.networks.reach import Reach

Name = Literal["resnet18", "resnet34", "resnet50", "resnet101"]
Sampling = Literal["block", "residual", "identity"]

NAMES: tuple[str, ...] = get_args(Name)
STEM = 64
"""Channels of the first map, at half the resolution."""
RGB = 3


class Stage(NamedTuple):
    """How one of conv2_x to conv5_x made a map coarser."""

    fine: Tensor
    """The map before."""
    seeds: Tensor
    """The map where it was made coarser."""
    map: Tensor
    """The stage's result."""


class StageReach(NamedTuple):
    """How far the maps of a `Stage` look."""

    fine: Reach
    seeds: Reach
    map: Reach


class Branches(NamedTuple):
    """The two terms of a block, B(x) = I(x) + R(x), before the last rectifier."""

    identity: Tensor
    """I(x)."""
    residual: Tensor
    """R(x)."""

    def chosen(self, sampling: Sampling) -> Tensor:
        """Return the term, or their sum, that gives the seeds of clusters."""
        if sampling == "block":
            return self.residual + self.identity
        seeds: Tensor = getattr(self, sampling)
        return seeds


class ResNet(nn.Module):
    """The layers of a ResNet up to its last map.

    Parameters
    ----------
    name
        One of `NAMES`.
    channels
        Channels of the image.
    atrous
        Whether conv4_x and conv5_x keep the resolution of conv3_x.
    deformable
        Whether the strided 3 x 3 convolutions are deformable.
    """

    def __init__(
        self, name: str, channels: int = RGB, *, atrous: bool = False, deformable: bool = False
    ) -> None:
        super().__init__()
        made = getattr(torchvision.models, name)(weights=None)
        self.name = name
        self.conv1: nn.Conv2d = made.conv1 if channels == RGB else _first(channels)
        self.bn1, self.relu, self.maxpool = made.bn1, made.relu, made.maxpool
        self.layer1, self.layer2 = made.layer1, made.layer2
        self.layer3, self.layer4 = made.layer3, made.layer4
        if atrous:
            _dilate(self.layer3, 1, 2)
            _dilate(self.layer4, 2, 4)
        if deformable:
            for block in (self.layer2[0], self.layer3[0], self.layer4[0]):
                _deform(block)

    @property
    def layers(self) -> list[nn.Sequential]:
        """The blocks of conv2_x to conv5_x."""
        return [self.layer1, self.layer2, self.layer3, self.layer4]

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the maps of conv2_x to conv5_x."""
        expansion = int(self.layer1[0].expansion)
        return tuple(STEM * 2**stage * expansion for stage in range(4))

    def stages(self, image_NCYX: Tensor, sampling: Sampling = "block") -> Iterator[Stage]:
        """Yield conv2_x to conv5_x.

        Parameters
        ----------
        image_NCYX
            Y and X are multiples of the last stage's stride.
        sampling
            Which branch of the block that makes a map coarser gives the seeds; before conv2_x it is
            the pooling.
        """
        fine = self.relu(self.bn1(self.conv1(image_NCYX)))
        pooled = self.maxpool(fine)
        yield Stage(fine, pooled, fine := self.layer1(pooled))
        for layer in self.layers[1:]:
            branches = _branches(layer[0], fine)
            coarse = torch.relu(branches.chosen("block"))
            result = layer[1:](coarse)
            yield Stage(fine, branches.chosen(sampling), result)
            fine = result

    def forward(self, image_NCYX: Tensor) -> list[Tensor]:
        """Return the maps of conv2_x to conv5_x; the image as for `stages`."""
        return [stage.map for stage in self.stages(image_NCYX)]

    def reaches(self) -> list[StageReach]:
        """Return how far the maps of `stages` look, whichever branch gives the seeds."""
        fine = Reach().through(self.conv1)
        seeds = fine.through(self.maxpool)
        found = [StageReach(fine, seeds, _blocks_reach(self.layer1, seeds))]
        for layer in self.layers[1:]:
            fine = found[-1].map
            seeds = _block_reach(layer[0], fine)
            found.append(StageReach(fine, seeds, _blocks_reach(layer[1:], seeds)))
        return found


def load_imagenet(network: ResNet) -> None:
    """Give a trunk the weights that torchvision offers, trained on ImageNet; fetched if need be.

    Each channel of an image that has other than three begins with the mean over red, green and
    blue, scaled so that the sum over channels stays. Numbers that torchvision's layers do not have,
    the moves of deformable convolutions, stay as they are.

    Parameters
    ----------
    network
        The trunk, changed in place.

    Raises
    ------
    SourceError
        If the weights are not in torch's folder of fetched files and cannot be fetched.
    """
    weights = torchvision.models.get_model_weights(network.name).IMAGENET1K_V1
    try:
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except OSError as error:
        raise SourceError(
            f"The ImageNet weights of {network.name} cannot be fetched ({error}); go online once, "
            f"or begin without them."
        ) from error
    known = {name: value for name, value in state.items() if not name.startswith("fc.")}
    channels = network.conv1.in_channels
    if channels != RGB:
        mean = known["conv1.weight"].mean(dim=1, keepdim=True)
        known["conv1.weight"] = mean.expand(-1, channels, -1, -1) * (RGB / channels)
    lacking = network.load_state_dict(known, strict=False)
    assert not lacking.unexpected_keys, "torchvision's layers have torchvision's names"


def _first(channels: int) -> nn.Conv2d:
    """Make the first convolution for other than three channels, initialised as torchvision does."""
    made = nn.Conv2d(channels, STEM, 7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(made.weight, mode="fan_out", nonlinearity="relu")
    return made


def _convolutions(block: Any) -> list[tuple[str, Any]]:
    """Return the convolutions of a block in order, by name."""
    names = ("conv1", "conv2", "conv3")
    return [(name, getattr(block, name)) for name in names if hasattr(block, name)]


def _dilate(layer: nn.Sequential, before: int, after: int) -> None:
    """Take the stride out of a stage; what comes after it is dilated twice as much."""
    blocks: list[Any] = list(layer)
    for block in blocks:
        for _, convolution in _convolutions(block):
            if convolution.kernel_size == (3, 3):
                rate = before if convolution.stride == (2, 2) else after
                convolution.stride = (1, 1)
                convolution.dilation = convolution.padding = (rate, rate)
        if block.downsample is not None:
            block.downsample[0].stride = (1, 1)


def _deform(block: Any) -> None:
    """Make the strided 3 x 3 convolution of a block deformable, if it has one."""
    for name, each in _convolutions(block):
        if each.kernel_size == (3, 3) and each.stride == (2, 2):
            setattr(block, name, DeformableDownsampling(each.in_channels, each.out_channels))


def _branches(block: Any, x_NCYX: Tensor) -> Branches:
    """Compute both terms of a block."""
    residual = x_NCYX
    convolutions = _convolutions(block)
    for number, (_, convolution) in enumerate(convolutions, start=1):
        residual = getattr(block, f"bn{number}")(convolution(residual))
        if number < len(convolutions):
            residual = block.relu(residual)
    identity = x_NCYX if block.downsample is None else block.downsample(x_NCYX)
    return Branches(identity, residual)


def _blocks_reach(blocks: Iterable[Any], reach: Reach) -> Reach:
    for block in blocks:
        reach = _block_reach(block, reach)
    return reach


def _block_reach(block: Any, reach: Reach) -> Reach:
    residual = reach
    for _, convolution in _convolutions(block):
        residual = residual.through(convolution)
    return (
        residual if block.downsample is None else residual.joined(reach.through(block.downsample))
    )
