"""Annotated images to measure on: whole photographs with several people's segmentations of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.tiling import Box
from napari_superpixels.training.data import check_channels, read_whole
from napari_superpixels.training.pairs import Pair, find_pairs


@dataclass(frozen=True, slots=True)
class Sample:
    """One photograph and its annotations."""

    name: str
    """The file's name without suffix."""
    image: NDArray[np.uint8]
    """The photograph, shape (Y, X, 3)."""
    segmentations: NDArray[np.integer[Any]]
    """One label array an annotator, shape (annotators, Y, X)."""


def read_sample(pair: Pair) -> Sample:
    """Read one photograph and its annotations whole.

    Parameters
    ----------
    pair
        Where they lie. One channel is repeated, other types than uint8 are stretched.
    """
    image = np.ascontiguousarray(np.moveaxis(read_whole(pair), 0, -1))
    whole = Box.whole(pair.shape)
    return Sample(pair.name, image, np.stack([one.read(whole) for one in pair.annotations]))


class Samples(Sequence[Sample]):
    """Annotated images in the order of their names, each read when it is asked for.

    Parameters
    ----------
    images
        A folder of images, or one image.
    labels
        Their annotations; by default beside the images, as in BSDS500 (see `find_pairs`).
    limit
        Keep that many, spread evenly over the folder; all where not given.

    Raises
    ------
    SourceError
        If there is nothing, or an image without annotations or the reverse.
    InputError
        If shapes differ, labels are no whole numbers, or an image has more than three channels.
    """

    def __init__(
        self, images: str | Path, labels: str | Path | None = None, *, limit: int | None = None
    ) -> None:
        found = find_pairs(images, labels)
        check_channels(found)
        keep = len(found) if limit is None else min(limit, len(found))
        self.pairs = [found[i * len(found) // keep] for i in range(keep)]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.pairs)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        """Read one sample, or several."""
        if isinstance(index, slice):
            return [read_sample(pair) for pair in self.pairs[index]]
        return read_sample(self.pairs[index])
