"""Zarr on disk: OME-Zarr images, plain arrays of format 2 and 3, groups with a single array."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_superpixels.errors import SourceError
from napari_superpixels.io._formats import stem_of
from napari_superpixels.io._handles import HANDLES
from napari_superpixels.io._identity import hash_of, stamp_of
from napari_superpixels.io._memory import find_zarr_object
from napari_superpixels.io._naming import check_dtype, check_shape
from napari_superpixels.io._ngff import Multiscale, ome_attributes, parse_multiscale
from napari_superpixels.io._reader import (
    READ_ERRORS,
    Slices,
    StoredImage,
    box_text,
    pick_level,
    reason,
)
from napari_superpixels.io.chunk_files import stored_grid

METADATA_FILES = ("zarr.json", ".zarray", ".zgroup", ".zattrs")

ALL_CHUNKS = 2000
"""Of arrays with so many files of chunks or fewer, each file's size and time is in the identity."""

SOME_CHUNKS = 256
"""How many files of chunks are looked at in larger arrays."""


class _OpenArray:
    """A zarr array as a handle: it holds no file open."""

    def __init__(self, path: str) -> None:
        self.array = _open_node(Path(path))

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class ZarrReader:
    """An array in a folder, opened again in every process."""

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    identity: str

    def read(self, box: Slices) -> NDArray[Any]:
        """Return a box of samples.

        Raises
        ------
        SourceError
            If a chunk cannot be decoded or the folder is gone.
        """
        key = ("zarr", self.path, self.identity)
        try:
            with HANDLES.borrow(key, lambda: _OpenArray(self.path)) as handle:
                samples = np.asarray(handle.array[box])
        except READ_ERRORS as error:
            raise SourceError(
                f"A chunk of {self.path} in the block {box_text(box)} cannot be read "
                f"({reason(error)}); replace it with a good copy and run again"
            ) from None
        self._check_there()
        return samples

    def _check_there(self) -> None:
        """Refuse what was read from a folder that is gone: missing chunks are the fill value."""
        if not _has_metadata(Path(self.path)):
            raise SourceError(
                f"The folder {self.path} was there when it was opened but is gone now; put it "
                f"back, or connect its disk again, and run again"
            )


def find_zarr(path: Path, level: int) -> StoredImage:
    """Return what a folder with zarr metadata holds.

    Raises
    ------
    SourceError
        If it is no zarr, holds several images, or its metadata are broken.
    InputError
        If there is no such level, or the array is no image.
    """
    inner, node, notes = find_image_group(path)
    if isinstance(node, zarr.Array):
        return _plain(path, inner, node, level, notes)
    return _multiscale(path, inner, node.attrs.asdict(), level, notes)


def find_image_group(path: Path) -> tuple[Path, Any, tuple[str, ...]]:
    """Return the multiscale group, or the array, that a folder stands for, and what was chosen.

    Raises
    ------
    SourceError
        If it is no zarr, holds several images, or its metadata are broken.
    """
    group, node = path, _open_node(path)
    notes: tuple[str, ...] = ()
    while isinstance(node, zarr.Group):
        attributes = node.attrs.asdict()
        if ome_attributes(attributes).get("multiscales"):
            break
        inner, note = _inside(group, node, attributes)
        group, notes = group / inner, (*notes, note)
        node = _open_node(group)
    return group, node, notes


def find_zarr_given(image: Any, level: int) -> StoredImage:
    """Return what a zarr array or group object holds; one in a folder is read by its path."""
    store = image.store
    if isinstance(store, zarr.storage.LocalStore):
        return find_zarr(Path(store.root) / image.path.strip("/"), level)
    if isinstance(image, zarr.Array):
        return find_zarr_object(image, level)
    raise SourceError(
        f"A zarr group in a {type(store).__name__} cannot be opened again by its path; give "
        f"one of its arrays, or write the group to a folder"
    )


def _has_metadata(path: Path) -> bool:
    return any((path / name).is_file() for name in METADATA_FILES)


def _open_node(path: Path) -> Any:
    if not _has_metadata(path):
        raise SourceError(
            f"The folder {path} has no zarr metadata ({', '.join(METADATA_FILES[:2])}, ...), so "
            f"it is no zarr image; give the folder of an OME-Zarr image or of a zarr array"
        )
    try:
        return zarr.open(str(path), mode="r")
    except READ_ERRORS as error:
        raise SourceError(
            f"The zarr metadata of {path} cannot be read ({reason(error)}); restore them from a "
            f"good copy"
        ) from None


def _inside(path: Path, group: Any, attributes: Mapping[str, Any]) -> tuple[str, str]:
    """Return which member of a group without image to open, and a sentence about it."""
    ome = ome_attributes(attributes)
    try:
        if "plate" in ome:
            well = str(ome["plate"]["wells"][0]["path"])
            return well, f"{path.name} is a plate, of which the well {well!r} is read"
        if "well" in ome:
            field = str(ome["well"]["images"][0]["path"])
            return field, f"of the well {path.name} the field {field!r} is read"
    except (LookupError, TypeError):
        raise SourceError(
            f"The plate metadata of {path} name no image; give the folder of one image in it"
        ) from None
    if "bioformats2raw.layout" in ome and "0" in group:
        return "0", f"{path.name} is a collection of images, of which '0' is read"
    arrays = sorted(group.array_keys())
    if len(arrays) == 1:
        return arrays[0], f"the only array of the group, {arrays[0]!r}, is read"
    members = ", ".join(repr(name) for name in sorted(group.keys())[:8]) or "nothing"
    raise SourceError(
        f"The zarr group {path} is no OME-Zarr image and holds {len(arrays)} arrays, not exactly "
        f"one; give the path of one of its members: {members}"
    )


