"""Images and their annotations on disk: found by name, checked, read box by box.

An image may have several annotations: an npz file with an array ``segmentations`` (annotators, Y,
X), or one label image. Labels lie in a folder of their own, beside the images, or in the OME-Zarr
of the image as ``labels/NAME``.

>>> from napari_superpixels.training.pairs import label_stem
>>> label_stem("cells_01.labels.png"), label_stem("cells_01.npz")
('cells_01', 'cells_01')
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError, SourceError
from napari_superpixels.io import Source, open_source
from napari_superpixels.tiling import Box

ARCHIVE = ".npz"
SEGMENTATIONS = "segmentations"
"""The array of an npz file that holds the annotations."""

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
"""Endings of images and label images in a folder, apart from OME-Zarr."""

STORES = (".zarr",)

NAMED = 3
"""How many of several files that cannot be used a message names."""

LABEL_MARKS = (".labels", "_labels", ".label", "_label", "_masks", "_mask")
"""What the name of a label image may end with, before its ending."""


class Annotation(Protocol):
    """One annotator's segments of one image."""

    @property
    def shape(self) -> tuple[int, int]:
        """Size along y and x, in pixels."""
        ...

    def read(self, box: Box) -> NDArray[np.int64]:
        """Return the labels of a box, (Y, X)."""
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
        reason = " ".join(str(error).split())
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
    if _is_image(place):
        return _fitting([(place, _labels_of_one(place, given))])
    return _fitting(_matched(place, given))


def _is_image(path: Path) -> bool:
    return path.is_file() or path.suffix in STORES or (path / ".zattrs").exists()


def _labels_of_one(image: Path, labels: Path | None) -> Path:
    if labels is not None:
        if not labels.is_dir() or _is_image(labels) or (labels / "zarr.json").exists():
            return labels
        return _chosen(image, _by_stem([labels], images=None))
    if image.is_dir():
        return _inside(image)
    return _chosen(image, _by_stem([image.parent], images=set()))


def _inside(store: Path) -> Path:
    """Return the labels inside an OME-Zarr, where there are some of one name."""
    folder = store / "labels"
    found = sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    if len(found) != 1:
        names = ", ".join(p.name for p in found) or "none"
        raise SourceError(
            f"'{store}' needs labels/NAME inside it, of one name, but has {names}; give the labels "
            f"themselves, e.g. '{folder / 'NAME'}'."
        )
    return found[0]


def _chosen(image: Path, labels: dict[str, Path]) -> Path:
    if image.stem in labels:
        return labels[image.stem]
    if image.suffix in STORES:
        return _inside(image)
    raise _without_labels([image])


def _without_labels(images: Sequence[Path]) -> SourceError:
    one = len(images) == 1
    told = several([f"'{image}'" for image in images])
    return SourceError(
        f"{told} {'has' if one else 'have'} no labels, but "
        f"every image needs some; add e.g. '{images[0].stem}.labels.png' (or .tif, _labels, "
        f"_mask, {ARCHIVE}), name the labels' own folder by --labels, or take the "
        f"{'image' if one else 'images'} out."
    )


def several(told: Sequence[str]) -> str:
    """Return the first few of some texts, and how many more there are.

    >>> several(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(told) - NAMED
    return ", ".join(told[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _matched(images: Path, labels: Path | None) -> list[tuple[Path, Path]]:
    apart = labels is not None and labels.resolve() != images.resolve()
    files = _files(images)
    if not apart:
        files = [f for f in files if f.suffix != ARCHIVE and not _is_marked(f.name)]
    found = [f for f in files if f.suffix.lower() in PICTURES + STORES]
    stems = {f.stem for f in found}
    known = _by_stem([labels or images], images=None if apart else stems)
    _check_orphans(known, stems, images)
    bare = [f for f in found if f.stem not in known and f.suffix not in STORES]
    if bare:
        raise _without_labels(bare)
    if not found:
        raise SourceError(
            f"'{images}' holds no image with one of the endings {', '.join(PICTURES + STORES)}; "
            f"give a folder of images."
        )
    return [(image, _chosen(image, known)) for image in found]


def _check_orphans(labels: dict[str, Path], stems: set[str], images: Path) -> None:
    lone = [(stem, path) for stem, path in labels.items() if stem not in stems]
    if lone:
        told = several([f"'{path}'" for _, path in lone])
        raise SourceError(
            f"The labels {told} have no image in '{images}', but all labels need one; add it, "
            f"e.g. '{lone[0][0]}.png', or take the labels out of the folder."
        )


def _files(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    if not found:
        raise SourceError(f"'{folder}' is empty; give a folder of images with labels.")
    return found


def _by_stem(folders: Iterable[Path], *, images: set[str] | None) -> dict[str, Path]:
    """Return the labels of folders by the name of their image; of images beside them, marked."""
    paths = [path for folder in folders for path in _files(folder)]
    wanted = [p for p in paths if p.suffix.lower() in (ARCHIVE, *PICTURES, *STORES)]
    if images is not None:
        wanted = [p for p in wanted if p.suffix == ARCHIVE or _is_marked(p.name)]
    known: dict[str, Path] = {}
    for path in wanted:
        other = known.setdefault(label_stem(path.name), path)
        if other != path:
            raise SourceError(
                f"'{other}' and '{path}' are both labels of '{label_stem(path.name)}', but an "
                f"image has one file of them; take the other out of the folder."
            )
    return known


def _is_marked(name: str) -> bool:
    return Path(name).stem.endswith(LABEL_MARKS)


def label_stem(name: str) -> str:
    """Return the name of the image, without ending, that labels of a file name belong to."""
    stem = Path(name).stem
    for mark in LABEL_MARKS:
        stem = stem.removesuffix(mark)
    return stem


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
    pairs, unequal = [], []
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
    if source.axes.planes == 1 and source.layout.channel == "s":
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
