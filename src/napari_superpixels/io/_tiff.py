"""TIFF of all kinds through tifffile: only the tiles or strips that a box touches are decoded.

We decode the segments ourselves (not through tifffile's zarr store): in the caller's thread with
the GIL released, with a bounded cache, and with an error that names the broken place.
"""

from pathlib import Path

import numpy as np
import tifffile

from napari_superpixels.errors import SourceError, SuperpixelsError
from napari_superpixels.io._identity import hash_of_files
from napari_superpixels.io._naming import check_dtype, check_shape
from napari_superpixels.io._reader import READ_ERRORS, FileStamp, StoredImage, pick_level, reason
from napari_superpixels.io._tiff_calibration import calibrate, channel_names
from napari_superpixels.io._tiff_reader import TiffReader
from napari_superpixels.io._tiff_stack import Chosen, check_chain, choose

GEO_TAGS = (34735, 42112, 42113)
"""GeoKeyDirectory, GDAL_METADATA, GDAL_NODATA."""

RGB, PALETTE, YCBCR = 2, 3, 6


def find_tiff(path: Path, level: int) -> StoredImage:
    """Return what a TIFF file holds; a GeoTIFF is read by GDAL.

    Raises
    ------
    SourceError
        If its directory is broken, or its pixels are stored in a way that cannot be read.
    InputError
        If there is no such level, or it is no image.
    """
    stamp = FileStamp.of(path)
    try:
        with tifffile.TiffFile(path) as tiff:
            if not len(tiff.pages) or not tiff.series:
                raise ValueError("it has no pages")
            if any(tag in tiff.pages.first.tags for tag in GEO_TAGS):
                from napari_superpixels.io._geotiff import find_geotiff

                return find_geotiff(path, level)
            chosen = choose(tiff)
            return _stored(stamp, tiff, chosen, level)
    except SuperpixelsError:
        raise
    except READ_ERRORS as error:
        raise SourceError(
            f"The directory of the TIFF file {path} ({stamp.size} bytes) cannot be read "
            f"({reason(error)}); it may be cut short, so copy it again from where it came"
        ) from None


def _stored(stamp: FileStamp, tiff: tifffile.TiffFile, chosen: Chosen, level: int) -> StoredImage:
    levels = chosen.series.levels
    pick_level(level, len(levels), stamp.path)
    series = levels[level]
    check_shape(tuple(series.shape), stamp.path)
    check_dtype(np.dtype(series.dtype), stamp.path)
    _check_decoder(stamp.path, series.keyframe)
    lost = check_chain(stamp.path, tiff, chosen)
    letters = _letters(series)
    shapes = tuple(tuple(int(n) for n in one.shape) for one in levels)
    calibration, spacing_notes = calibrate(
        tiff, max(chosen.index, 0), letters, shapes[0], shapes[level]
    )
    reader = TiffReader.of(stamp, chosen.index, level, series)
    facts = (list(shapes), str(series.dtype), chosen.index, level)
    page = series.keyframe
    samples = series.shape[letters.index("s")] if "s" in letters else 1
    certain, guesses = (chosen.notes, ()) if chosen.certain else ((), chosen.notes)
    return StoredImage(
        format=_format(tiff),
        reader=reader,
        identity=hash_of_files(_stamps(stamp, series), *facts),
        letters=letters,
        levels=shapes,
        calibration=calibration,
        rgb="s" in letters and page.photometric in (RGB, YCBCR),
        channel_names=channel_names(tiff, max(chosen.index, 0)),
        alpha=samples in (2, 4) and tuple(page.extrasamples)[-1:] in ((1,), (2,)),
        location=stamp.path,
        guesses=guesses,
        notes=(
            *certain,
            *spacing_notes,
            *_page_notes(page),
            *lost,
            *reader.truncation(series),
        ),
    )


def _check_decoder(path: str, page: tifffile.TiffPage) -> None:
    try:
        page.decode(None, 0)
    except (ValueError, NotImplementedError) as error:
        raise SourceError(
            f"The pixels of {path} are stored in a way that cannot be read ({reason(error)}); "
            f"save it again with another compression, such as deflate"
        ) from None


def _letters(series: tifffile.TiffPageSeries) -> str:
    return "".join(a.lower() if a in "TCZYXS" else "?" for a in series.axes)


def _stamps(stamp: FileStamp, series: tifffile.TiffPageSeries) -> tuple[FileStamp, ...]:
    """Return the stamps of all files of a series: an OME-TIFF may be spread over several."""
    if not series.is_multifile:
        return (stamp,)
    files = {page.parent.filehandle.path for page in series.pages if page is not None}
    return tuple(FileStamp.of(file) for file in sorted(files))


def _format(tiff: tifffile.TiffFile) -> str:
    names = {"svs": "Aperio SVS", "ndpi": "Hamamatsu NDPI", "scn": "Leica SCN", "ome": "OME-TIFF"}
    found = [name for flag, name in names.items() if getattr(tiff, f"is_{flag}")]
    plain = "BigTIFF" if tiff.is_bigtiff else "TIFF"
    return found[0] if found else ("ImageJ " if tiff.is_imagej else "") + plain


def _page_notes(page: tifffile.TiffPage) -> tuple[str, ...]:
    notes = []
    if page.photometric == PALETTE:
        notes.append("the file has a palette; its indices are read, not its colours")
    largest = max(page.databytecounts, default=0)
    if page.compression != 1 and page.chunks[0] * page.chunks[1] > 2**26:
        notes.append(f"its strips hold {largest} bytes and are decoded whole, which takes memory")
    return tuple(notes)
