"""A segmentation or regression network, made ready for one image: pixels in, values out.

The shape suffixes: C channels of the image, K scores of a pixel (one a class), Y X pixels.
"""

# ruff: noqa: N803 - names carry shape suffixes

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.models import clustering, learned
from napari_superpixels.models.compute import ON_PROCESSOR, Compute
from napari_superpixels.models.outputs import Output, Values
from napari_superpixels.models.protocol import Tile
from napari_superpixels.models.trained import Trained
from napari_superpixels.models.weights import Weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class DenseModel:
    """A network and what becomes of its scores."""

    weights: Weights
    """The network and its weights."""
    samples: learned.Samples
    """How samples become what the network takes."""
    trained: Trained
    """What the weights' card tells."""
    output: Output
    """What is given."""
    compute: Compute = ON_PROCESSOR
    """Where, and how exactly."""

    def __call__(self, tile: Tile, *, threads: int = 1, pulse: Callable[[], None]) -> Values:
        """Find the values of the wanted cells; see `models.protocol.Model`."""
        del threads  # windows are computed side by side instead
        pulse()
        valid = clustering.valid_of(tile.pixels, tile.valid)
        sides = zip(tile.wanted, tile.step, tile.pixels.shape[1:], strict=True)
        place = tuple(slice(s.start * n, min(s.stop * n, size)) for s, n, size in sides)
        known = None if valid is None else valid[place]

        def infer() -> Values:
            with learned.inferring(self.compute, pulse):
                scores = self.scores(self._image(tile, valid), tile.step)[:, *place]
                return self._reduced(scores)

        found = learned.on_device(self.compute, tile, infer)
        if known is not None:
            found[..., ~known] = self.output.fill
        return found

    def _image(self, tile: Tile, valid: NDArray[np.bool_] | None) -> "Tensor":
        """Return what the network sees of a tile, (C, Y, X); 0 where there is no data."""
        from napari_superpixels.models.card import to_device

        device = self.compute.where
        image = to_device(self.samples(tile.pixels, valid), device)
        mean, std = (image.new_tensor(each)[:, None, None] for each in self._spread)
        image = (image - mean) / std
        return image if valid is None else image * to_device(valid, device)

    @property
    def _spread(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self.trained.mean, self.trained.std

    def scores(self, image_CYX: "Tensor", step: tuple[int, int]) -> "Tensor":
        """Return the network's logits, (K, Y, X), of an image of any size."""
        from napari_superpixels.networks.grid import fill_up

        network = learned.load_on(self.weights, self.compute)
        y, x = image_CYX.shape[1:]
        scores: Tensor = network(fill_up(image_CYX[None], step))[0, :, :y, :x]
        return scores

    def _reduced(self, scores_KYX: "Tensor") -> Values:
        """Return what is written of the scores; little comes back from a device."""
        from napari_superpixels.models.card import to_host
        from napari_superpixels.models.scores import best

        ids = np.array([one.id for one in self.trained.classes])
        return ids.astype(np.uint8)[to_host(best(scores_KYX))]

    def on(self, compute: Compute) -> "DenseModel":
        """Return the same model, computing there; see `models.compute.Movable`."""
        return replace(self, compute=compute)

    def prepare(self) -> None:
        """Load the network; see `models.protocol.Model`."""
        learned.load_on(self.weights, self.compute)

    def device_bytes_for(self, shape: tuple[int, int]) -> int:
        """Return an upper bound of the device's memory for a tile of that shape, in bytes."""
        return self.bytes_for(shape)

    def bytes_for(self, shape: tuple[int, int]) -> int:
        """Return an upper bound of the memory used for a tile of that shape, in bytes."""
        return shape[0] * shape[1] * 1000
