"""GeoTIFF and COG through rasterio: windows, overviews as levels, nodata, masks, georeference."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from napari_superpixels.errors import SourceError
from napari_superpixels.io._handles import HANDLES
from napari_superpixels.io._identity import hash_of_files
from napari_superpixels.io._reader import (
    READ_ERRORS,
    Calibration,
    FileStamp,
    GeoReference,
    Slices,
    StoredImage,
    box_text,
    pick_level,
    reason,
)

GDAL_CACHE_MEGABYTES = 64
"""Bound of GDAL's cache of blocks; its own default is a twentieth of the machine's memory."""

RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)

PALETTE_NOTE = "the file has a palette; its indices are read, not its colours"

ROTATED_NOTE = (
    "the grid is rotated or sheared: y and x are lengths from the first pixel, the place on Earth "
    "is only in the georeference"
)

UNITS = {"metre": "meter", "meter": "meter", "foot": "foot", "kilometre": "kilometer"}
"""Units of projected systems, as NGFF spells them."""

ERRORS = (*READ_ERRORS, RasterioError)


@dataclass(frozen=True, slots=True)
class BandReader:
    """The bands of one level, shape (bands, Y, X)."""

    stamp: FileStamp
    level: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]

    def read(self, box: Slices) -> NDArray[Any]:
        """Return a box of samples.

        Raises
        ------
        SourceError
            If GDAL cannot read it.
        """
        bands = list(range(box[0].start + 1, box[0].stop + 1))
        with _dataset(self.stamp, self.level, box) as dataset:
            return np.asarray(dataset.read(bands, window=_window(box[1:])))


@dataclass(frozen=True, slots=True)
class MaskReader:
    """The data set's own mask of one level, shape (Y, X), nonzero where there is data."""

    stamp: FileStamp
    level: int
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]

    def read(self, box: Slices) -> NDArray[Any]:
        """Return a box of the mask.

        Raises
        ------
        SourceError
            If GDAL cannot read it.
        """
        with _dataset(self.stamp, self.level, box) as dataset:
            return np.asarray(dataset.read_masks(1, window=_window(box)))


def find_geotiff(path: Path, level: int) -> StoredImage:
    """Return what a GeoTIFF holds.

    Raises
    ------
    SourceError
        If GDAL cannot open it.
    InputError
        If there is no such level.
    """
    stamp = FileStamp.of(path)
    with _dataset(stamp, 0, ()) as dataset:
        shapes = _level_shapes(stamp, dataset)
    pick_level(level, len(shapes), str(path))
    with _dataset(stamp, level, ()) as dataset:
        return _stored(stamp, level, shapes, dataset)


def _stored(
    stamp: FileStamp, level: int, shapes: tuple[tuple[int, ...], ...], dataset: Any
) -> StoredImage:
    block_y, block_x = dataset.block_shapes[0]
    together = dataset.count if str(dataset.profile.get("interleave")).lower() == "pixel" else 1
    dtype = np.dtype(dataset.dtypes[0])
    shape = (dataset.count, *dataset.shape)
    reader = BandReader(stamp, level, shape, dtype, (together, block_y, block_x))
    bands = tuple(dataset.colorinterp)
    alpha = bands[-1] == ColorInterp.alpha and len(bands) > 1
    colours = bands[:-1] if alpha else bands
    masks: tuple[MaskReader, ...] = ()
    if MaskFlags.per_dataset in dataset.mask_flag_enums[0] and not alpha:
        mask = MaskReader(stamp, level, shape[1:], (block_y, block_x), np.dtype(np.uint8))
        masks = (mask,)
    where = _georeference(dataset)
    facts = (list(shapes), str(dtype), level, where.crs if where else None)
    return StoredImage(
        format="GeoTIFF",
        reader=reader,
        identity=hash_of_files((stamp,), *facts),
        letters="-yx" if dataset.count == 1 else "cyx",
        levels=shapes,
        calibration=_calibration(dataset, where, shapes[0]),
        rgb=colours == RGB,
        channel_names=tuple(name or "" for name in dataset.descriptions),
        alpha=alpha,
        nodata=None if dataset.nodata is None else float(dataset.nodata),
        georeference=where,
        masks=masks,
        location=stamp.path,
        notes=_notes(bands, where),
    )


