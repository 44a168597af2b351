"""A segmentation or regression network, made ready for one image: pixels in, values out.

The shape suffixes: C channels of the image, K scores of a pixel (one a class), Y X pixels.
"""

# ruff: noqa: N803, N806 - names carry shape suffixes

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_superpixels.models import clustering, learned
from napari_superpixels.models.card import to_device, to_host
from napari_superpixels.models.compute import ON_PROCESSOR, Compute
from napari_superpixels.models.outputs import Output, Values
from napari_superpixels.models.patches import Patches
from napari_superpixels.models.protocol import Tile
from napari_superpixels.models.trained import Trained
from napari_superpixels.models.views import View
from napari_superpixels.models.weights import Weights
from napari_superpixels.networks.grid import fill_up
from napari_superpixels.networks.normalisation import Normalisation
from napari_superpixels.networks.ordinal import OrdinalNetwork
from napari_superpixels.networks.resampling import resampled
from napari_superpixels.tiling import Box, Interval, Lattice

Pulse = Callable[[], None]
FEW = 64
"""Up to so many classes, one after the other is compared: `argmax` makes 64-bit numbers first."""
COPIES = 3
"""Of the scores of a tile, that are there at once: as they come, averaged, and reduced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseModel:
    """A network, how it looks at an image, and what becomes of its scores."""

    weights: Weights
    """The network and its weights."""
    samples: learned.Samples
    """How samples become what the network takes."""
    trained: Trained
    """What the weights' card tells."""
    output: Output
    """What is given."""
    views: tuple[View, ...]
    """What is averaged."""
    patches: Patches | None
    """The parts that the network sees; None where it sees a tile as a whole."""
    step: int
    """Size of a cell, in pixels."""
    decoding: str = "soft"
    """How an HC network comes back to full resolution."""
    compute: Compute = ON_PROCESSOR
    """Where, and how exactly."""

    def __call__(self, tile: Tile, *, threads: int = 1, pulse: Pulse) -> Values:
        """Find the values of the wanted cells; see `models.protocol.Model`."""
        del threads  # windows are computed side by side instead
        pulse()
        place, valid = wanted_pixels(tile), clustering.valid_of(tile.pixels, tile.valid)

        def infer() -> Values:
            with learned.inferring(self.compute, pulse):
                return self._reduced(self._scores(tile, valid, place))

        shape = (tile.pixels.shape[1], tile.pixels.shape[2])
        found = learned.on_device(self.compute, tile, self.device_bytes_for(shape), infer)
        if valid is not None:
            found[..., ~valid[place.slices]] = self.output.fill
        return found

    def scores(self, tile: Tile, pulse: Pulse) -> NDArray[np.float32]:
        """Return what decides the values of the wanted cells, (K, Y, X)."""
        valid = clustering.valid_of(tile.pixels, tile.valid)
        with learned.inferring(self.compute, pulse):
            found: NDArray[np.float32] = to_host(self._scores(tile, valid, wanted_pixels(tile)))
            return found

    def _image(self, tile: Tile, valid: NDArray[np.bool_] | None) -> Tensor:
        """Return what the network sees of a tile, (C, Y, X); 0 where there is no data."""
        device = self.compute.where
        image_CYX = to_device(self.samples(tile.pixels, valid), device)
        seen = Normalisation(self.trained.mean, self.trained.std)
        image_CYX = seen(image_CYX[None])[0]
        return image_CYX if valid is None else image_CYX * to_device(valid, device)

    @property
    def _averages(self) -> bool:
        """Whether several scores are averaged: then they are probabilities, or numbers."""
        return self.patches is not None or len(self.views) > 1

    def _scores(self, tile: Tile, valid: NDArray[np.bool_] | None, place: Box) -> Tensor:
        """Return the scores of a box of a tile, (K, Y, X)."""
        image_CYX = fill_up(self._image(tile, valid)[None], tile.step)[0]
        if self.patches is None:
            return self._seen(image_CYX, place)
        total = image_CYX.new_zeros((self.trained.scores, *place.shape))
        weight = image_CYX.new_zeros(place.shape)
        for patch in self._patches(image_CYX, tile):
            part = patch.clip(place)
            if not all(part.shape):
                continue
            inside = part.relative_to(patch)
            blend = self._blend(patch, tile).to(image_CYX.device)[inside.slices]
            seen = self._seen(image_CYX[:, *patch.slices], inside)
            into = part.relative_to(place).slices
            total[:, *into] += seen * blend
            weight[into] += blend
        return total / weight

    def _patches(self, image_CYX: Tensor, tile: Tile) -> Iterator[Box]:
        """Yield the patches of a tile, in pixels, in raster order."""
        assert self.patches is not None, "asked for only then"
        sides = []
        for size, step, (_, goes_on) in zip(image_CYX.shape[1:], tile.step, tile.cut, strict=True):
            cells = self.patches.along(size // step, goes_on=goes_on)
            sides.append([Interval(side.start * step, side.stop * step) for side in cells])
        return (Box(pair) for pair in product(*sides))

    def _blend(self, patch: Box, tile: Tile) -> Tensor:
        """Return how much each pixel of a patch counts, (Y, X)."""
        assert self.patches is not None, "asked for only then"
        rows, columns = (
            self.patches.weights(
                side.stop - side.start,
                self.step,
                (side.start > 0 or cut[0], side.stop < size or cut[1]),
            )
            for side, size, cut in zip(patch, tile.pixels.shape[1:], tile.cut, strict=True)
        )
        return torch.from_numpy(rows[:, None] * columns)

    def _seen(self, image_CYX: Tensor, place: Box) -> Tensor:
        """Return the mean of what the network says of a box in all views, (K, Y, X)."""
        total = self._viewed(image_CYX, self.views[0], place)
        for view in self.views[1:]:
            total = total + self._viewed(image_CYX, view, place)
        return total / len(self.views) if len(self.views) > 1 else total

    def _viewed(self, image_CYX: Tensor, view: View, place: Box) -> Tensor:
        """Return what the network says of a box in one view: scores that can be averaged."""
        network = learned.load_on(self.weights, self.compute)
        seen = resampled(image_CYX.flip(view.flipped)[None], view.scale)
        scores = resampled(_plain(network, seen, self.decoding), 1 / view.scale)
        found = scores.flip(view.flipped)[0][:, *place.slices].float()
        return found.softmax(dim=0) if self._averages and self.trained.classes else found

    def _reduced(self, scores_KYX: Tensor) -> Values:
        """Return what is written of scores; little comes back from a device."""
        if not self.trained.classes:
            return to_host(scores_KYX[0].contiguous())
        if self.output.depth:
            shares = scores_KYX if self._averages else scores_KYX.softmax(dim=0)
            return to_host(shares.half())
        ids = np.array([one.id for one in self.trained.classes])
        kind = np.uint8 if ids.max() < 2**8 else np.uint16
        found: Values = ids.astype(kind)[to_host(best(scores_KYX))]
        return found

    def on(self, compute: Compute) -> "DenseModel":
        """Return the same model, computing there; see `models.compute.Movable`."""
        return replace(self, compute=compute)

    def prepare(self) -> None:
        """Load the network; see `models.protocol.Model`."""
        learned.load_on(self.weights, self.compute)

    def device_bytes_for(self, shape: tuple[int, int]) -> int:
        """Return an upper bound of the device's memory for a tile of that shape, in bytes."""
        whole = tuple(-(-n // self.step) * self.step for n in shape)
        height, width = whole
        seen = height * width
        if self.patches is not None:
            edge = self.patches.edge * self.step
            seen = min(height, edge) * min(width, edge)
        largest = max(float(view.scale) for view in self.views) ** 2
        scores = 4 * COPIES * self.trained.scores
        image = 4 * 3 * self.samples.channels
        network = self.trained.facts.pixel_bytes * max(1.0, largest)
        return int(seen * network) + height * width * (scores + image)

    def held_bytes_for(self, shape: tuple[int, int]) -> int:
        """Return what stays on the device when the network is done with a tile: nothing."""
        del shape
        return 0

    def bytes_for(self, shape: tuple[int, int]) -> int:
        """Return an upper bound of the memory used for a tile of that shape, in bytes."""
        samples = shape[0] * shape[1] * (3 * 4 * self.samples.channels + 2)
        return self.device_bytes_for(shape) + samples


def wanted_pixels(tile: Tile) -> Box:
    """Return the pixels of a tile's wanted cells."""
    return Lattice((tile.pixels.shape[1], tile.pixels.shape[2]), tile.step).to_pixels(tile.wanted)


def _plain(network: torch.nn.Module, image_NCYX: Tensor, decoding: str) -> Tensor:
    """Return the scores of an image, (N, K, Y, X): logits of classes, or numbers."""
    # Networks of others know nothing of decoding.
    more = () if decoding == "soft" else (decoding,)
    logits: Tensor = network(image_NCYX, *more)
    if isinstance(network, OrdinalNetwork):
        return network.values(logits.float())[:, None]
    return logits


def best(scores_KYX: Tensor) -> Tensor:
    """Return the number of the highest score of each pixel, (Y, X); of equal ones the lowest."""
    count = len(scores_KYX)
    kind = torch.uint8 if count <= 2**8 else torch.int32
    if count > FEW:
        return scores_KYX.argmax(dim=0).to(kind)
    highest, number = scores_KYX[0], torch.zeros_like(scores_KYX[0], dtype=kind)
    for k, one in enumerate(scores_KYX[1:], start=1):
        higher = one > highest
        highest = torch.where(higher, one, highest)
        number.masked_fill_(higher, k)
    return number
