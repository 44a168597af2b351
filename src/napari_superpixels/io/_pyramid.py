"""Levels that are given one by one, as a list of arrays or of paths."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari_superpixels.errors import InputError
from napari_superpixels.io._formats import find_image
from napari_superpixels.io._reader import StoredImage, pick_level


def find_pyramid(images: Sequence[Any], level: int) -> StoredImage:
    """Return what one of several levels holds, the finest first.

    Raises
    ------
    InputError
        If there is no such level, or an array is no coarser level of the one before it.
    """
    pick_level(level, len(images), f"the list of {len(images)} arrays")
    levels = [find_image(image, 0) for image in images]
    _check_levels(levels)
    paths = tuple(found.location for found in levels if found.location is not None)
    return replace(
        levels[level],
        levels=tuple(found.reader.shape for found in levels),
        location=None,
        paths=paths if len(paths) == len(levels) else (),
    )


def _check_levels(levels: Sequence[StoredImage]) -> None:
    finer = levels[0].reader
    for number, found in enumerate(levels[1:], 1):
        shape, reader = found.reader.shape, found.reader
        same_kind = len(shape) == len(finer.shape) and reader.dtype == finer.dtype
        if not same_kind or any(n > m for n, m in zip(shape, finer.shape)):
            raise InputError(
                f"Array {number} of the list has the shape {shape} and type {reader.dtype}, which "
                f"is no coarser level of {finer.shape} {finer.dtype} before it; give levels of "
                f"one image, the finest first"
            )
        finer = reader
