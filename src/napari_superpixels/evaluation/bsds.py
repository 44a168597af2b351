"""Folders of photographs with several people's segmentations of each, as BSDS500 has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import SourceError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
"""What counts as the image that belongs to an annotation file."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One photograph and its annotations."""

    name: str
    """The file's name without suffix."""
    image: NDArray[np.uint8]
    """The photograph, shape (Y, X, 3)."""
    segmentations: NDArray[np.integer[Any]]
    """One label array an annotator, shape (annotators, Y, X)."""


def _image_beside(annotation: Path) -> Path:
    candidates = [annotation.with_suffix(suffix) for suffix in IMAGE_SUFFIXES]
    for path in candidates:
        if path.is_file():
            return path
    raise SourceError(
        f"'{annotation}' has no image beside it, but one of the same name is needed; "
        f"add '{annotation.stem}' with one of the suffixes {', '.join(IMAGE_SUFFIXES)}."
    )


def read_sample(annotation: Path) -> Sample:
    """Read one photograph and its annotations.

    Parameters
    ----------
    annotation
        A NAME.npz file with an array ``segmentations`` (annotators, Y, X); the image of the same
        name lies beside it.

    Returns
    -------
    Sample
        What the two files hold.

    Raises
    ------
    SourceError
        If there is no image of that name, no such array, or their sizes differ.
    """
    from skimage.io import imread

    image = np.asarray(imread(_image_beside(annotation)))
    with np.load(annotation) as arrays:
        if "segmentations" not in arrays:
            raise SourceError(
                f"'{annotation}' holds {arrays.files}, but an array 'segmentations' is needed; "
                f"save it with numpy.savez(..., segmentations=...)."
            )
        segmentations = arrays["segmentations"]
    if segmentations.ndim != 3 or segmentations.shape[1:] != image.shape[:2]:
        raise SourceError(
            f"'{annotation}' has segmentations of shape {segmentations.shape} for an image of "
            f"shape {image.shape}, but (annotators, Y, X) must fit it; save them again."
        )
    return Sample(annotation.stem, image, segmentations)


class Samples(Sequence[Sample]):
    """The samples of a folder in the order of their names, each read when it is asked for.

    Parameters
    ----------
    folder
        Where images and their NAME.npz lie.
    limit
        Keep that many, spread evenly over the folder; all where not given.

    Raises
    ------
    SourceError
        If the folder has no annotation.
    """

    def __init__(self, folder: str | Path, *, limit: int | None = None) -> None:
        paths = sorted(Path(folder).glob("*.npz"))
        if not paths:
            raise SourceError(
                f"'{folder}' holds no NAME.npz with annotations; give a folder such as "
                f"the 'val' part of BSDS500."
            )
        keep = len(paths) if limit is None else min(limit, len(paths))
        self.paths = [paths[i * len(paths) // keep] for i in range(keep)]

    def __len__(self) -> int:
        """Return the number of photographs."""
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        """Read one sample, or several."""
        if isinstance(index, slice):
            return [read_sample(path) for path in self.paths[index]]
        return read_sample(self.paths[index])
