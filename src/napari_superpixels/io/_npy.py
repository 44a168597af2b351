"""Arrays that numpy saved, mapped into memory for as long as a box is copied out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import SourceError
from napari_superpixels.io._identity import hash_of_files
from napari_superpixels.io._naming import check_dtype, check_shape
from napari_superpixels.io._reader import (
    READ_ERRORS,
    FileStamp,
    Slices,
    StoredImage,
    pick_level,
    reason,
)


@dataclass(frozen=True, slots=True)
class NpyReader:
    """A file of `numpy.save`, opened again for every box."""

    stamp: FileStamp
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def chunks(self) -> tuple[int, ...]:
        """Single samples, as of arrays in memory: nothing is read around a box."""
        return (1,) * len(self.shape)

    def read(self, box: Slices) -> NDArray[Any]:
        """Return a copy of a box.

        Raises
        ------
        SourceError
            If the file changed.
        """
        self.stamp.check()
        return np.array(_mapped(self.stamp.path)[box])


def find_npy(path: Path, level: int) -> StoredImage:
    """Return what a file of `numpy.save` holds.

    Raises
    ------
    SourceError
        If it is broken, or holds Python objects.
    InputError
        If it is no image of numbers, or `level` is not 0.
    """
    pick_level(level, 1, str(path))
    stamp = FileStamp.of(path)
    array = _mapped(stamp.path)
    check_shape(array.shape, str(path))
    check_dtype(array.dtype, str(path))
    return StoredImage(
        format="numpy file",
        reader=NpyReader(stamp, array.shape, array.dtype),
        identity=hash_of_files((stamp,), list(array.shape), str(array.dtype)),
        location=str(path),
    )


def _mapped(path: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except READ_ERRORS as error:
        raise SourceError(
            f"The numpy file {path} cannot be read ({reason(error)}); save it again with "
            f"numpy.save, as an array of numbers"
        ) from None
    return array
