"""Large images of real pixels, made of a small one by random crops, flips and turns."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError

Pixels = NDArray[Any]
"""Samples, shape (Y, X, C)."""


def read_image(path: str | Path | None) -> Pixels:
    """Read a small image whole, without this package's own readers.

    Parameters
    ----------
    path
        A TIFF or SVS (its first page), or anything that scikit-image reads; None for the photograph
        that scikit-image ships.

    Returns
    -------
    ndarray, shape (Y, X, C)
        Its samples.
    """
    if path is None:
        from skimage import data

        photograph: Any = data.astronaut
        return np.asarray(photograph())
    if Path(path).suffix.lower() in {".svs", ".tif", ".tiff"}:
        import tifffile

        pixels = np.asarray(tifffile.imread(path, key=0))
    else:
        from skimage.io import imread

        pixels = np.asarray(imread(path))
    return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]


def random_crop(pixels: Pixels, size: int, rng: np.random.Generator) -> Pixels:
    """Cut a random square out of an image, flipped and turned at random.

    Parameters
    ----------
    pixels
        The image, shape (Y, X, C), at least `size` along both.
    size
        Side of the square, in pixels.
    rng
        Where chance comes from.

    Returns
    -------
    ndarray, shape (size, size, C)
        A view.

    Raises
    ------
    InputError
        If the image is smaller than the square.
    """
    if min(pixels.shape[:2]) < size:
        raise InputError(
            f"The image is {pixels.shape[0]} x {pixels.shape[1]} pixels, but a mosaic of "
            f"squares of {size} needs at least that; give a larger image or smaller squares."
        )
    y, x = (int(rng.integers(0, n - size + 1)) for n in pixels.shape[:2])
    flip, turn = int(rng.integers(0, 2)), int(rng.integers(0, 4))
    crop = pixels[y : y + size, x : x + size]
    return np.rot90(crop[:, ::-1] if flip else crop, turn)


def fresh_image(
    pixels: Pixels, size: int, rng: np.random.Generator, *, square: int = 256
) -> Pixels:
    """Make a square image of real pixels that has not been seen before.

    Parameters
    ----------
    pixels
        The small image that it is made of, shape (Y, X, C).
    size
        Side of the result, in pixels.
    rng
        Where chance comes from.
    square
        Side of the pieces, in pixels.

    Returns
    -------
    ndarray, shape (size, size, C)
        Contiguous.
    """
    count = -(-size // square)
    canvas = np.empty((count * square, count * square, pixels.shape[2]), pixels.dtype)
    for row in range(count):
        for column in range(count):
            at = np.s_[row * square : (row + 1) * square, column * square : (column + 1) * square]
            canvas[at] = random_crop(pixels, square, rng)
    return np.ascontiguousarray(canvas[:size, :size])


@dataclass(frozen=True, slots=True)
class Mosaic:
    """A large image of real pixels, whose blocks are made when they are asked for. Picklable."""

    pixels: Pixels
    """The small image, shape (Y, X, C)."""
    size: int
    """Side of the large image, in pixels."""
    square: int = 500
    """Side of a block, in pixels."""

    def block(self, block_id: tuple[int, int, int]) -> Pixels:
        """Make the block at a place; always the same there.

        Parameters
        ----------
        block_id
            Its row, its column, and 0.

        Returns
        -------
        ndarray, shape (square, square, C), cut at the end of the image
            Its samples.
        """
        row, column = block_id[:2]
        height, width = (min(self.square, self.size - i * self.square) for i in (row, column))
        crop = random_crop(self.pixels, self.square, np.random.default_rng((row, column)))
        return np.ascontiguousarray(crop[:height, :width])

    def lazy(self) -> Any:
        """Return the large image as a dask array, shape (size, size, C)."""
        import dask.array as da

        channels = self.pixels.shape[2]
        full, rest = divmod(self.size, self.square)
        side = (self.square,) * full + ((rest,) if rest else ())
        map_blocks: Any = da.map_blocks
        return map_blocks(
            _block_of,
            mosaic=self,
            chunks=(side, side, (channels,)),
            dtype=self.pixels.dtype,
            meta=np.empty((0, 0, 0), self.pixels.dtype),
        )


def _block_of(*, mosaic: Mosaic, block_id: tuple[int, int, int]) -> Pixels:
    return mosaic.block(block_id)
