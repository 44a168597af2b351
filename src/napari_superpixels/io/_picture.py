"""PNG and JPEG: decoded whole, and kept for a while."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import SourceError
from napari_superpixels.io._handles import BLOCKS
from napari_superpixels.io._identity import hash_of_files
from napari_superpixels.io._reader import (
    READ_ERRORS,
    FileStamp,
    Slices,
    StoredImage,
    pick_level,
    reason,
)

PNG_MAGIC = b"\x89PNG"
END_OF_IMAGE = b"\xff\xd9"
START_OF_SCAN = b"\xff\xda"

LETTERS = {2: "yx", 3: "yxs"}


@dataclass(frozen=True, slots=True)
class PictureReader:
    """A picture, decoded when first asked for."""

    stamp: FileStamp
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def chunks(self) -> tuple[int, ...]:
        """The whole picture."""
        return self.shape

    def read(self, box: Slices) -> NDArray[Any]:
        """Return a view of a box."""
        return BLOCKS.get(("picture", self.stamp), self._decode)[box]

    def _decode(self) -> NDArray[Any]:
        self.stamp.check()
        return decode(Path(self.stamp.path))


def find_picture(path: Path, level: int) -> StoredImage:
    """Return what a PNG or JPEG file holds; a palette becomes RGB.

    Raises
    ------
    SourceError
        If it cannot be decoded.
    InputError
        If `level` is not 0.
    """
    pick_level(level, 1, str(path))
    stamp = FileStamp.of(path)
    pixels = BLOCKS.get(("picture", stamp), lambda: decode(path))
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    return StoredImage(
        format="PNG" if _is_png(path) else "JPEG",
        reader=PictureReader(stamp, pixels.shape, pixels.dtype),
        identity=hash_of_files((stamp,), list(pixels.shape), str(pixels.dtype)),
        letters=LETTERS[pixels.ndim],
        rgb=samples >= 3,
        alpha=samples in (2, 4),
        location=str(path),
    )


def decode(path: Path) -> NDArray[Any]:
    """Return all pixels, shape (Y, X) or (Y, X, S).

    Raises
    ------
    SourceError
        If the file is broken, cut short, or a JPEG of four colours.
    """
    data = path.read_bytes()
    is_png = data.startswith(PNG_MAGIC)
    try:
        pixels = np.asarray((imagecodecs.png_decode if is_png else imagecodecs.jpeg_decode)(data))
    except READ_ERRORS as error:
        raise SourceError(
            f"The picture {path} cannot be decoded ({reason(error)}); replace the file with a "
            f"good copy and run again"
        ) from None
    # A JPEG decoder fills what is missing with grey and says nothing.
    if not is_png and data.rfind(END_OF_IMAGE) < data.rfind(START_OF_SCAN):
        raise SourceError(
            f"The picture {path} ends after {len(data)} bytes without the mark that ends a JPEG; "
            f"replace the file with a good copy and run again"
        )
    if not is_png and pixels.ndim == 3 and pixels.shape[2] == 4:
        raise SourceError(f"The picture {path} has four colours (CMYK); convert it to RGB")
    return pixels


def _is_png(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == PNG_MAGIC
