"""Finished labels as a GeoTIFF: tiled, compressed, with overviews, one band a plane.

GDAL makes a file that opens as all zeros when its writer dies, and may lose what it still holds
when the disk is full, without a word. So the file is written under another name, read back whole
and only then renamed.
"""

import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.dtypes import dtype_rev
from rasterio.enums import Resampling
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from napari_superpixels.errors import InputError, OutputError, SuperpixelsError
from napari_superpixels.io._geotiff import GDAL_CACHE_MEGABYTES
from napari_superpixels.io._reader import GeoReference, reason
from napari_superpixels.io.label_output import (
    LabelOutput,
    check_level,
    open_labels,
    pieces,
    plane_names,
)
from napari_superpixels.tiling import Box

TILE_PX = 512
"""Edge of a tile of the file; divides the pieces that are written."""
MAX_BANDS = 65535
"""What the format can hold."""


def export_geotiff(labels: Path, out: Path, *, level: int = 0) -> None:
    """Write finished labels as a GeoTIFF, block by block.

    The file is tiled, compressed (deflate, which every GIS reads), BigTIFF where it must be, has
    nodata 0, overviews by mode, and the image's coordinate system and transform if it had any,
    moved to the region that was labelled. Planes along t and z become bands, named so.

    Parameters
    ----------
    labels
        Folder that `run` wrote.
    out
        File to write; must not exist.
    level
        Which level; 0 is the finest.

    Raises
    ------
    OutputError
        If the file exists, or cannot be written whole.
    SourceError
        If the labels are missing, unfinished or broken.
    InputError
        If there is no such level, or GDAL cannot hold the labels.
    """
    check_new_file(out)
    finished = open_labels(labels)
    check_level(finished, level)
    _check_holdable(finished, level)
    # Without the process number: what a killed export has left is overwritten by the next.
    temporary = out.with_name(f"{out.name}.partial")
    try:
        _remove(temporary)
        with _gdal():
            checksums = _write(finished, level, temporary)
            _check_whole(finished, level, temporary, checksums)
        check_new_file(out)
        _publish(temporary, out)
    except SuperpixelsError:
        raise
    except (RasterioError, CRSError, OSError) as error:
        raise _failure(out, error) from None
    finally:
        with suppress(OSError):  # on a disk that fails, the first error is what counts
            _remove(temporary)


def check_new_file(out: Path) -> None:
    """Refuse a file that is there, or whose folder is not.

    Raises
    ------
    OutputError
        If it is so.
    """
    if out.exists():
        raise OutputError(f"{out} exists already; remove it or choose another name")
    if out.parent.exists() and not out.parent.is_dir():
        raise OutputError(f"{out.parent} is no folder but a file; choose another")
    if not out.parent.is_dir():
        raise OutputError(f"The folder {out.parent} does not exist; make it first")


def _remove(temporary: Path) -> None:
    for leftover in (temporary, _sidecar(temporary)):
        leftover.unlink(missing_ok=True)


def _check_holdable(labels: LabelOutput, level: int) -> None:
    if labels.dtype.name not in dtype_rev:
        raise InputError(
            f"The labels are {labels.dtype.name}, which GDAL {rasterio.__gdal_version__} cannot "
            f"hold; update rasterio, or export a region with fewer cells"
        )
    planes = int(np.prod(labels.levels[level].shape[:-2]))
    if planes > MAX_BANDS:
        raise InputError(
            f"The labels have {planes} planes, but a TIFF holds at most {MAX_BANDS} bands; label "
            f"and export fewer planes at a time with region=..."
        )


