"""Stacks written page by page, and chains of pages that end too early."""

import struct
from dataclasses import dataclass

import tifffile

from napari_superpixels.errors import SourceError

STACKED = -1
"""Number of the series that all series of a file make together."""

PLAIN_KINDS = ("shaped", "generic", "uniform")
"""Kinds of series that say nothing of other series; slides and OME name their images."""

SLIDES = ("svs", "ndpi", "scn", "bif", "philips", "qpi", "avs", "ome")


@dataclass(frozen=True)
class Chosen:
    """A series, and a sentence about the others."""

    series: tifffile.TiffPageSeries
    index: int
    notes: tuple[str, ...]
    certain: bool = False
    """Whether no other one can have been meant, as on a slide, whose others are side images."""


def choose(tiff: tifffile.TiffFile) -> Chosen:
    """Return all series as one stack where they are alike, else the largest, the first of equals.

    Parameters
    ----------
    tiff
        An open file with at least one series.
    """
    count = len(tiff.series)
    if _is_stack(tiff):
        note = f"{count} pages of equal size are read as z; name the axes with axes=... if not"
        return Chosen(_stacked(tiff), STACKED, (note,))
    areas = [_area(series) for series in tiff.series]
    index, equals = areas.index(max(areas)), areas.count(max(areas))
    chosen = tiff.series[index]
    if count == 1:
        return Chosen(chosen, index, ())
    name = repr(chosen.name) if chosen.name else f"number {index}"
    rank = "largest" if equals == 1 else f"first of the {equals} of equal size"
    note = f"of {count} images in the file the {rank}, {name}, is read"
    return Chosen(chosen, index, (note,), certain=equals == 1 and _is_slide(tiff))


def series_of(tiff: tifffile.TiffFile, index: int) -> tifffile.TiffPageSeries:
    """Return a series by the number that `choose` gave it."""
    return _stacked(tiff) if index == STACKED else tiff.series[index]


def check_chain(path: str, tiff: tifffile.TiffFile, chosen: Chosen) -> tuple[str, ...]:
    """Return a sentence if pages beside a slide's image are lost.

    Raises
    ------
    SourceError
        If the file ends before its last page and may be a stack of which planes are lost.
    """
    if _ends_well(tiff):
        return ()
    count, size = len(tiff.pages), tiff.filehandle.size
    if _is_slide(tiff) or len(chosen.series.levels) > 1:
        return (
            f"the file is cut short: what follows its page number {count} is lost, maybe levels "
            f"or side images",
        )
    raise SourceError(
        f"The TIFF file {path} is cut short: it ends after {size} bytes and {count} "
        f"page{'s' * (count != 1)}, but says that more follow; replace it with a good copy"
    )


def _is_slide(tiff: tifffile.TiffFile) -> bool:
    return any(getattr(tiff, f"is_{kind}", False) for kind in SLIDES if kind != "ome")


def _is_stack(tiff: tifffile.TiffFile) -> bool:
    series = tiff.series
    if len(series) < 2 or any(getattr(tiff, f"is_{kind}", False) for kind in SLIDES):
        return False
    if any(s.kind not in PLAIN_KINDS or len(s.pages) != 1 or len(s.levels) != 1 for s in series):
        return False
    return len({_look(one) for one in series}) == 1 and "Z" not in series[0].axes


def _look(series: tifffile.TiffPageSeries) -> tuple[object, ...]:
    page = series.keyframe
    virtual = series.size != page.size  # one page may stand for a whole stack
    return (*series.shape, series.axes, str(series.dtype), page.photometric, page.hash,
            id(series) if virtual else None)  # fmt: skip


def _stacked(tiff: tifffile.TiffFile) -> tifffile.TiffPageSeries:
    first = tiff.series[0]
    pages = [series.pages[0] for series in tiff.series]
    shape = (len(pages), *first.shape)
    return tifffile.TiffPageSeries(
        pages, shape, first.dtype, "Z" + first.axes, parent=tiff, kind="stack", squeeze=False
    )


def _area(series: tifffile.TiffPageSeries) -> int:
    sizes = dict(zip(series.axes, series.shape))
    return int(sizes.get("Y", 0)) * int(sizes.get("X", 0))


def _ends_well(tiff: tifffile.TiffFile) -> bool:
    """Whether the chain of pages ends with 0, or goes in a circle, and not outside the file.

    The library follows the chain as far as it leads, and only logs where it breaks off.
    """
    offset = tiff.pages[len(tiff.pages) - 1].offset
    if not offset:  # pages that exist only by arithmetic
        return True
    known, sizes, file = tiff.tiff, tiff.tiff.tagnosize, tiff.filehandle
    file.seek(offset)
    try:
        tags = struct.unpack(known.tagnoformat, file.read(sizes))[0]
        file.seek(offset + sizes + tags * known.tagsize)
        following = struct.unpack(known.offsetformat, file.read(known.offsetsize))[0]
    except (struct.error, OSError):
        return False
    return following == 0 or following in {page.offset for page in tiff.pages}
