"""Large images of real pixels, made of a small one by random crops, flips and turns."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.samples import sample_path

Pixels = NDArray[Any]
"""Samples, shape (Y, X, C)."""

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left", "ihc")
"""Pictures that come with scikit-image, all of at least `PIECE` pixels."""
PIECE = (300, 400)
MOST_PIECES = 48


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


def photographs(folder: str | Path | None) -> Pixels:
    """Return one picture of many photographs, side by side and below each other.

    Parameters
    ----------
    folder
        Where RGB photographs of at least `PIECE` pixels are, upright or not; None for those that
        scikit-image ships.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
        At most `MOST_PIECES` of them, in the order of their names.

    Raises
    ------
    InputError
        If the folder holds none.
    """
    paths = _shipped() if folder is None else sorted(Path(folder).iterdir())
    pictures = [read_image(path) for path in paths if path.suffix in {".png", ".jpg"}]
    lying = [p if p.shape[1] >= p.shape[0] else p.swapaxes(0, 1) for p in pictures[:MOST_PIECES]]
    pieces = [p[: PIECE[0], : PIECE[1], :3] for p in lying]
    pieces = [piece for piece in pieces if piece.shape == (*PIECE, 3)]
    if not pieces:
        raise InputError(
            f"{folder} holds no photograph of {PIECE[1]} x {PIECE[0]} pixels or more; name a "
            f"folder with PNG or JPEG files, or none."
        )
    columns = min(3, len(pieces))
    rows = range(0, len(pieces) // columns * columns, columns)
    return np.concatenate([np.concatenate(pieces[i : i + columns], axis=1) for i in rows])


def _shipped() -> list[Path]:
    """Return the files of `PHOTOGRAPHS`."""
    from skimage import data

    folder = Path(data.__file__).parent
    return [path for name in PHOTOGRAPHS for path in folder.glob(f"{name}.*")]


def pixels_of(name: str, folder: str | Path | None = None) -> Pixels:
    """Return what a benchmark's images are made of.

    Parameters
    ----------
    name
        "slide" for the slide that comes with this package, "photographs" for `photographs`, else a
        file.
    folder
        Of `photographs`.
    """
    if name == "photographs":
        return photographs(folder)
    return read_image(sample_path("slide") if name == "slide" else name)


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
