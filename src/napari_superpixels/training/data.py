"""Crops of annotated images, each a function of the seed and its number alone.

No random state is kept between crops: the n-th crop is the same in a run that was never
interrupted, in one that was resumed, and with any number of threads reading ahead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from napari_superpixels.engine.measure import measure
from napari_superpixels.errors import InputError
from napari_superpixels.io import Block
from napari_superpixels.labels.metrics import boundary_map
from napari_superpixels.models.clustering import needs_statistics
from napari_superpixels.models.learned import Samples
from napari_superpixels.models.protocol import ImageFacts
from napari_superpixels.tiling import Box
from napari_superpixels.training.augment import Crop, flipped, jittered
from napari_superpixels.training.losses import VOID
from napari_superpixels.training.matching import several
from napari_superpixels.training.pairs import Pair

RGB = 3
MOST_BORDER_PIXELS = 8192
"""Of an annotation, as middles of crops: each is remembered, so there is a limit."""
MOST_DRAWS = 50
"""How often another crop is drawn where nothing is known in one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crops:
    """What is cut out of an image, and how it is varied."""

    size: int = 208
    """Side of a crop, in pixels."""
    scales: tuple[float, float] = (1.0, 1.0)
    """Least and greatest factor by which the image is enlarged."""
    spread: float | None = 0.75
    """Standard deviation of that factor, around 1; None for even chances between the two."""
    flips: str = "yx"
    """Axes along which crops are mirrored at random."""
    jitter: bool = False
    """Whether patches are jittered, as for AINet."""
    frame: int | None = None
    """Side to which the whole image is resized before it is cropped, as for PCNet."""
    at_border: bool = False
    """Whether a crop is centred on a border between segments."""
    blank: tuple[int, ...] = (0,)
    """The colour of pixels without data, as in inference; one value is for all channels."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops of one size."""

    image: Tensor
    """float32 (N, C, Y, X), 0 to 255."""
    labels: Tensor
    """int64 (N, Y, X), `VOID` where nothing is known; of values float32, and NaN there."""
    names: tuple[str, ...]
    """Whose the crops are, for messages."""

    def to(self, device: str | torch.device) -> "Batch":
        """Return it on a device."""
        return Batch(self.image.to(device), self.labels.to(device), self.names)

    def alone(self, index: int) -> "Batch":
        """Return a batch of one of the crops twice: some networks need more than one."""
        twice = [index, index]
        return Batch(self.image[twice], self.labels[twice], self.names[index : index + 1])


@lru_cache(maxsize=4096)
def _samples(pair: Pair, channels: int) -> Samples:
    """Find out, once an image, how its samples become what networks take, as in inference."""
    source = pair.image
    facts = ImageFacts(channels=source.channels, dtype=source.dtype, rgb=source.rgb)
    statistics = measure(source, projected=channels == RGB) if needs_statistics(facts) else None
    return Samples.of("the network", facts, statistics, channels)


def to_8bit(pair: Pair, block: Block, channels: int = RGB) -> NDArray[np.uint8]:
    """Turn a block into uint8 (channels, Y, X) as inference does; one channel is repeated.

    Where there is no data it is 0.
    """
    found = _samples(pair, channels)(block.pixels, block.valid) * 255
    return np.rint(found).astype(np.uint8)


def read_whole(pair: Pair, channels: int = RGB) -> NDArray[np.uint8]:
    """Read the part of an image that counts, uint8 (channels, Y, X)."""
    return to_8bit(pair, pair.image.read(pair.plane, pair.box), channels)


def blanked(
    image: NDArray[np.uint8], valid: NDArray[np.bool_] | None, blank: Sequence[int]
) -> NDArray[np.uint8]:
    """Return an image (C, Y, X) that has a colour where there is no data."""
    if valid is None:
        return image
    colour = np.resize(np.array(blank, np.uint8), len(image))
    return np.where(valid, image, colour[:, None, None])


