"""Images and their annotations on disk: found by name, checked, read box by box.

An image may have several annotations: an npz file with an array ``segmentations`` (annotators, Y,
X), or one label image. Labels lie in a folder of their own, beside the images, or in the OME-Zarr
of the image as ``labels/NAME``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError, SourceError, reason_of
from napari_superpixels.io import Source, open_source
from napari_superpixels.tiling import Box
from napari_superpixels.training.matching import (
    ARCHIVE,
    is_image,
    label_stem,
    labels_of_one,
    matched,
    several,
)

SEGMENTATIONS = "segmentations"
"""The array of an npz file that holds the annotations."""


class Annotation(Protocol):
    """One annotator's segments of one image, or what else is known of its pixels."""

    @property
    def shape(self) -> tuple[int, int]:
        """Size along y and x, in pixels."""
        ...

    def read(self, box: Box) -> NDArray[Any]:
        """Return the labels of a box, int64 (Y, X); of values float32, NaN where unknown."""
        ...


@lru_cache(maxsize=8)
def _archive(path: Path, stamp: int) -> NDArray[Any]:
    """Read an archive's annotations; the stamp tells a file that was written anew."""
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            if SEGMENTATIONS not in arrays:
                raise SourceError(
                    f"'{path}' holds {arrays.files}, but an array '{SEGMENTATIONS}' is needed; "
                    f"save it with numpy.savez(..., {SEGMENTATIONS}=...)."
                )
            found: NDArray[Any] = arrays[SEGMENTATIONS]
    except SourceError:
        raise
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        reason = reason_of(error)
        raise SourceError(
            f"'{path}' cannot be read as an npz file ({reason}); replace it with a good copy."
        ) from None
    return found


def read_archive(path: Path) -> NDArray[np.integer[Any]]:
    """Read all annotations of an npz file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    ndarray of integers, shape (annotators, Y, X)
        Kept for a while: not to be written to.

    Raises
    ------
    SourceError
        If it is broken or holds no array ``segmentations``.
    InputError
        If that array is not one of whole numbers.
    """
    found = _archive(path, path.stat().st_mtime_ns)
    _check_integers(found.dtype, path)
    return found


def _check_integers(dtype: np.dtype[Any], where: object) -> None:
    if dtype.kind not in "iub":
        raise InputError(
            f"The labels of '{where}' are of type {dtype}, but segments are told apart by whole "
            f"numbers; convert them, e.g. with labels.astype('int32')."
        )


@dataclass(frozen=True, slots=True)
class ArchivedLabels:
    """One annotation of an npz file."""

    path: Path
    index: int
    shape: tuple[int, int]

    def read(self, box: Box) -> NDArray[np.int64]:
        """Return the labels of a box, (Y, X)."""
        labels: NDArray[np.int64] = read_archive(self.path)[self.index][box.slices].astype(np.int64)
        return labels


