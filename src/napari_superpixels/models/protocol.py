"""What a method is to the engine: settings that declare their reach, and a model.

A `Method` is a frozen dataclass of settings. Before any pixel is read it says how many cells of
halo it needs, whether it needs whole-image statistics, and what it gives (`models.outputs`). Given
those it makes a `Model`: a small picklable callable that turns one `Tile` into an assignment, one
byte a pixel, or into whatever else its output is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.models.outputs import Output
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.tiling import Box

NODATA_CODE = 255
"""The assignment of a pixel without data."""

Codes = NDArray[np.uint8]
"""An assignment: per pixel, which of the 9 cells around its own (``3 * (dr + 1) + (dc + 1)``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What a method may know of an image before any pixel is read."""

    channels: int
    """Number of channels, without alpha."""
    dtype: np.dtype[Any]
    """Type of the samples."""
    rgb: bool
    """Whether the three channels are red, green and blue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The pixels of one window, and what is wanted of them."""

    pixels: NDArray[Any]
    """Samples, shape (C, Y, X); any strides."""
    valid: NDArray[np.bool_] | None
    """Which pixels hold data, shape (Y, X); None where all do."""
    step: tuple[int, int]
    """Size of a cell along y and x, in pixels; the tile starts at a cell's corner."""
    cut: tuple[tuple[bool, bool], tuple[bool, bool]]
    """For y and x: whether the tile's start and stop cut the image (else they are its edge)."""
    wanted: Box
    """The cells whose assignment is asked for, counted from the tile's first cell."""


class Model(Protocol):
    """A method made ready for one image; picklable, and free to be called from any thread."""

    def __call__(self, tile: Tile, *, threads: int = 1, pulse: Callable[[], None]) -> NDArray[Any]:
        """Find the values of the wanted cells.

        Parameters
        ----------
        tile
            The pixels to work on.
        threads
            How many threads may be used; never changes the result.
        pulse
            Called a few times a second; raises when the work was cancelled.

        Returns
        -------
        ndarray, shape of the wanted cells in pixels, channels first where there are some
            What the method's output takes: of superpixels connected codes, uint8, `NODATA_CODE`
            where there is no data.
        """
        ...

    def prepare(self) -> None:
        """Load what every tile needs, so that what is broken is told before any is computed."""
        ...

    def bytes_for(self, shape: tuple[int, int]) -> int:
        """Return an upper bound of the memory used for a tile of that shape, in bytes.

        The tile's own pixels and what is returned are not counted.
        """
        ...


class Method(Protocol):
    """Settings of a method, as class data and a few numbers."""

    name: ClassVar[str]
    """What the user calls it."""
    revision: ClassVar[int]
    """Raised whenever the labels change for equal settings."""
    integers: ClassVar[bool]
    """Whether its labels are the same bits on every device; there is one precision then."""

    @property
    def step(self) -> int:
        """Size of a cell, in pixels."""
        ...

    @property
    def fixed_windows(self) -> bool:
        """Whether all tiles must have one shape."""
        ...

    @property
    def output(self) -> Output:
        """What its values mean."""
        ...

    @property
    def window_px(self) -> int:
        """Edge of a window of a run, where nobody asks for another: large where a halo is dear."""
        ...

    @property
    def align_cells(self) -> int:
        """Tiles start at a multiple of this."""
        ...

    @property
    def halo_cells(self) -> int:
        """Cells around a core on which its labels depend."""
        ...

    def needs_statistics(self, facts: ImageFacts) -> bool:
        """Whether whole-image statistics must be measured first."""
        ...

    def needs_projection(self, facts: ImageFacts) -> bool:
        """Whether the statistics must tell how the image's channels become three."""
        ...

    def model(self, facts: ImageFacts, statistics: Statistics | None) -> Model:
        """Make the callable that the engine runs."""
        ...