def _multiscale(
    root: Path, group: Path, attributes: Mapping[str, Any], level: int, notes: tuple[str, ...]
) -> StoredImage:
    try:
        datasets = ome_attributes(attributes)["multiscales"][0]["datasets"]
        arrays = [_open_node(group / str(dataset["path"])) for dataset in datasets]
        image = parse_multiscale(attributes, len(arrays[0].shape))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f"The OME-Zarr metadata of {group} are broken ({reason(error)}); restore them, or "
            f"give the path of one of its arrays"
        ) from None
    pick_level(level, len(arrays), str(root))
    facts = [attributes.get("multiscales"), attributes.get("ome"), level]
    reader, missing = _reader(group / image.paths[level], arrays[level], facts)
    return StoredImage(
        format=f"OME-Zarr {image.version}",
        reader=reader,
        identity=reader.identity,
        letters=image.letters,
        levels=tuple(tuple(array.shape) for array in arrays),
        calibration=image.calibrations[level],
        rgb=image.rgb if reader.dtype == np.uint8 else None,
        channel_names=image.channel_names,
        name=stem_of(str(root)),
        location=str(group),
        guesses=_rgb_note(image, reader.dtype),
        notes=(*notes, *missing),
    )


def _rgb_note(image: Multiscale, dtype: np.dtype[Any]) -> tuple[str, ...]:
    if not image.rgb or dtype != np.uint8:
        return ()
    return ("three channels shown in red, green and blue are taken as RGB; rgb=False if not",)


def _plain(
    root: Path, path: Path, array: Any, level: int, notes: tuple[str, ...] = ()
) -> StoredImage:
    pick_level(level, 1, str(root))
    reader, missing = _reader(path, array, [])
    return StoredImage(
        format=f"zarr v{array.metadata.zarr_format} array",
        reader=reader,
        identity=reader.identity,
        letters=_dimension_letters(array),
        name=stem_of(str(root)),
        location=str(path),
        notes=(*notes, *missing),
    )


def _dimension_letters(array: Any) -> str | None:
    """Return the names that a zarr array gives to its axes, if it names y and x."""
    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.asdict().get("_ARRAY_DIMENSIONS") or ()
    letters = "".join(str(n).lower() if str(n).lower() in tuple("tczyxs") else "?" for n in names)
    good = len(letters) == len(array.shape) and "y" in letters and "x" in letters
    return letters if good and len(set(letters)) == len(letters) else None


def _reader(path: Path, array: Any, facts: list[Any]) -> tuple[ZarrReader, tuple[str, ...]]:
    """Return what reads an array, and a sentence where files of it are missing."""
    check_shape(tuple(array.shape), str(path))
    check_dtype(np.dtype(array.dtype), str(path))
    files = _chunk_files(path, array)
    stamps = [stamp_of(file) for file in files]
    reader = ZarrReader(
        path=str(path),
        shape=tuple(array.shape),
        dtype=np.dtype(array.dtype),
        chunks=tuple(array.chunks),
        identity=_identity(path, facts, stamps),
    )
    return reader, _missing_note(stamps, array)


def _missing_note(stamps: list[list[int]], array: Any) -> tuple[str, ...]:
    missing = sum(not stamp for stamp in stamps)
    if not missing:
        return ()
    return (f"{missing} of the {len(stamps)} files of chunks that were looked for are missing; "
            f"as the format wants it, they are read as {array.fill_value}",)  # fmt: skip


def _identity(path: Path, facts: list[Any], stamps: list[list[int]]) -> str:
    """Return the hash of an array's metadata and times; the same wherever the folder lies."""
    files = [path / name for name in METADATA_FILES if (path / name).is_file()]
    contents = [file.read_bytes() for file in files]
    times = [file.stat().st_mtime_ns for file in files]
    facts_text = json.dumps(facts, sort_keys=True, default=str)
    return hash_of(facts_text, times, stamps, *contents)


def _chunk_files(path: Path, array: Any) -> list[Path]:
    """Return the files of chunks whose size and time count: all, or evenly spread ones.

    Of those that are few among many the folders are looked at as well.
    """
    _, grid = stored_grid(array)
    count = prod(grid)
    numbers: Iterable[int] = range(count)
    if count > ALL_CHUNKS:
        numbers = (i * (count - 1) // (SOME_CHUNKS - 1) for i in range(SOME_CHUNKS))
    places = (tuple(map(int, np.unravel_index(number, grid))) for number in numbers)
    files = [path / array.metadata.encode_chunk_key(place) for place in places]
    folders = sorted({file.parent for file in files}) if count > ALL_CHUNKS else []
    return [*files, *folders]
