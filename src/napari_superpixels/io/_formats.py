"""Which reader opens what: by the first bytes of a file, then by its extension."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_superpixels.errors import SourceError
from napari_superpixels.io._memory import find_array, is_instance
from napari_superpixels.io._reader import StoredImage

ROOM = "napari_superpixels.io"

FINDERS = {
    "zarr": f"{ROOM}._zarr:find_zarr",
    "TIFF": f"{ROOM}._tiff:find_tiff",
    "PNG": f"{ROOM}._picture:find_picture",
    "JPEG": f"{ROOM}._picture:find_picture",
    "npy": f"{ROOM}._npy:find_npy",
}
"""Functions of (path, level), imported when needed."""

EXTENSIONS = {
    ".zarr": "zarr",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".btf": "TIFF",
    ".tf8": "TIFF",
    ".svs": "TIFF",
    ".ndpi": "TIFF",
    ".scn": "TIFF",
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".npy": "npy",
}

MAGIC = {
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"\x93NUMPY": "npy",
}
"""First bytes of a file."""

DOUBLE_SUFFIXES = (".ome", ".tar")


def find_image(image: Any, level: int) -> StoredImage:
    """Return what a path or an array object holds.

    Raises
    ------
    SourceError
        If a file is missing, broken, or of no known format.
    InputError
        If it is no image, or there is no such level.
    """
    if isinstance(image, str | os.PathLike):
        return find_path(os.fspath(image), level)
    if is_instance(image, "zarr", "Array") or is_instance(image, "zarr", "Group"):
        return _function(f"{ROOM}._zarr:find_zarr_given")(image, level)
    if is_instance(image, "xarray", "DataArray"):
        return _function(f"{ROOM}._xarray:find_xarray")(image, level)
    if is_pyramid(image):
        return _function(f"{ROOM}._pyramid:find_pyramid")(image, level)
    return find_array(image, level)


def is_pyramid(image: Any) -> bool:
    """Whether a value is a list of levels: two or more paths, or arrays of unlike shapes."""
    if not isinstance(image, list | tuple) or len(image) < 2:
        return False
    if all(isinstance(level, str | os.PathLike) for level in image):
        return True
    shapes = [tuple(getattr(level, "shape", ())) for level in image]
    return all(shapes) and len(set(shapes)) > 1


def find_path(given: str, level: int) -> StoredImage:
    """Return what a file or folder holds."""
    if "://" in given:
        raise SourceError(
            f"{given} is an address, but images are read from disk; download it first"
        )
    path = Path(given).expanduser().absolute()
    if not path.exists():
        raise SourceError(f"There is no file or folder {path}; check the path.")
    kind = "zarr" if path.is_dir() else kind_of_file(path)
    return _function(FINDERS[kind])(path, level)


def kind_of_file(path: Path) -> str:
    """Return the format of a file.

    Raises
    ------
    SourceError
        If it cannot be read, is empty, or is nothing that we know.
    """
    head = _head(path)
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            return kind
    expected = EXTENSIONS.get(path.suffix.lower())
    if not head:
        raise SourceError(f"The file {path} is empty; copy it again from where it came")
    if expected == "zarr":
        raise SourceError(
            f"{path} is a file, but a zarr image is a folder; give the folder, unpacked"
        )
    if expected:
        raise SourceError(
            f"The file {path} is named like a {expected} file but starts with {head[:8]!r}, "
            f"which no {expected} file does; check where it came from"
        )
    raise SourceError(
        f"The file {path} starts with {head[:8]!r} and is of no known format; give OME-Zarr, "
        f"zarr, TIFF, OME-TIFF, SVS, NDPI, SCN, GeoTIFF, PNG, JPEG or npy"
    )


def stem_of(location: str) -> str:
    """Return the name of a file without its extensions, e.g. ``a`` of ``/b/a.ome.zarr``."""
    path = Path(location)
    stem = path.stem if path.suffix.lower() in EXTENSIONS else path.name
    for suffix in DOUBLE_SUFFIXES:
        stem = stem.removesuffix(suffix)
    return stem or "image"


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise SourceError(
            f"The file {path} cannot be read ({error.strerror or error}); check its permissions"
        ) from None


def _function(reference: str) -> Callable[..., StoredImage]:
    module, name = reference.split(":")
    function: Callable[..., StoredImage] = getattr(importlib.import_module(module), name)
    return function