@contextmanager
def _gdal() -> Iterator[None]:
    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_MEGABYTES), warnings.catch_warnings():
        # Images without georeference are welcome.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _write(labels: LabelOutput, level: int, path: Path) -> list[int]:
    """Write the file; return a checksum of each piece."""
    shape = labels.levels[level].shape
    checksums = []
    with rasterio.open(path, "w", **_profile(labels, level)) as file:
        for band, name in enumerate(plane_names(labels.letters, shape), start=1):
            file.set_band_description(band, name)
        _tell_classes(labels, file)
        for box in pieces(shape):
            block = labels.read(level, box.slices).reshape(box.shape[-2:])
            file.write(block, _band(box, shape), window=_window(box))
            checksums.append(_checksum(block))
        # Not after opening it again: of uint64 GDAL 3.10 then makes the first overview alone.
        file.build_overviews(_overview_factors(shape[-2:]), Resampling.mode)
    return checksums


def _tell_classes(labels: LabelOutput, file: Any) -> None:
    """Write names of classes, and their colours where the format has room for them."""
    classes = labels.classes
    if not classes:
        return
    file.update_tags(**{f"CLASS_{number}": name for number, (name, _) in classes.items()})
    if labels.dtype == np.uint8:  # wider palettes are beyond most readers
        palette = {number: colour for number, (_, colour) in classes.items()}
        for band in range(1, file.count + 1):
            file.write_colormap(band, palette)


def _profile(labels: LabelOutput, level: int) -> dict[str, Any]:
    shape = labels.levels[level].shape
    return {
        "driver": "GTiff",
        "count": int(np.prod(shape[:-2])),
        "height": shape[-2],
        "width": shape[-1],
        "dtype": labels.dtype.name,
        "nodata": 0,
        "tiled": True,
        "blockxsize": TILE_PX,
        "blockysize": TILE_PX,
        "interleave": "band",
        "compress": "deflate",
        "predictor": 2,
        "bigtiff": "if_safer",
        **_place(labels.georeference(level)),
    }


def _place(where: GeoReference | None) -> dict[str, Any]:
    if where is None:
        return {}
    crs = rasterio.crs.CRS.from_wkt(where.crs) if where.crs else None
    return {"crs": crs, "transform": rasterio.Affine(*where.transform)}


def _overview_factors(plane: tuple[int, ...]) -> list[int]:
    """Return powers of two, until the coarsest overview is one tile."""
    factors: list[int] = []
    while max(plane) > TILE_PX * 2 ** len(factors):
        factors.append(2 ** (len(factors) + 1))
    return factors


def _check_whole(labels: LabelOutput, level: int, path: Path, checksums: list[int]) -> None:
    """Read the file back, as others will."""
    shape = labels.levels[level].shape
    with rasterio.open(path) as file:
        for box, checksum in zip(pieces(shape), checksums, strict=True):
            if _checksum(file.read(_band(box, shape), window=_window(box))) != checksum:
                raise OSError("it reads back differently")
        wanted = _overview_factors(shape[-2:])
        if len(file.overviews(1)) != len(wanted):
            raise OSError("overviews are missing")
    for overview in range(len(wanted)):
        with rasterio.open(path, overview_level=overview) as file:
            for box in pieces((file.count, *file.shape)):
                file.read(box.start[0] + 1, window=_window(box))


def _band(box: Box, shape: tuple[int, ...]) -> int:
    return int(np.ravel_multi_index(box.start[:-2], shape[:-2])) + 1 if shape[:-2] else 1


def _window(box: Box) -> Window:
    y, x = box.sides[-2:]
    return Window(x.start, y.start, len(x), len(y))


def _checksum(block: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(block).data)


def _sidecar(path: Path) -> Path:
    """Return where GDAL writes what GeoTIFF cannot say, e.g. a rare projection."""
    return path.with_name(path.name + ".aux.xml")


def _publish(temporary: Path, out: Path) -> None:
    if _sidecar(temporary).exists():
        _sidecar(temporary).replace(_sidecar(out))
    temporary.rename(out)


def _failure(out: Path, error: BaseException) -> OutputError:
    return OutputError(
        f"{out} could not be written whole ({reason(error)}); look whether the disk is full or "
        f"read-only, and export again"
    )
