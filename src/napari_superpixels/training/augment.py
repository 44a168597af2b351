"""Augmentation: flips, and AINet's patch jitter. Every choice is drawn from a given generator.

A crop is an image, uint8 (C, Y, X), and its labels, int64 (Y, X); both change together. Functions
return views or new arrays and leave what they were given alone, unless they say otherwise.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Labels = NDArray[np.int64]

JITTER_PX = 16
"""Side of the patches and strips of AINet's jitter; its superpixels are as large."""
ROUNDS = 2
"""How often the jitter is applied, as in AINet's code."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A square of one image, ready to be trained on."""

    image: Image
    """uint8 (C, Y, X)."""
    labels: Labels
    """int64 (Y, X); -1 where nothing is known."""
    name: str
    """Whose it is, for messages."""


def flipped(crop: Crop, axes: str, rng: np.random.Generator) -> Crop:
    """Mirror a crop along each of some axes, or not, with even chances.

    Parameters
    ----------
    crop
        Image and labels.
    axes
        Any of ``"y"``, ``"x"``, ``"yx"``; ``""`` for none.
    rng
        Where chance comes from.
    """
    image, labels = crop.image, crop.labels
    for axis in axes:
        if rng.random() < 0.5:
            place = "yx".index(axis) - 2
            image, labels = np.flip(image, place), np.flip(labels, place)
    return Crop(image, labels, crop.name)


def jittered(crop: Crop, rng: np.random.Generator) -> Crop:
    """Apply AINet's patch jitter: two patches change places, a strip is shifted around.

    Parameters
    ----------
    crop
        Image and labels, at least 2 * `JITTER_PX` along both axes.
    rng
        Where chance comes from.

    Returns
    -------
    Crop
        A changed copy. What is random noise has a label of its own.
    """
    image, labels = crop.image.copy(), crop.labels.copy()
    for _ in range(ROUNDS):
        if rng.random() < 0.5:
            _shuffle(image, labels, rng)
        if rng.random() < 0.5:
            _shift(image, labels, rng)
    return Crop(image, labels, crop.name)


def _shuffle(image: Image, labels: Labels, rng: np.random.Generator) -> None:
    """Exchange two patches in place; every other time one of them becomes noise then."""
    first, second = (_patch(labels.shape, rng) for _ in range(2))
    for array in (image, labels):
        kept = array[..., *first].copy()
        array[..., *first] = array[..., *second]
        array[..., *second] = kept
    if rng.random() < 0.5:
        _noise(image, labels, first, rng)


def _patch(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[slice, slice]:
    starts = [int(rng.integers(0, size - JITTER_PX + 1)) for size in shape]
    y, x = (slice(start, start + JITTER_PX) for start in starts)
    return y, x


def _noise(
    image: Image, labels: Labels, place: tuple[slice, slice], rng: np.random.Generator
) -> None:
    """Fill a place with random colours and a label that nothing else has."""
    image[..., *place] = rng.integers(0, 256, image[..., *place].shape, np.uint8)
    labels[place] = labels.max() + 1


def _shift(image: Image, labels: Labels, rng: np.random.Generator) -> None:
    """Roll a strip in place, to either side; every other time what comes around is noise."""
    along_y = bool(rng.random() < 0.5)
    across, along = (1, 0) if along_y else (0, 1)
    length = int(rng.integers(JITTER_PX, labels.shape[along] + 1))
    start = int(rng.integers(0, labels.shape[along] - length + 1))
    edge = int(rng.integers(0, labels.shape[across] - JITTER_PX + 1))
    by = int(rng.integers(-JITTER_PX, JITTER_PX + 1))
    place: list[Any] = [slice(None), slice(None)]
    place[along], place[across] = slice(start, start + length), slice(edge, edge + JITTER_PX)
    for array in (image, labels):
        strip = array[..., *place]
        array[..., *place] = np.roll(strip, by, axis=along - 2)
    if by and rng.random() < 0.5:
        came = (start, start + by) if by > 0 else (start + length + by, start + length)
        place[along] = slice(*came)
        _noise(image, labels, (place[0], place[1]), rng)
