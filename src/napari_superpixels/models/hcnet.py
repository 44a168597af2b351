"""The superpixels inside a segmentation network of the HC form: its settings.

Where such a network makes maps coarser it clusters pixels (`networks.clusters`), so whoever has
trained one to find classes has superpixels too, of one size for each stage that was watched. Only
its backbone runs, which is convolutional, so they are exact under heads that are not.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from napari_superpixels.errors import InputError
from napari_superpixels.kernels.connectivity import HALO_CELLS
from napari_superpixels.models import clustering, learned
from napari_superpixels.models.grid_network import LOGIT_BYTES, Associating, GridModel
from napari_superpixels.models.outputs import SUPERPIXELS, Output
from napari_superpixels.models.protocol import ImageFacts
from napari_superpixels.models.safetensors import SUFFIX
from napari_superpixels.models.settings import About, filled_in, setting
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.models.trained import (
    BESIDE,
    NETWORK,
    RECIPE,
    Trained,
    found_weights,
    samples_of,
    trained_of,
)
from napari_superpixels.models.weights import Weights, path_of

if TYPE_CHECKING:
    from torch import Tensor

    from napari_superpixels.networks.backbone import Backbone

STEP = About(
    text="Size of a cell: one of the strides at which the network clusters, 16 or 32 as it is "
    "usually trained.",
    unit="px",
    low=4,
    high=32,
)
WEIGHTS = About(
    text="A file of trained weights of an HC network with its card beside it, or the name of "
    "weights of yours.",
    suffixes=(SUFFIX,),
    empty="none",
    decides=False,
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the layers that lead to one stride decide."""

    reach_px: int
    """Pixels around a pixel's own cell on which its logits depend."""
    pixel_bytes: float
    """Memory for a pixel that they see, with what their operations need beside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hcnet:
    """The clusters of an HC segmentation network (Suzuki 2021): HCFCN, HCFPN and the others.

    Raises
    ------
    InputError
        If a setting cannot be used, there are no such weights, or they have no such clusters.
    """

    name: ClassVar[str] = "hcnet"
    revision: ClassVar[int] = 1
    align_cells: ClassVar[int] = 1
    fixed_windows: ClassVar[bool] = True
    integers: ClassVar[bool] = False
    output: ClassVar[Output] = SUPERPIXELS
    window_px: ClassVar[int] = 1024
    network: ClassVar[str] = NETWORK

    step: int = setting(16, STEP)
    """Size of a cell, in pixels: a stride at which the network clusters."""
    weights: str = setting("", WEIGHTS)
    """A ``.safetensors`` file with its card beside it, or the name of weights of the user's own."""
    digest: str = filled_in("")
    """SHA-256 of the weights; filled in, so that it is part of a plan."""
    config: str = filled_in("")
    """What the weights' card tells, as JSON; filled in likewise."""

    def __post_init__(self) -> None:
        clustering.check_step(self.step)
        found = found_weights(self.weights, self.name)
        learned.check_digest(self.weights, self.digest, found.digest)
        if self.weights.endswith(SUFFIX):
            object.__setattr__(self, "weights", found.path)
        filled = {"step": int(self.step), "digest": found.digest, "config": found.text}
        for field, value in filled.items():
            object.__setattr__(self, field, value)
        strides = _strides(self.trained)
        if self.step not in strides:
            raise InputError(
                f"step is {self.step}, but the network {self.trained.name!r} clusters at "
                f"{_listed(strides)} px; give e.g. step={strides[0]}."
            )

    @property
    def trained(self) -> Trained:
        """What the weights' card tells."""
        return trained_of(self.config, self.weights)

    @property
    def facts(self) -> Facts:
        """What the network's layers decide; imports torch."""
        return _facts_of(self.config, self.step)

    @property
    def halo_cells(self) -> int:
        """Cells around a core on which its labels depend: the network, then connectivity."""
        return self.network_halo + HALO_CELLS

    @property
    def network_halo(self) -> int:
        """Cells around its own on which a pixel's logits depend."""
        return -(-self.facts.reach_px // self.step)

    def needs_statistics(self, facts: ImageFacts) -> bool:
        """Whether whole-image statistics must be measured first: not for 8-bit RGB."""
        return clustering.needs_statistics(facts)

    def needs_projection(self, _facts: ImageFacts) -> bool:
        """Whether channels must be projected to fewer: a network takes those that it knows."""
        return False

    def model(self, facts: ImageFacts, statistics: Statistics | None) -> "ClustersModel":
        """Make the callable that the engine runs.

        Raises
        ------
        InputError
            If the samples are no real numbers, or the weights take other channels.
        """
        trained = self.trained
        path = str(path_of(self.weights, RECIPE))
        return ClustersModel(
            weights=Weights(path, NETWORK, self.config, self.digest),
            samples=samples_of(trained, self, facts, statistics),
            align_cells=self.align_cells,
            pixel_bytes=int(self.facts.pixel_bytes),
            step=self.step,
            trained=trained,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClustersModel(GridModel):
    """The backbone of an HC network, made ready for one image."""

    trained: Trained
    """What the weights' card tells."""

    def network(self) -> Associating:
        """Return what clusters, where it computes."""
        from napari_superpixels.networks.clusters import Clusters
        from napari_superpixels.networks.segmentation import SegmentationNetwork

        network = learned.load_on(self.weights, self.compute)
        assert isinstance(network, SegmentationNetwork), "no other has that name"
        return Clusters(network.backbone, self.step).eval()

    def normalised(self, image: "Tensor") -> "Tensor":
        """Return samples of 0 to 1, (N, C, Y, X), as the network was trained on."""
        from napari_superpixels.networks.normalisation import Normalisation

        return Normalisation(self.trained.mean, self.trained.std)(image)

    def _network_bytes(self, shape: tuple[int, int]) -> int:
        """Return what the network and its logits take."""
        height, width = (-(-n // self.step) * self.step for n in shape)
        return height * width * self.pixel_bytes + shape[0] * shape[1] * 4 * LOGIT_BYTES


def strides_of(weights: str) -> tuple[int, ...]:
    """Return the strides at which the network of some weights clusters, the finest first.

    Raises
    ------
    InputError
        If there are no such weights, or they have no clusters.
    """
    return _strides(trained_of(found_weights(weights, Hcnet.name).text, weights))


def _strides(trained: Trained) -> tuple[int, ...]:
    strides = _backbone_of(trained.text).clustered
    if not strides:
        raise InputError(
            f"The network {trained.name!r} has no clusters; give weights of an HC network, such as "
            f"'napari-superpixels train {RECIPE}' writes."
        )
    return strides


def _listed(strides: tuple[int, ...]) -> str:
    *others, last = map(str, strides)
    return f"{', '.join(others)} and {last}" if others else last


@lru_cache(maxsize=64)
def _backbone_of(text: str) -> "Backbone":
    """Return the backbone that a card describes; no numbers are made for it."""
    from napari_superpixels.networks.footprint import without_numbers

    return without_numbers(lambda: _made(text))


def _made(text: str) -> "Backbone":
    import json

    from napari_superpixels.networks.backbone import Backbone, BackboneSettings

    return Backbone(BackboneSettings(**json.loads(text)["backbone"]))


@lru_cache(maxsize=64)
def _facts_of(text: str, stride: int) -> Facts:
    from napari_superpixels.networks.clusters import Clusters
    from napari_superpixels.networks.footprint import bytes_per_pixel

    whole = Clusters(_backbone_of(text), stride)
    counted = bytes_per_pixel(lambda: Clusters(_made(text), stride), whole.channels)
    return Facts(whole.reach_px, BESIDE * counted)
