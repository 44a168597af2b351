"""`open_source`: from a path or an array, and what the user says about it, to a `Source`."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from os import PathLike
from typing import Any

import numpy as np

from napari_superpixels.axes import AXIS_ORDER, Axes, Axis
from napari_superpixels.errors import InputError
from napari_superpixels.io._formats import find_image, stem_of
from napari_superpixels.io._identity import hash_of, mask_facts
from napari_superpixels.io._memory import ArrayReader, DaskReader
from napari_superpixels.io._naming import check_dtype, check_shape, name_axes
from napari_superpixels.io._reader import Calibration, Reader, StoredImage, as_number
from napari_superpixels.io.source import Layout, Source

DASK_MASK_BYTES = 256 * 2**20
"""A dask mask up to this size, at one byte a pixel, is computed when it is given."""

LOGGER = logging.getLogger(__name__)

THREE_CHANNELS = (
    "three 8-bit channels are taken as channels, not as red, green and blue; give rgb=True "
    "(--rgb) if they are colours"
)


def open_source(
    image: Any,
    *,
    axes: str | None = None,
    level: int = 0,
    channels: Sequence[int] | None = None,
    mask: Any = None,
    rgb: bool | None = None,
) -> Source:
    """Open an image of any size, without reading its pixels.

    Parameters
    ----------
    image
        A path (OME-Zarr 0.4 or 0.5, zarr, TIFF, OME-TIFF, SVS, NDPI, SCN, GeoTIFF, PNG, JPEG,
        npy),
        or a numpy, dask, zarr or xarray array.
    axes
        One letter of ``tczyx`` for each stored axis, or ``s`` for the samples of a colour; as the
        file says, or guessed, by default. What was guessed is in `Source.notes`.
    level
        Of a pyramid; 0 is the finest.
    channels
        Numbers of the channels to use, in that order; all by default. Three of them stay RGB.
    mask
        Array or path; nonzero where pixels are to be analysed. Shape (Y, X) of the chosen level,
        or with the leading axes t and z.
    rgb
        Whether the channels are red, green and blue (and alpha); as the file says by default.

    Returns
    -------
    Source
        Metadata and a lazy reader.

    Raises
    ------
    SourceError
        If a file is missing or broken.
    InputError
        If the image, or what is said about it, cannot be used.
    """
    level, rgb = _check_level(level), _check_rgb(rgb)
    _check_axes(axes)
    stored = find_image(image, level)
    check_shape(stored.reader.shape, stored.location or "The array")
    check_dtype(stored.reader.dtype, stored.location or "The array")
    letters, guesses = name_axes(stored.letters, stored.reader.shape, stored.reader.dtype, axes)
    letters, channel = _channel_axis(letters, stored.reader.shape)
    count = stored.reader.shape[letters.index(channel)] if channel else 1
    alpha = _has_alpha(stored, letters, channel, count, rgb=rgb)
    colours = count - alpha
    picks = _check_channels(channels, colours)
    is_rgb = _is_rgb(stored, channel, (colours, len(picks)), axes=axes, rgb=rgb)
    if rgb is None and not is_rgb and colours == 3 and stored.reader.dtype == np.uint8:
        guesses.append(THREE_CHANNELS)
    layout = Layout(letters, channel, picks + ((colours,) if alpha else ()))
    source = Source(
        axes=_axes(stored, letters, channel, len(picks)),
        dtype=_dtype_read(stored.reader.dtype),
        rgb=is_rgb,
        nodata=stored.nodata,
        level=level,
        level_shapes=_plane_shapes(stored, letters),
        name=stored.name or stem_of(stored.location or "image"),
        location=stored.location,
        identity=hash_of(
            stored.identity,
            [letters, channel, layout.picks, alpha, is_rgb, level],
            [repr(stored.nodata), mask_facts(stored.masks)],
        ),
        georeference=stored.georeference,
        notes=(*stored.guesses, *stored.notes, *guesses),
        format=stored.format,
        layout=layout,
        reader=stored.reader,
        masks=stored.masks,
        channel_names=_channel_names(stored, picks),
    )
    _tell(source, (*stored.guesses, *guesses))
    source = source if mask is None else with_mask(source, mask)
    chosen = None if channels is None else list(picks)
    choices = {"axes": axes, "level": level, "channels": chosen, "rgb": rgb}
    return replace(source, opened=_opened(source, mask, choices))


def _tell(source: Source, guesses: tuple[str, ...]) -> None:
    """Log the notes: as warnings what was guessed and changes the result."""
    for note in source.notes:
        # That two axes are y and x leaves nothing to choose.
        level = (
            logging.WARNING if note in guesses and source.layout.letters != "yx" else logging.INFO
        )
        LOGGER.log(level, "%s: %s", source.name, note)


def _channel_names(stored: StoredImage, picks: tuple[int, ...]) -> tuple[str, ...]:
    names = dict(enumerate(stored.channel_names))
    return tuple(names.get(pick, "") for pick in picks)


def _check_level(level: Any) -> int:
    number = as_number(level)
    if number is None:
        raise InputError(
            f"level={level!r} must be a whole number, 0 for the finest level; give level=0 or "
            f"another number without quotes"
        )
    return number


def _check_axes(axes: Any) -> None:
    if axes is not None and not isinstance(axes, str):
        raise InputError(
            f"axes={axes!r} must be text with one letter for each axis; give for example axes='zyx'"
        )


def _check_rgb(rgb: Any) -> bool | None:
    if rgb is not None and not isinstance(rgb, bool | np.bool_):
        raise InputError(f"rgb={rgb!r} must be True, False or None; give one of them")
    return None if rgb is None else bool(rgb)


def _opened(source: Source, mask: Any, choices: dict[str, Any]) -> dict[str, Any] | None:
    """Return how to open it again, where all of it lies on disk."""
    in_memory = mask is not None and not isinstance(mask, str | PathLike)
    if source.location is None or in_memory:
        return None
    mask_path = None if mask is None else os.path.abspath(mask)
    return {"image": source.location, **choices, "mask": mask_path}


def with_mask(source: Source, mask: Any) -> Source:
    """Return a source that analyses only where a mask is nonzero.

    Parameters
    ----------
    source
        The image.
    mask
        Array or path; shape (Y, X) of the source's level, or with its leading axes t and z. A dask
        array is computed here, once and whole.

    Raises
    ------
    InputError
        If its shape does not fit, or it is a dask array of more than `DASK_MASK_BYTES` pixels.
    """
    if not isinstance(mask, str) and np.isscalar(mask):
        raise InputError(
            f"mask={mask!r} must be an array or a path; give one number for each pixel, nonzero "
            f"where to analyse"
        )
    found = find_image(mask, 0)
    shape, axes = found.reader.shape, source.axes
    bare = shape
    while len(bare) > 2 and bare[0] == 1:
        bare = bare[1:]
    full = axes.leading_shape + axes.plane_shape
    if bare != axes.plane_shape and shape != full:
        wanted = str(axes.plane_shape) + (f" or {full}" if axes.leading_shape else "")
        raise InputError(
            f"The mask has the shape {shape}, but the image needs {wanted}; give one number for "
            f"each pixel of level {source.level}, nonzero where to analyse"
        )
    return replace(
        source,
        masks=(*source.masks, _mask_reader(found.reader)),
        identity=hash_of(source.identity, found.identity),
    )


def _mask_reader(reader: Reader) -> Reader:
    """Return the reader of a mask; a dask array is computed here, never inside another compute."""
    if not isinstance(reader, DaskReader):
        return reader
    size = prod(reader.shape)
    if size > DASK_MASK_BYTES:
        raise InputError(
            f"The dask mask has {size:,} pixels, but at most {DASK_MASK_BYTES:,} are computed into "
            f"memory; store it with to_zarr() and give that path as the mask"
        )
    lazy = (reader.array != 0) & (reader.array == reader.array)  # NaN says nothing
    return ArrayReader(DaskReader(lazy).read(tuple(slice(0, n) for n in reader.shape)))


def _channel_axis(letters: str, shape: tuple[int, ...]) -> tuple[str, str | None]:
    """Return letters with at most one axis of channels, and that one."""
    if "s" not in letters:
        return letters, "c" if "c" in letters else None
    samples = shape[letters.index("s")]
    if "c" not in letters:
        return letters, "s"
    if samples == 1:
        return letters.replace("s", "-"), "c"
    if shape[letters.index("c")] == 1:
        return letters.replace("c", "-"), "s"
    raise InputError(
        f"The image has both channels and colour samples (axes {letters!r}, sizes {shape}), but "
        f"only one of them can be read; store the colours as separate channels"
    )


def _has_alpha(
    stored: StoredImage, letters: str, channel: str | None, count: int, *, rgb: bool | None
) -> bool:
    if channel is None or count < 2:
        return False
    said = stored.letters[letters.index(channel)] if stored.letters else ""
    if stored.alpha is not None and said in ("c", "s"):
        return stored.alpha
    if rgb is False:
        return False
    return count in (2, 4) if channel == "s" else bool(rgb) and count == 4


def _is_rgb(
    stored: StoredImage,
    channel: str | None,
    counts: tuple[int, int],
    *,
    axes: str | None,
    rgb: bool | None,
) -> bool:
    colours, chosen = counts
    if rgb and chosen != 3:
        raise InputError(
            f"rgb=True needs 3 channels and maybe alpha, but the image has {chosen}; leave rgb "
            f"out, or choose three with channels=..."
        )
    if rgb is not None:
        return rgb
    said = channel == "s" if stored.rgb is None or (axes and channel == "s") else stored.rgb
    return said and colours == chosen == 3


def _check_channels(channels: Sequence[int] | None, count: int) -> tuple[int, ...]:
    if channels is None:
        return tuple(range(count))
    several = np.iterable(channels) and not isinstance(channels, str)
    given = tuple(channels) if several else (channels,)
    picks = tuple(pick for pick in map(as_number, given) if pick is not None)
    wrong = len(picks) != len(given) or not all(0 <= pick < count for pick in picks)
    if wrong or not picks or len(set(picks)) != len(picks):
        raise InputError(
            f"channels={channels!r} must be numbers from 0 to {count - 1}, each at most once "
            f"and at least one: the image has {count}"
        )
    return picks


def _axes(stored: StoredImage, letters: str, channel: str | None, count: int) -> Axes:
    items = []
    for name in AXIS_ORDER:
        known = stored.calibration.get(name, Calibration())
        if name == "c":
            if channel == "c" or count > 1:
                items.append(Axis("c", count))
        elif name in letters:
            size = stored.reader.shape[letters.index(name)]
            items.append(Axis(name, size, known.spacing, known.unit, known.origin))
    return Axes(tuple(items))


def _plane_shapes(stored: StoredImage, letters: str) -> tuple[tuple[int, int], ...]:
    y, x = letters.index("y"), letters.index("x")
    return tuple((shape[y], shape[x]) for shape in stored.levels or (stored.reader.shape,))


def _dtype_read(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.uint8) if dtype == np.bool_ else dtype.newbyteorder("=")
