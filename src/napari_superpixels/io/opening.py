"""`open_source`: from a path or an array, and what the user says about it, to a `Source`."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from napari_superpixels.axes import AXIS_ORDER, Axes, Axis
from napari_superpixels.errors import InputError
from napari_superpixels.io._formats import find_image, stem_of
from napari_superpixels.io._identity import hash_of, mask_facts
from napari_superpixels.io._naming import check_calibration, check_dtype, check_shape, name_axes
from napari_superpixels.io._reader import Calibration, StoredImage, as_number
from napari_superpixels.io.masks import with_mask
from napari_superpixels.io.source import Layout, Levels, Source

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
    calibration: Mapping[str, Sequence[Any]] | None = None,
) -> Source:
    """Open an image of any size, without reading its pixels.

    Parameters
    ----------
    image
        A path (OME-Zarr 0.4 or 0.5, zarr, TIFF, OME-TIFF, SVS, NDPI, SCN, GeoTIFF, PNG, JPEG,
        npy), or a numpy, dask, zarr or xarray array; or a list of the levels of one image, arrays
        or paths, the finest first. One that is open already is returned as it is.
    axes
        One letter of ``tczyx`` for each stored axis, or ``s`` for the samples of a colour; as the
        file says, or guessed, by default. What was guessed is in `Source.notes`.
    level
        Of a pyramid; 0 is the finest.
    channels
        Numbers of the channels to use, in that order; all by default. Three of them stay RGB.
    mask
        Array or path; nonzero where pixels are to be analysed. Shape (Y, X) of the chosen level,
        or with the leading axes t and z; or of another level. Or `Polygons`.
    rgb
        Whether the channels are red, green and blue (and alpha); as the file says by default.
    calibration
        By axis ``t``, ``z``, ``y`` or ``x``: distance between the samples of the chosen level,
        unit as NGFF spells it or None, and where the centre of the first lies, 0 by default; e.g.
        ``{"y": (0.5, "micrometer"), "x": (0.5, "micrometer")}``. As the file says by default.

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
    if isinstance(image, Source):
        return _check_open(image, axes, level, channels, mask, rgb, calibration)
    level, rgb = _check_level(level), _check_rgb(rgb)
    _check_axes(axes)
    said = check_calibration(calibration)
    stored = find_image(image, level)
    stored = replace(stored, calibration={**stored.calibration, **said})
    check_shape(stored.reader.shape, stored.location or "The array")
    check_dtype(stored.reader.dtype, stored.location or "The array")
    laid = _lay_out(stored, axes=axes, channels=channels, rgb=rgb)
    layout, picks = laid.layout, laid.picks
    choices = {
        "axes": axes,
        "level": level,
        "channels": None if channels is None else list(picks),
        "rgb": rgb,
        "calibration": {name: list(astuple(one)) for name, one in said.items()} or None,
    }
    source = Source(
        axes=axes_of(stored, layout.letters, layout.channel, len(picks)),
        dtype=_dtype_read(stored.reader.dtype),
        rgb=laid.rgb,
        nodata=stored.nodata,
        level=level,
        level_shapes=_plane_shapes(stored, layout.letters),
        name=stored.name or stem_of(stored.location or "image"),
        location=stored.location,
        identity=hash_of(
            stored.identity,
            [layout.letters, layout.channel, layout.picks, laid.alpha, laid.rgb, level],
            [repr(stored.nodata), mask_facts(stored.masks)],
        ),
        georeference=stored.georeference,
        notes=(*stored.guesses, *stored.notes, *laid.guesses),
        guesses=(*stored.guesses, *laid.guesses),
        format=stored.format,
        layout=layout,
        reader=stored.reader,
        masks=stored.masks,
        own_masks=len(stored.masks),
        levels=_levels(image, stored),
        opened=_opened(stored, choices),
        channel_names=_channel_names(stored, picks),
    )
    return source if mask is None else with_mask(source, mask)


@dataclass(frozen=True, slots=True)
class _Laid:
    """What the stored axes and channels are."""

    layout: Layout
    picks: tuple[int, ...]
    """The chosen channels, without alpha."""
    alpha: bool
    rgb: bool
    guesses: list[str]


def _lay_out(
    stored: StoredImage, *, axes: str | None, channels: Sequence[int] | None, rgb: bool | None
) -> _Laid:
    """Name the axes and choose the channels, as the user says, else the file, else by guess."""
    shape, dtype = stored.reader.shape, stored.reader.dtype
    letters, guesses = name_axes(stored.letters, shape, dtype, axes)
    letters, channel = _channel_axis(letters, shape)
    count = shape[letters.index(channel)] if channel else 1
    alpha = _has_alpha(stored, letters, channel, count, rgb=rgb)
    colours = count - alpha
    picks = _check_channels(channels, colours)
    is_rgb = _is_rgb(stored, channel, (colours, len(picks)), axes=axes, rgb=rgb)
    if rgb is None and not is_rgb and colours == 3 and dtype == np.uint8:
        guesses.append(THREE_CHANNELS)
    layout = Layout(letters, channel, picks + ((colours,) if alpha else ()))
    return _Laid(layout, picks, alpha, is_rgb, guesses)


def tell_notes(source: Source) -> None:
    """Log the notes: as warnings what was guessed and changes the result."""
    # That two axes are y and x leaves nothing to choose.
    doubtful = () if source.layout.letters == "yx" else source.guesses
    for note in source.notes:
        level = logging.WARNING if note in doubtful else logging.INFO
        LOGGER.log(level, "%s: %s", source.name, note)


def _channel_names(stored: StoredImage, picks: tuple[int, ...]) -> tuple[str, ...]:
    names = dict(enumerate(stored.channel_names))
    return tuple(names.get(pick, "") for pick in picks)


def _check_open(source: Source, *options: Any) -> Source:
    """Refuse options for an image that is open already."""
    names = ("axes", "level", "channels", "mask", "rgb", "calibration")
    for name, value in zip(names, options, strict=True):
        if value is not None and (name != "level" or value != 0):
            raise InputError(f"The image is open already, so {name} has no place; give it to open.")
    return source


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


def _opened(stored: StoredImage, choices: dict[str, Any]) -> dict[str, Any] | None:
    """Return how to open it again, without a mask, where it lies on disk."""
    image = stored.location or list(stored.paths)
    return {"image": image, **choices, "mask": None} if image else None


def _levels(image: Any, stored: StoredImage) -> Levels | None:
    """Return where other levels come from, if there are any."""
    return partial(find_image, stored.location or image) if len(stored.levels) > 1 else None


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


def axes_of(stored: StoredImage, letters: str, channel: str | None, count: int) -> Axes:
    """Return the axes of an image whose stored axes have these letters, with so many channels."""
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
