"""SSN and HCSSN: features from a network, clustered by the integer soft SLIC of `ssn_pix`.

The network runs on blocks of the lattice whose places depend on the image alone, each with what it
sees around, so a pixel's features are the same bits in every window. They are then integers, and
nothing else decides: unlike those of the grid networks, labels do not depend on the windows at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.kernels.bands import BANDS_A_THREAD, Bands, banded
from napari_superpixels.kernels.cells import Cells, Frame
from napari_superpixels.kernels.cone import Cut
from napari_superpixels.kernels.connectivity import HALO_CELLS
from napari_superpixels.kernels.connectivity import bytes_for as connectivity_bytes
from napari_superpixels.kernels.cuda.memory import device_bytes
from napari_superpixels.kernels.features import COLOR_DIAMETER, DISTANCE_LIMIT, Quanta
from napari_superpixels.kernels.soft import GAMMA_COLOR, soft_cluster
from napari_superpixels.models import clustering, learned
from napari_superpixels.models.compute import CPU, ON_PROCESSOR, Compute, kernels_device
from napari_superpixels.models.outputs import SUPERPIXELS, Output
from napari_superpixels.models.protocol import Codes, ImageFacts, Tile
from napari_superpixels.models.settings import filled_in, setting
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.models.weights import Weights
from napari_superpixels.tiling import Box, Interval, Lattice, Windows, WindowShape

if TYPE_CHECKING:
    from torch import Tensor

    from napari_superpixels.networks.ssn import Ssn as Network

Int16 = NDArray[np.int16]

BLOCK_PX = 256
"""Edge that a block comes near to."""
STRIDE = 4
"""Blocks and their reads start at a multiple of this many pixels."""
LEARNED_RANGE = 80.0
"""Lab units between the ends at which learned features are clipped: 20.8 of the network's own, so
two pixels at the ends have no share in each other's cells."""
MOST_THREADS = 4
"""Blocks in work at once, at most, so that their memory has a bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SsnMethod:
    """Settings of the sampling networks."""

    name: ClassVar[str]
    revision: ClassVar[int] = 2
    fixed_windows: ClassVar[bool] = False
    integers: ClassVar[bool] = False
    output: ClassVar[Output] = SUPERPIXELS
    window_px: ClassVar[int] = 4096
    reach_px: ClassVar[int]
    """Pixels around each 4 x 4 that its features depend on, in multiples of 4."""
    block_bytes: ClassVar[int]
    """Memory of the network for a pixel of a block, measured, with a quarter more."""

    step: int = setting(16, clustering.STEP)
    """Size of a cell, in pixels."""
    iterations: int = setting(10, clustering.ITERATIONS)
    """Number of associations (one fewer updates of the centres lie between them)."""
    weights: str = setting("", learned.WEIGHTS)
    """Name of weights, shipped or the user's own, or a ``.safetensors`` file; by default those of
    the method."""
    digest: str = filled_in("")
    """SHA-256 of the weights; filled in, so that it is part of a plan."""
    config: tuple[tuple[str, Any], ...] = filled_in(())
    """Parameters of the network; filled in likewise."""

    def __post_init__(self) -> None:
        clustering.check_iterations(self.iterations)
        object.__setattr__(self, "iterations", int(self.iterations))
        learned.settle(self)

    @property
    def align_cells(self) -> int:
        """Cells of a block along an axis: a whole number of strides of the network, near 256 px."""
        return STRIDE * max(1, round(BLOCK_PX / STRIDE / self.step))

    @property
    def cone_cells(self) -> int:
        """Cells around its own whose features decide the choice of a pixel."""
        return 2 * self.iterations - 1

    @property
    def halo_cells(self) -> int:
        """Cells around a core on which its labels depend, and what their blocks read."""
        block = self.align_cells + -(-(2 * self.reach() + STRIDE) // self.step)
        return self.cone_cells + HALO_CELLS + block

    def reach(self) -> int:
        """Return `reach_px`, or what the weights' own variant has."""
        return self.reach_px

    def needs_statistics(self, facts: ImageFacts) -> bool:
        """Whether whole-image statistics must be measured first: not for 8-bit RGB."""
        return clustering.needs_statistics(facts)

    def needs_projection(self, facts: ImageFacts) -> bool:
        """Whether the image's channels must be projected to the network's."""
        return learned.needs_projection(self.config, facts)

    def model(self, facts: ImageFacts, statistics: Statistics | None) -> "SsnModel":
        """Make the callable that the engine runs.

        Raises
        ------
        InputError
            If the samples are no real numbers, the image has too many channels, or the weights
            look at positions in the image.
        """
        weights = learned.weights_of(self)
        config = weights.config
        if config.get("position") == "absolute":
            raise InputError(
                f"The weights '{self.weights}' look at positions in the whole image, which have no "
                f"meaning in tiles; give weights that were trained with position='cell' or 'none'."
            )
        return SsnModel(
            weights=weights,
            samples=learned.Samples.of(self.name, facts, statistics, learned.RGB),
            step=self.step,
            iterations=self.iterations,
            block_cells=self.align_cells,
            reach_px=self.reach(),
            block_bytes=self.block_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ssn(SsnMethod):
    """Superpixel sampling networks (Jampani et al. 2018).

    Raises
    ------
    InputError
        If a setting cannot be used, or there are no such weights.
    """

    name: ClassVar[str] = "ssn"
    reach_px: ClassVar[int] = 24
    block_bytes: ClassVar[int] = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hcssn(SsnMethod):
    """SSN with hierarchical soft clustering (Suzuki 2021).

    Raises
    ------
    InputError
        If a setting cannot be used, or there are no such weights.
    """

    name: ClassVar[str] = "hcssn"
    reach_px: ClassVar[int] = 28
    deformable_px: ClassVar[int] = 4
    """What places that move reach beyond that: 6 px, of which 3 fit into what was rounded up."""
    block_bytes: ClassVar[int] = 5500

    def reach(self) -> int:
        """Return `reach_px`, and `deformable_px` for weights with deformable convolutions."""
        deformable = dict(self.config).get("deformable", False)
        return self.reach_px + self.deformable_px * bool(deformable)


@dataclass(frozen=True, slots=True)
class Scale:
    """How features become integers: quanta, and where they are clipped."""

    quanta: Quanta
    """Of colours and positions, as for `ssn_pix`, but coarser: there are more numbers."""
    learned: int
    """Features that the network learned; the other three are L, a and b."""
    lowest: float
    """Where learned features are clipped from below, in Lab units."""

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Scale":
        """Choose the finest quanta for which squared distances stay below their limit."""
        count = int(config.get("features", 20)) - 5
        lowest = 0.0 if config.get("depth", "deep") == "deep" else -LEARNED_RANGE / 2
        farthest = (
            COLOR_DIAMETER**2 + 2 * (3 * clustering.SSN_COMPACTNESS) ** 2 + count * LEARNED_RANGE**2
        )
        color = max(1, int((DISTANCE_LIMIT / farthest) ** 0.5))
        return cls(Quanta(color, round(color * clustering.SSN_COMPACTNESS)), count, lowest)

    def __call__(self, features: "Tensor") -> "Tensor":
        """Turn the network's features, float32 (C, Y, X), into int16 of the same shape."""
        import torch

        units = features / float(GAMMA_COLOR)
        middle = self.lowest + LEARNED_RANGE / 2
        half = LEARNED_RANGE / 2
        units[: self.learned] = (units[: self.learned] - middle).clamp(-half, half)
        return (units * self.quanta.color).round().to(torch.int16)


@dataclass(frozen=True, slots=True)
class _Part:
    """What of a tile is clustered."""

    cells: Box
    """Of the tile."""
    place: Box
    """The same in pixels."""
    frame: Frame
    cut: Cut


@dataclass(frozen=True, slots=True, kw_only=True)
class SsnModel:
    """A sampling network, made ready for one image."""

    weights: Weights
    """The network and its weights."""
    samples: learned.Samples
    """How samples become what the network takes."""
    step: int
    """Size of a cell, in pixels."""
    iterations: int
    """Number of associations."""
    block_cells: int
    """Cells of a block along an axis."""
    reach_px: int
    """Pixels read around a block."""
    block_bytes: int
    """Memory of the network for a pixel of a block."""
    compute: Compute = ON_PROCESSOR
    """Where, and how exactly."""

    def __call__(self, tile: Tile, *, threads: int = 1, pulse: Callable[[], None]) -> Codes:
        """Assign the pixels of the wanted cells; see `models.protocol.Model`."""
        used, shape = min(threads, MOST_THREADS), (tile.pixels.shape[1], tile.pixels.shape[2])
        held = learned.held(self.compute, self.held_bytes_for(shape))
        with banded(used, pulse) as bands, held:
            return self._assign(tile, used, bands)

    def _assign(self, tile: Tile, threads: int, bands: Bands) -> Codes:
        valid = clustering.valid_of(tile.pixels, tile.valid)
        part = self._part(tile)

        def work() -> clustering.Clustering:
            features = self.features(tile, valid, part.cells, bands)
            mask = None if valid is None else valid[part.place.slices]
            return self._clustered(features, mask, part, bands)

        size = self.device_bytes_for((tile.pixels.shape[1], tile.pixels.shape[2]))
        result = learned.on_device(self.compute, tile, size, work)
        return clustering.connected(result, tile.wanted.relative_to(part.cells), threads, bands)

    def _part(self, tile: Tile) -> "_Part":
        """Return the part of a tile that is clustered."""
        whole = Lattice((tile.pixels.shape[1], tile.pixels.shape[2]), tile.step)
        reach = 2 * self.iterations - 1 + HALO_CELLS
        used = Box(tuple(side.grow(reach) for side in tile.wanted)).clip(Box.whole(whole.cells))
        cut = [
            (ends[0] or side.start > 0, ends[1] or side.stop < size)
            for ends, side, size in zip(tile.cut, used, whole.cells, strict=True)
        ]
        place = whole.to_pixels(used)
        scale = self._scale()
        frame = Frame(Lattice(place.shape, tile.step), scale.learned + 3, scale.quanta.position)
        return _Part(used, place, frame, (cut[0], cut[1]))

    def _clustered(
        self, features: "Tensor", mask: NDArray[np.bool_] | None, part: "_Part", bands: Bands
    ) -> clustering.Clustering:
        """Cluster features where they are, or on the processor where no kernels can be used."""
        color, device = self._scale().quanta.color, kernels_device(self.compute)
        if device is not None:
            from napari_superpixels.models.on_cuda import Job, cluster, countable, marked

            def features_at(y: NDArray[np.int64], x: NDArray[np.int64]) -> Int16:
                found: Int16 = features[:, y, x].cpu().numpy()
                return found

            job = Job(
                part.frame, self.iterations, part.cut, color, soft=True, features_at=features_at
            )
            pixels = marked(features, mask)
            if countable(pixels, part.frame):
                return cluster(pixels, job, bands.pulse)
        integers = features.cpu().numpy()

        def rows(part: slice) -> tuple[Int16, NDArray[np.bool_] | None]:
            return integers[:, part], None if mask is None else mask[part]

        cells = Cells.gather(part.frame, rows, bands)
        return soft_cluster(cells, self.iterations, color=color, cut=part.cut, bands=bands)

    def features(
        self, tile: Tile, valid: NDArray[np.bool_] | None, cells: Box, bands: Bands
    ) -> "Tensor":
        """Return the integer features, int16 (C, Y, X), of a box of a tile's cells."""
        import torch

        scale = self._scale()
        shape = (tile.pixels.shape[1], tile.pixels.shape[2])
        place = Lattice(shape, tile.step).to_pixels(cells)
        sizes = (scale.learned + 3, *place.shape)
        out = torch.empty(sizes, dtype=torch.int16, device=self.compute.where)
        blocks = self._blocks(shape, tile.step, place)

        def fill(start: int, stop: int) -> None:
            for number in range(start, stop):
                core = blocks[number].core.clip(place)
                found = scale(self._infer(tile, valid, blocks[number].read, bands.pulse))
                inner = core.relative_to(blocks[number].read).slices
                out[:, *core.relative_to(place).slices] = found[:, *inner]

        if self.compute.kind == CPU:
            bands.run(fill, 0, len(blocks))
        else:  # a stream belongs to one thread
            fill(0, len(blocks))
        return out

    def _blocks(self, shape: tuple[int, int], step: tuple[int, int], place: Box) -> Windows:
        """Return the blocks, in pixels, that some pixels of a tile lie in."""
        sides, shapes = [], []
        for side, size, s in zip(place, shape, step, strict=True):
            edge = self.block_cells * s
            sides.append(
                Interval(side.start // edge * edge, min(-(-side.stop // edge) * edge, size))
            )
            shapes.append(WindowShape(edge, self.reach_px, STRIDE, fixed=True))
        return Windows.over(shape, Box(tuple(sides)), tuple(shapes))

    def _infer(
        self, tile: Tile, valid: NDArray[np.bool_] | None, read: Box, pulse: Callable[[], None]
    ) -> "Tensor":
        """Return the network's features of some pixels of a tile, float32 (C, Y, X)."""
        from napari_superpixels.models.card import to_device
        from napari_superpixels.networks.ssn import normalise

        network = cast("Network", learned.load_on(self.weights, self.compute))
        mask = None if valid is None else valid[read.slices]
        pixels = self.samples(tile.pixels[:, *read.slices], mask)
        with learned.inferring(self.compute, pulse):
            image = normalise(to_device(pixels, self.compute.where)[None])
            found = network.learned(image, tile.step, (read[0].start, read[1].start))
            return found[0].float()

    def on(self, compute: Compute) -> "SsnModel":
        """Return the same model, computing there; see `models.compute.Movable`."""
        return replace(self, compute=compute)

    def device_bytes_for(self, shape: tuple[int, int]) -> int:
        """Return an upper bound of the device's memory for a tile of that shape, in bytes."""
        scale = self._scale()
        edge = self.block_cells * self.step + 2 * self.reach_px + STRIDE
        step = (self.step, self.step)
        frame = Frame(Lattice(shape, step), scale.learned + 3, scale.quanta.position)
        return edge**2 * self.block_bytes + device_bytes(frame, rgb=False, soft=True)

    def held_bytes_for(self, shape: tuple[int, int]) -> int:
        """Return what the features take, of which connectivity looks up pixels, in bytes."""
        return shape[0] * shape[1] * 2 * (self._scale().learned + 3)

    def _scale(self) -> Scale:
        return Scale.of(self.weights.config)

    def prepare(self) -> None:
        """Load the network; see `models.protocol.Model`."""
        learned.load_on(self.weights, self.compute)

    def bytes_for(self, shape: tuple[int, int]) -> int:
        """Return an upper bound of the memory used for a tile of that shape, in bytes."""
        scale, step = self._scale(), (self.step, self.step)
        edge = self.block_cells * self.step + 2 * self.reach_px + STRIDE
        blocks = MOST_THREADS * edge**2 * self.block_bytes
        pixels = shape[0] * shape[1]
        frame = Frame(Lattice(shape, step), scale.learned + 3, scale.quanta.position)
        clustered = clustering.cluster_bytes(frame, MOST_THREADS * BANDS_A_THREAD)
        connectivity = 2 * pixels + connectivity_bytes(shape, step, threads=MOST_THREADS)
        return blocks + pixels * 2 * (scale.learned + 3) + clustered + pixels + connectivity
