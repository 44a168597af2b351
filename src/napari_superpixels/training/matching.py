"""Which labels belong to which image, by the names of their files.

>>> from napari_superpixels.training.matching import label_stem
>>> label_stem("cells_01.labels.png"), label_stem("cells_01.npz")
('cells_01', 'cells_01')
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_superpixels.errors import SourceError

ARCHIVE = ".npz"
"""Ending of files with several annotations."""

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
"""Endings of images and label images in a folder, apart from OME-Zarr."""

STORES = (".zarr",)

NAMED = 3
"""How many of several files that cannot be used a message names."""

LABEL_MARKS = (".labels", "_labels", ".label", "_label", "_masks", "_mask")
"""What the name of a label image may end with, before its ending."""


def is_image(path: Path) -> bool:
    """Whether a path is one image and no folder of them."""
    return path.is_file() or path.suffix in STORES or (path / ".zattrs").exists()


def labels_of_one(image: Path, labels: Path | None) -> Path:
    """Return the labels of one image: those that are given, or those beside or inside it."""
    if labels is not None:
        if not labels.is_dir() or is_image(labels) or (labels / "zarr.json").exists():
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


def matched(images: Path, labels: Path | None) -> list[tuple[Path, Path]]:
    """Return the images of a folder, by name, each with its labels.

    Raises
    ------
    SourceError
        If there are none, or some have no partner.
    """
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