@dataclass(frozen=True, slots=True)
class StoredLabels:
    """One plane of a label image."""

    source: Source
    plane: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Size along y and x, in pixels."""
        return self.source.axes.plane_shape

    def read(self, box: Box) -> NDArray[np.int64]:
        """Return the labels of a box, (Y, X); 0 is a segment too."""
        pixels = self.source.read(self.plane, box).pixels
        labels: NDArray[np.int64] = pixels[0].astype(np.int64)
        return labels


@dataclass(frozen=True, slots=True)
class Pair:
    """One image and its annotations, one or more."""

    name: str
    image: Source
    annotations: tuple[Annotation, ...]
    area: Box | None = None
    """The part of the image that counts; all of it where it is None. Samples are stretched as
    those of the whole image."""
    plane: int = 0
    """Which plane of the image it is."""

    @property
    def box(self) -> Box:
        """The part that counts, in pixels of the image."""
        return self.area or Box.whole(self.image.axes.plane_shape)

    @property
    def shape(self) -> tuple[int, int]:
        """Size of that part along y and x, in pixels."""
        y, x = self.box.shape
        return y, x

    def placed(self, box: Box) -> Box:
        """Return a box of that part in pixels of the image."""
        return Box(tuple(a.shift(b.start) for a, b in zip(box, self.box, strict=True)))


def find_pairs(images: str | Path, labels: str | Path | None = None) -> list[Pair]:
    """Find images and the annotations that belong to them.

    Parameters
    ----------
    images
        An image, or a folder of images (PNG, JPEG, TIFF, OME-Zarr).
    labels
        A label image, npz file, or a folder of them; an image NAME.png belongs to NAME.npz,
        NAME.png or NAME.labels.png there. Where `images` is one image, `labels` is its own,
        whatever it is called. By default they are beside the images (NAME.npz or NAME.labels.png)
        or, of an OME-Zarr, the labels inside it.

    Returns
    -------
    list of Pair
        In the order of their names.

    Raises
    ------
    SourceError
        If nothing is there, an image has no labels or the reverse, or a file is broken.
    InputError
        If shapes differ or labels are no whole numbers.
    """
    place, given = Path(images), None if labels is None else Path(labels)
    for path in (place, *([given] if given else [])):
        if not path.exists():
            raise SourceError(f"There is no '{path}'; look at the name.")
    if is_image(place):
        return _fitting([(place, labels_of_one(place, given))])
    return _fitting(matched(place, given))


def _pair(image: Path, labels: Path) -> Pair:
    source = open_source(image)
    if source.axes.planes != 1:
        raise InputError(
            f"'{image}' has {source.axes.planes} planes, but training takes images of one; save "
            f"the planes as images of their own."
        )
    return Pair(label_stem(image.name), source, annotations_of(labels))


def _fitting(files: Iterable[tuple[Path, Path]]) -> list[Pair]:
    """Open images and labels, and refuse those of other sizes."""
    pairs: list[Pair] = []
    unequal: list[str] = []
    for image, labels in files:
        pair = _pair(image, labels)
        pairs.append(pair)
        shapes = {annotation.shape for annotation in pair.annotations} - {pair.shape}
        if shapes:
            sizes = f"{_size(min(shapes))} for '{image}' of {_size(pair.shape)}"
            unequal.append(f"'{labels}' of {sizes} pixels")
    if unequal:
        raise InputError(
            f"Labels and image must be of one size, but there are {several(unequal)}; save them "
            f"again."
        )
    return pairs


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def annotations_of(path: Path) -> tuple[Annotation, ...]:
    """Open the annotations of one file.

    Parameters
    ----------
    path
        An npz file, or a label image of one plane and one channel.

    Raises
    ------
    SourceError
        If it cannot be read.
    InputError
        If it is something else, or the labels are no whole numbers.
    """
    if path.suffix == ARCHIVE:
        found = read_archive(path)
        if found.ndim != 3 or not len(found):
            raise InputError(
                f"'{path}' has {SEGMENTATIONS} of shape {found.shape}, but (annotators, Y, X) is "
                f"needed; save them again."
            )
        shape = (found.shape[1], found.shape[2])
        return tuple(ArchivedLabels(path, i, shape) for i in range(len(found)))
    source = open_source(path)
    _check_integers(source.dtype, path)
    if source.axes.planes != 1 or source.channels != 1:
        raise _not_one_plane(path, source)
    return (StoredLabels(source),)


def _not_one_plane(path: Path, source: Source) -> InputError:
    if source.axes.planes == 1 and source.layout.letters.endswith("s"):
        return InputError(
            f"'{path}' is a picture in colours, but labels are one number a pixel; number the "
            f"colours, e.g. by numpy.unique(rgb.reshape(-1, 3), axis=0, return_inverse=True), and "
            f"save those numbers."
        )
    # An axis that nothing names may be channels or planes, so both are told.
    layers = max(source.axes.planes * source.channels, *source.reader.shape[:-2], 1)
    return InputError(
        f"'{path}' has {layers} planes or channels of {_size(source.axes.plane_shape)} pixels, but "
        f"labels are one number a pixel; save each plane as a file of its own, with its image."
    )
