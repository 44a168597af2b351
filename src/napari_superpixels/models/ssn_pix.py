"""SSN on pixel features: soft SLIC without a network, its settings.

Jampani et al., Superpixel Sampling Networks, ECCV 2018, there SSN_pix. Nothing is learned and
inference runs in integers (`kernels.soft`), without torch; training a network in front of it takes
the differentiable operator, `networks.association`.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from napari_superpixels.kernels.features import Quanta
from napari_superpixels.kernels.soft import soft_cluster
from napari_superpixels.models import clustering
from napari_superpixels.models.outputs import SUPERPIXELS, Output
from napari_superpixels.models.protocol import ImageFacts
from napari_superpixels.models.settings import setting
from napari_superpixels.models.statistics import Statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class SsnPix:
    """Soft SLIC (Jampani et al. 2018, SSN_pix): every pixel moves all its 9 candidate centres.

    Raises
    ------
    InputError
        If a setting cannot be used.
    """

    name: ClassVar[str] = "ssn_pix"
    revision: ClassVar[int] = 1
    align_cells: ClassVar[int] = 1
    fixed_windows: ClassVar[bool] = False
    integers: ClassVar[bool] = True
    output: ClassVar[Output] = SUPERPIXELS
    window_px: ClassVar[int] = 4096

    step: int = setting(16, clustering.STEP)
    """Size of a cell, in pixels."""
    compactness: float = setting(clustering.SSN_COMPACTNESS, clustering.COMPACTNESS)
    """Distance in colour that weighs as much as one cell of distance, in Lab units."""
    iterations: int = setting(10, clustering.ITERATIONS)
    """Number of associations (one fewer updates of the centres lie between them)."""

    def __post_init__(self) -> None:
        clustering.check(self)
        clustering.settle(self)

    @property
    def halo_cells(self) -> int:
        """Cells around a core on which its labels depend."""
        return clustering.halo_cells(self.iterations)

    def needs_statistics(self, facts: ImageFacts) -> bool:
        """Whether whole-image statistics must be measured first: not for 8-bit RGB."""
        return clustering.needs_statistics(facts)

    def needs_projection(self, _facts: ImageFacts) -> bool:
        """Whether channels must be projected to fewer: all are used."""
        return False

    def model(self, facts: ImageFacts, statistics: Statistics | None) -> clustering.ClusterModel:
        """Make the callable that the engine runs.

        Raises
        ------
        InputError
            If the samples are no real numbers.
        """
        return clustering.cluster_model(self, facts, statistics, _clusterer, soft=True)


def _clusterer(quanta: Quanta) -> clustering.Clusterer:
    return partial(soft_cluster, color=quanta.color)