class TrainingSet:
    """Annotated images as an endless, reproducible sequence of crops.

    Every annotation is a sample, as in the papers. They are drawn in a new random order in each
    round through all of them.

    Parameters
    ----------
    pairs
        Images with annotations.
    seed
        Chooses the order and all crops.
    void
        The label that stands for unknown; none by default, so 0 is a segment too.

    Raises
    ------
    InputError
        If there is no pair, images have different numbers of channels, or the seed is negative.
    """

    def __init__(self, pairs: Sequence[Pair], *, seed: int = 0, void: int | None = None) -> None:
        if seed < 0:
            raise InputError(f"The seed is {seed}, but must be 0 or more; give e.g. 0.")
        self.pairs = tuple(pairs)
        self.seed, self.void = seed, void
        self.samples = [(p, i) for p, pair in enumerate(pairs) for i in _indices(pair)]
        if not self.samples:
            raise InputError(
                "Training got no annotated image, but needs at least one; give a folder of images "
                "with labels."
            )
        self.channels = channels_of(self.pairs)

    def __len__(self) -> int:
        """Return the number of annotations."""
        return len(self.samples)

    def check_size(self, crops: Crops, multiple: int = 1) -> None:
        """Refuse crops that do not fit into every image, or into the frame.

        Parameters
        ----------
        crops
            What they are like.
        multiple
            The network's: sizes that are named as a repair are a multiple of it.

        Raises
        ------
        InputError
            With the first images that are too small, and how many there are.
        """
        if crops.frame is not None:
            self._check_frame(crops.size, crops.frame)
            return
        small = [pair for pair in self.pairs if min(pair.shape) < crops.size]
        if small:
            told = [f"'{p.name}' of {p.shape[0]} x {p.shape[1]} pixels" for p in small]
            most = min(min(pair.shape) for pair in small) // multiple * multiple
            raise InputError(
                f"Crops of {crops.size} pixels are to be cut out, but {several(told)} "
                f"{'is' if len(small) == 1 else 'are'} smaller; "
                + (f"ask for crops of at most {most} or " if most else "")
                + f"leave {'it' if len(small) == 1 else 'them'} out."
            )

    def _check_frame(self, size: int, frame: int) -> None:
        if size > frame:
            raise InputError(
                f"Crops of {size} pixels are to be cut out of images resized to {frame}; ask for "
                f"crops of at most {frame}."
            )

    def batch(self, step: int, size: int, crops: Crops) -> Batch:
        """Return the crops of one training step.

        Parameters
        ----------
        step
            Number of the step, from 0.
        size
            Crops in a batch.
        crops
            What they are like.
        """
        cut = [self.crop(step * size + number, crops) for number in range(size)]
        image = np.stack([crop.image for crop in cut])
        labels = np.stack([crop.labels for crop in cut])
        names = tuple(crop.name for crop in cut)
        return Batch(torch.from_numpy(image).float(), torch.from_numpy(labels), names)

    def crop(self, number: int, crops: Crops) -> Crop:
        """Return one crop.

        Parameters
        ----------
        number
            Which one, from 0; the same number gives the same crop.
        crops
            What it is like.
        """
        position, index = self.samples[self._drawn(number)]
        pair = self.pairs[position]
        rng = np.random.default_rng((self.seed, 1, number))
        region = self._known_region(pair, index, crops, rng)
        crop = self._read(pair, index, region, crops)
        crop = flipped(crop, crops.flips, rng)
        return jittered(crop, rng) if crops.jitter else crop

    def _drawn(self, number: int) -> int:
        turn, place = divmod(number, len(self.samples))
        return int(_order(self.seed, turn, len(self.samples))[place])

    def _known_region(self, pair: Pair, index: int, crops: Crops, rng: np.random.Generator) -> Box:
        """Choose the part of an image that becomes a crop; one where something is known."""
        for _ in range(MOST_DRAWS):
            region = pair.placed(_region(pair, index, crops, rng))
            if self.void is None or (pair.annotations[index].read(region) != self.void).any():
                break
        return region

    def _read(self, pair: Pair, index: int, region: Box, crops: Crops) -> Crop:
        size = crops.size
        block = pair.image.read(pair.plane, region)
        labels = pair.annotations[index].read(region)
        if self.void is not None:
            labels = np.where(labels == self.void, VOID, labels)
        if block.valid is not None:
            labels = np.where(block.valid, labels, _unknown(labels))
        image = blanked(to_8bit(pair, block, self.channels), block.valid, crops.blank)
        image = resized(image, (size, size))
        return Crop(image, _nearest(labels, size), f"{pair.name}, annotation {index}")


