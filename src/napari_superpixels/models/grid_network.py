"""The methods whose network gives the association itself: SCN, AINet, PCNet.

A window is one pass through the network, so all windows have one shape; at the image's end they are
shifted, and only the image is filled up, once, to the network's alignment.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.kernels.connectivity import HALO_CELLS
from napari_superpixels.kernels.connectivity import bytes_for as connectivity_bytes
from napari_superpixels.models import clustering, learned
from napari_superpixels.models.compute import ON_PROCESSOR, Compute
from napari_superpixels.models.outputs import SUPERPIXELS, Output
from napari_superpixels.models.protocol import Codes, ImageFacts, Tile
from napari_superpixels.models.settings import filled_in, setting
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.models.weights import Weights

if TYPE_CHECKING:
    from torch import Tensor

    from napari_superpixels.networks.grid import GridNetwork

CELL = 16
"""Size of a cell of the networks, in pixels, as they say it; to ask them would import torch."""
WINDOW_PX = 1024
"""Edge of a window, in pixels of the image or of the network's lattice, whichever are smaller."""
LOGIT_BYTES = 9 * 4
"""Of a pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridMethod:
    """Settings of the grid networks."""

    name: ClassVar[str]
    revision: ClassVar[int] = 2
    align_cells: ClassVar[int] = 1
    fixed_windows: ClassVar[bool] = True
    integers: ClassVar[bool] = False
    output: ClassVar[Output] = SUPERPIXELS
    reach_px: ClassVar[int]
    """Pixels of the network's lattice, around a pixel's own cell, on which its logits depend."""
    pixel_bytes: ClassVar[int]
    """Memory of the network for a pixel of its lattice, measured, with a quarter more."""

    step: int = setting(16, clustering.STEP)
    """Size of a cell, in pixels; the network's own is 16, others are resampled to it."""
    weights: str = setting("", learned.WEIGHTS)
    """Name of weights, shipped or the user's own, or a ``.safetensors`` file; by default those of
    the method."""
    digest: str = filled_in("")
    """SHA-256 of the weights; filled in, so that it is part of a plan."""
    config: tuple[tuple[str, Any], ...] = filled_in(())
    """Parameters of the network; filled in likewise."""

    def __post_init__(self) -> None:
        learned.settle(self)

    @property
    def window_px(self) -> int:
        """Edge of a window of a run: no more than `WINDOW_PX` of the image and of the lattice."""
        return min(WINDOW_PX, WINDOW_PX // CELL * self.step)

    @property
    def halo_cells(self) -> int:
        """Cells around a core on which its labels depend: the network, then connectivity."""
        return self.network_halo + HALO_CELLS

    @property
    def network_halo(self) -> int:
        """Cells around its own on which a pixel's logits depend, resampling counted."""
        # A resampled pixel reads those whose middle is less than `filter_px` away.
        filter_px = max(CELL / self.step, 1)
        return ceil((self.reach() - 0.5 + filter_px - CELL / self.step / 2) / CELL)

    def reach(self) -> int:
        """Return `reach_px`, or what the weights' own variant has."""
        return self.reach_px

    def needs_statistics(self, facts: ImageFacts) -> bool:
        """Whether whole-image statistics must be measured first: not for 8-bit RGB."""
        return clustering.needs_statistics(facts)

    def needs_projection(self, facts: ImageFacts) -> bool:
        """Whether the image's channels must be projected to the network's."""
        return learned.needs_projection(self.config, facts)

    def model(self, facts: ImageFacts, statistics: Statistics | None) -> "GridModel":
        """Make the callable that the engine runs.

        Raises
        ------
        InputError
            If the samples are no real numbers, or the weights take other channels.
        """
        weights = learned.weights_of(self)
        channels = weights.config.get("channels", learned.RGB)
        samples = learned.Samples.of(self.name, facts, statistics, channels)
        return GridModel(weights, samples, self.align_cells, self.pixel_bytes, self.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scn(GridMethod):
    """The fully convolutional superpixel network (Yang et al. 2020).

    Raises
    ------
    InputError
        If a setting cannot be used, or there are no such weights.
    """

    name: ClassVar[str] = "scn"
    reach_px: ClassVar[int] = 79
    pixel_bytes: ClassVar[int] = 560


@dataclass(frozen=True, slots=True, kw_only=True)
class Ainet(GridMethod):
    """The association implantation network (Wang et al. 2021).

    Raises
    ------
    InputError
        If a setting cannot be used, or there are no such weights.
    """

    name: ClassVar[str] = "ainet"
    reach_px: ClassVar[int] = 111
    attention_px: ClassVar[int] = 80
    """What two blocks of attention reach beyond that."""
    pixel_bytes: ClassVar[int] = 720

    def reach(self) -> int:
        """Return `reach_px`, and `attention_px` for weights with attention."""
        attention = dict(self.config).get("attention", False)
        return self.reach_px + self.attention_px * bool(attention)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pcnet(GridMethod):
    """The patch calibration network (Wang et al. 2022): sees every fourth row and column.

    Raises
    ------
    InputError
        If a setting cannot be used, or there are no such weights.
    """

    name: ClassVar[str] = "pcnet"
    align_cells: ClassVar[int] = 4
    reach_px: ClassVar[int] = 364
    pixel_bytes: ClassVar[int] = 260


class Associating(Protocol):
    """A network that associates pixels with the cells around them."""

    def associate(
        self, image: "Tensor", step: tuple[int, int], populated: "Tensor | None", /
    ) -> "Tensor":
        """See `networks.grid.GridNetwork`."""
        ...


@dataclass(frozen=True, slots=True)
class GridModel:
    """A grid network, made ready for one image."""

    weights: Weights
    """The network and its weights."""
    samples: learned.Samples
    """How samples become what the network takes."""
    align_cells: int
    """Windows are filled up to a multiple of this."""
    pixel_bytes: int
    """Memory of the network for a pixel of its lattice."""
    step: int
    """Size of a cell, in pixels."""
    compute: Compute = ON_PROCESSOR
    """Where, and how exactly."""

    def __call__(self, tile: Tile, *, threads: int = 1, pulse: Callable[[], None]) -> Codes:
        """Assign the pixels of the wanted cells; see `models.protocol.Model`."""
        shape = (tile.pixels.shape[1], tile.pixels.shape[2])
        with learned.held(self.compute, self.held_bytes_for(shape)):
            return self._assign(tile, threads, pulse)

    def _assign(self, tile: Tile, threads: int, pulse: Callable[[], None]) -> Codes:
        pulse()
        valid = clustering.valid_of(tile.pixels, tile.valid)
        near = learned.near_box(tile)
        place = tuple(
            slice(side.start * s, side.stop * s) for side, s in zip(near, tile.step, strict=True)
        )

        def infer() -> tuple[Codes, "Tensor"]:
            logits = self.associate(tile, valid, pulse)[:, *place].contiguous()
            return learned.codes_of(logits), logits

        shape = (tile.pixels.shape[1], tile.pixels.shape[2])
        found = learned.on_device(self.compute, tile, self.device_bytes_for(shape), infer)
        return learned.connected(tile, near, found, valid, threads=threads, pulse=pulse)

    def logits(
        self, tile: Tile, valid: NDArray[np.bool_] | None, pulse: Callable[[], None]
    ) -> NDArray[np.float32]:
        """Return the association logits of a tile, shape (9, Y, X); -inf for no candidate."""
        found: NDArray[np.float32] = self.associate(tile, valid, pulse).float().cpu().numpy()
        return found

    def associate(
        self, tile: Tile, valid: NDArray[np.bool_] | None, pulse: Callable[[], None]
    ) -> "Tensor":
        """Return the same where it was computed."""
        import torch

        from napari_superpixels.models.card import to_device

        device, network = self.compute.where, self.network()
        pixels = self.samples(tile.pixels, valid)
        with learned.inferring(self.compute, pulse):
            image = self.normalised(to_device(pixels, device)[None])
            populated = None
            if valid is not None:
                image *= to_device(valid, device)
                cells = learned.populated_cells(valid, tile.step)
                populated = to_device(cells, device)[None].to(torch.bool)
            return network.associate(image, tile.step, populated)[0]

    def network(self) -> "Associating":
        """Return the network where it computes."""
        return cast("GridNetwork", learned.load_on(self.weights, self.compute))

    def normalised(self, image: "Tensor") -> "Tensor":
        """Return samples of 0 to 1, (N, C, Y, X), as the network takes them."""
        from napari_superpixels.networks.grid import normalise

        return normalise(image)

    def on(self, compute: Compute) -> Self:
        """Return the same model, computing there; see `models.compute.Movable`."""
        return replace(self, compute=compute)

    def device_bytes_for(self, shape: tuple[int, int]) -> int:
        """Return an upper bound of the device's memory for a tile of that shape, in bytes."""
        return self._network_bytes(shape)

    def held_bytes_for(self, shape: tuple[int, int]) -> int:
        """Return what the logits take, on which connectivity looks up pixels, in bytes."""
        return shape[0] * shape[1] * LOGIT_BYTES

    def prepare(self) -> None:
        """Load the network; see `models.protocol.Model`."""
        learned.load_on(self.weights, self.compute)

    def bytes_for(self, shape: tuple[int, int]) -> int:
        """Return an upper bound of the memory used for a tile of that shape, in bytes."""
        step = (self.step, self.step)
        image = shape[0] * shape[1] * (2 * 4 * self.samples.channels + 2)
        connectivity = connectivity_bytes(shape, step, threads=clustering.MOST_THREADS)
        return self._network_bytes(shape) + image + connectivity

    def _network_bytes(self, shape: tuple[int, int]) -> int:
        """Return what the network and its logits take."""
        block = self.step * self.align_cells
        height, width = (-(-n // block) * block for n in shape)
        lattice = height * width * CELL**2 // self.step**2
        return lattice * self.pixel_bytes + shape[0] * shape[1] * 4 * LOGIT_BYTES
