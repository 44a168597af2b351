"""An image opened again: from what JSON kept of it, or at another level."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from napari_superpixels.io._reader import Calibration, pick_level
from napari_superpixels.io.joined import JoinedReader, join_channels
from napari_superpixels.io.masks import mask_at, with_mask
from napari_superpixels.io.opening import open_source
from napari_superpixels.io.source import Source


def reopen(opened: Mapping[str, Any]) -> Source:
    """Open an image again from its `Source.opened`.

    Raises
    ------
    SourceError
        If a file is gone or broken.
    InputError
        If it has changed so that the arguments do not fit any more.
    """
    image = opened["image"]
    if not isinstance(image, Mapping):
        return open_source(**opened)
    joined = join_channels([reopen(part) for part in image["channels"]])
    return joined if opened["mask"] is None else with_mask(joined, opened["mask"])


def at_level(source: Source, level: int) -> Source:
    """Return another level of an image, with its channels, nodata and masks; no pixel is read.

    Works alike for files, for lists of arrays and for joined channels. Masks that a user gave are
    drawn anew (polygons) or take the nearest pixel.

    Parameters
    ----------
    source
        The image at any level.
    level
        Place in `Source.level_shapes`.

    Raises
    ------
    InputError
        If there is no such level.
    SourceError
        If the file is gone or broken.
    """
    if level == source.level:
        return source
    pick_level(level, len(source.level_shapes), f"the image {source.name!r}")
    if isinstance(source.reader, JoinedReader):
        other = join_channels([at_level(part, level) for part in source.reader.parts])
    else:
        other = _open_level(source, level)
    shape = other.axes.plane_shape
    masks = tuple(mask_at(mask, shape) for mask in source.given_masks)
    return replace(other, given_masks=masks)


def _open_level(source: Source, level: int) -> Source:
    given = source.given
    assert given is not None, "an image of several levels says how they are opened"
    sizes = (source.level_shapes[i] for i in (source.level, level))
    factors = dict(zip("yx", (fine / coarse for fine, coarse in zip(*sizes))))
    calibration = {
        name: _as_given(one.coarser(factors.get(name, 1.0)))
        for name, one in given.calibration.items()
    }
    return open_source(
        given.image,
        axes=given.axes,
        level=level,
        channels=given.channels,
        rgb=given.rgb,
        calibration=calibration,
    )


def _as_given(one: Calibration) -> tuple[float, str | None, float]:
    return one.spacing, one.unit, one.origin