def _level_shapes(stamp: FileStamp, dataset: Any) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of the full image and of the overviews that all bands have."""
    shapes = [(dataset.count, *dataset.shape)]
    for overview in range(1, len(dataset.overviews(1)) + 1):
        with _dataset(stamp, overview, ()) as coarse:
            shapes.append((coarse.count, *coarse.shape))
    return tuple(shapes)


def _georeference(dataset: Any) -> GeoReference | None:
    a, b, c, d, e, f = (float(v) for v in tuple(dataset.transform)[:6])
    if dataset.crs is None and (a, b, c, d, e, f) == (1, 0, 0, 0, 1, 0):
        return None
    return GeoReference(dataset.crs.to_wkt() if dataset.crs else None, (a, b, c, d, e, f))


def _notes(bands: tuple[ColorInterp, ...], where: GeoReference | None) -> tuple[str, ...]:
    notes = (PALETTE_NOTE,) if bands[0] == ColorInterp.palette else ()
    return (*notes, ROTATED_NOTE) if where is not None and _is_rotated(where) else notes


def _is_rotated(where: GeoReference) -> bool:
    _, b, _, d, _, _ = where.transform
    return (b, d) != (0, 0)


def _calibration(
    dataset: Any, where: GeoReference | None, finest: tuple[int, ...]
) -> dict[str, Calibration]:
    """Return spacing, unit and the position of the centre of the first pixel of a level.

    Spacing is positive and positions grow with rows and columns, as NGFF wants. Rows of most maps
    run south: there y is the northing with the opposite sign, which stays true of every region and
    level. The same holds of x where columns run west. Where the grid is rotated or sheared, y and x
    are lengths along its sides, 0 at the centre of the first pixel of the finest level.
    """
    if where is None:
        return {}
    a, b, c, d, e, f = where.transform
    unit = _unit(dataset.crs)
    if not _is_rotated(where):
        return {
            "x": Calibration(abs(a), unit, math.copysign(1, a) * (c + a / 2)),
            "y": Calibration(abs(e), unit, math.copysign(1, e) * (f + e / 2)),
        }
    factors = (n / m for n, m in zip(finest[1:], dataset.shape))
    lengths = (math.hypot(b, e), math.hypot(a, d))
    return {
        name: Calibration(length / factor, unit).coarser(factor)
        for name, length, factor in zip("yx", lengths, factors)
    }


def _unit(crs: Any) -> str | None:
    if crs is None:
        return None
    if crs.is_geographic:
        return "degree"
    name = str(crs.linear_units).lower()
    return UNITS.get(name, name) if crs.is_projected else None


@contextmanager
def _dataset(stamp: FileStamp, level: int, box: Slices) -> Iterator[Any]:
    """Lend an open data set of a level; GDAL allows one thread at a time in each."""
    try:
        with (
            rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_MEGABYTES),
            HANDLES.borrow(
                ("geotiff", stamp, level), lambda: _open(stamp, level), alone=True
            ) as dataset,
        ):
            yield dataset
    except SourceError:
        raise
    except ERRORS as error:
        place = f"the block {box_text(box)} of " if box else ""
        raise SourceError(
            f"GDAL cannot read {place}the GeoTIFF {stamp.path} ({reason(error)}); replace the "
            f"file with a good copy and run again"
        ) from None


def _open(stamp: FileStamp, level: int) -> Any:
    stamp.check()
    options = {"overview_level": level - 1} if level else {}
    with warnings.catch_warnings():  # the handles' lock keeps this to one thread
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(stamp.path, **options)


def _window(box: Slices) -> Window:
    y, x = box
    return Window(x.start, y.start, x.stop - x.start, y.stop - y.start)
