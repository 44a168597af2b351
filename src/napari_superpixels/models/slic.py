"""SLIC, the hard form: its settings."""

from dataclasses import dataclass
from typing import ClassVar

from napari_superpixels.kernels.features import Quanta
from napari_superpixels.kernels.slic import cluster
from napari_superpixels.models import clustering
from napari_superpixels.models.outputs import SUPERPIXELS, Output
from napari_superpixels.models.protocol import ImageFacts
from napari_superpixels.models.settings import setting
from napari_superpixels.models.statistics import Statistics

DEFAULT_COMPACTNESS = 12.5
"""Best of 8 to 14 in ASA, and best or within .002 in boundary recall, at 294 and 651 superpixels on
60 images of BSDS500's train part (`benchmarks/quality.py`); SSN's own scales are 9.6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slic:
    """SLIC (Achanta et al. 2012) restricted to the 9 cells around a pixel, in exact integers.

    Raises
    ------
    InputError
        If a setting cannot be used.
    """

    name: ClassVar[str] = "slic"
    revision: ClassVar[int] = 1
    align_cells: ClassVar[int] = 1
    fixed_windows: ClassVar[bool] = False
    integers: ClassVar[bool] = True
    output: ClassVar[Output] = SUPERPIXELS
    window_px: ClassVar[int] = 4096

    step: int = setting(16, clustering.STEP)
    """Size of a cell, in pixels."""
    compactness: float = setting(DEFAULT_COMPACTNESS, clustering.COMPACTNESS)
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
        return clustering.cluster_model(self, facts, statistics, _clusterer)


def _clusterer(_: Quanta) -> clustering.Clusterer:
    return cluster