def _unknown(labels: NDArray[Any]) -> Any:
    """Return what stands for unknown among labels, or values, of their type."""
    return labels.dtype.type(np.nan if labels.dtype.kind == "f" else VOID)


def _indices(pair: Pair) -> range:
    return range(len(pair.annotations))


@lru_cache(maxsize=2)
def _order(seed: int, turn: int, count: int) -> NDArray[np.intp]:
    return np.random.default_rng((seed, 0, turn)).permutation(count)


def channels_of(pairs: Sequence[Pair]) -> int:
    """Return how many channels images have together; one counts as three, as it is repeated.

    Raises
    ------
    InputError
        If they differ.
    """
    several = (pair.image.channels for pair in pairs if pair.image.channels != 1)
    channels = next(several, RGB)
    check_channels(pairs, channels)
    return channels


def check_channels(pairs: Sequence[Pair], channels: int = RGB) -> None:
    """Refuse images whose channels a network does not take.

    Parameters
    ----------
    pairs
        The images.
    channels
        What the network takes; one channel is repeated.

    Raises
    ------
    InputError
        With the image and its channels.
    """
    for pair in pairs:
        if pair.image.channels not in (1, channels):
            raise InputError(
                f"The image '{pair.name}' has {pair.image.channels} channels, but {channels} are "
                f"needed, or one that is repeated; save images of {channels} channels."
            )


def _region(pair: Pair, index: int, crops: Crops, rng: np.random.Generator) -> Box:
    """Draw a part of what counts of an image."""
    if crops.frame is None:
        edge = crops.size / _scale(pair.shape, crops, rng)
        edges = [max(1, min(round(edge), size)) for size in pair.shape]
    else:
        edges = [max(1, round(crops.size * size / crops.frame)) for size in pair.shape]
    room = [size - edge + 1 for size, edge in zip(pair.shape, edges, strict=True)]
    middle = _on_border(pair, index, rng) if crops.at_border else None
    if middle is None:
        starts = [int(rng.integers(0, r)) for r in room]
    else:
        starts = [min(max(m - e // 2, 0), r - 1) for m, e, r in zip(middle, edges, room)]
    return Box.of(*((start, start + edge) for start, edge in zip(starts, edges, strict=True)))


def _scale(shape: tuple[int, int], crops: Crops, rng: np.random.Generator) -> float:
    """Draw a factor that leaves a crop inside the image: normal, as SSN's code does, or even."""
    least, most = crops.scales
    if least == most:
        return least
    if crops.spread is None:
        drawn = float(rng.uniform(least, most))
    else:
        drawn = float(np.clip(rng.normal(1.0, crops.spread), least, most))
    return max(drawn, crops.size / min(shape))


def _on_border(pair: Pair, index: int, rng: np.random.Generator) -> tuple[int, int] | None:
    border = _borders(pair, index)
    if not len(border):
        return None
    y, x = divmod(int(border[rng.integers(len(border))]), pair.shape[1])
    return y, x


@lru_cache(maxsize=2048)
def _borders(pair: Pair, index: int) -> NDArray[np.intp]:
    """Find, once an annotation, pixels at borders; of many, some that are evenly spread."""
    found = np.flatnonzero(boundary_map(pair.annotations[index].read(pair.box)))
    return found[:: ceil(len(found) / MOST_BORDER_PIXELS) or 1].copy()


def resized(image: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize an image (C, Y, X), bilinear, averaging where it shrinks."""
    if image.shape[1:] == shape:
        return image
    tensor = torch.from_numpy(np.array(image, np.float32))[None]
    result = interpolate(tensor, shape, mode="bilinear", align_corners=False, antialias=True)
    return result[0].round().clamp(0, 255).to(torch.uint8).numpy()


def _nearest(labels: NDArray[Any], size: int) -> NDArray[Any]:
    rows, columns = ((np.arange(size) + 0.5) * n / size for n in labels.shape)
    found: NDArray[Any] = labels[np.ix_(rows.astype(np.intp), columns.astype(np.intp))]
    return found


def padded(image: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    """Repeat the last rows and columns of an image (C, Y, X) up to a multiple of pixels."""
    more = [ceil(n / multiple) * multiple - n for n in image.shape[1:]]
    return np.pad(image, ((0, 0), (0, more[0]), (0, more[1])), mode="edge")
