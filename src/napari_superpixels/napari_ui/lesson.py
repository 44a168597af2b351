"""What a user wants to have learned of two layers, and how these are opened."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.io import Source, open_source
from napari_superpixels.napari_ui.grids import check_one_grid
from napari_superpixels.napari_ui.resolve import check_layer, open_layer
from napari_superpixels.napari_ui.snapshot import LayerSnapshot
from napari_superpixels.tiling import Box
from napari_superpixels.training.task import SHORT, Learns

LARGEST_COPY = 2 * 2**30
"""Bytes of a layer that only this process can read, up to which it is copied for another."""
UNKNOWN = 0
"""The label of what is not painted, where that is unknown."""

Colours = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Labels -> their colours on screen, (labels, 4), from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a user wants to have learned: made on the main thread."""

    image: LayerSnapshot
    """What is looked at."""
    labels: LayerSnapshot
    """What is known of it."""
    void: int | None
    """The label that stands for unknown, where there is one."""
    method: str
    """Which network learns."""
    start: str
    """Weights to begin with; new ones where it is empty."""
    steps: int
    """Training steps."""
    crop: int | None
    """Side of a crop, in pixels; what fits where it is None."""
    seed: int
    """Of crops and new weights."""
    name: str
    """What the weights are to be called."""
    name_is_typed: bool
    """Whether the user chose the name: then no other is taken in its place."""
    classes: str = ""
    """Which labels mean which class, as `classes.parsed` reads it; each one its own where it is
    empty."""
    colours: Colours | None = None
    """Those of the labels, which classes have too."""
    evenly: bool = True
    """Whether rare classes count as much as frequent ones."""

    @property
    def learns(self) -> Learns:
        """What is learned of the labels."""
        return SHORT[self.method].learns


def open_lesson(lesson: Lesson) -> tuple[Source, Source]:
    """Open image and labels, as any process can read them.

    Raises
    ------
    SuperpixelsError
        If one cannot be used, or they do not lie on each other.
    """
    for layer in (lesson.image, lesson.labels):
        check_layer(layer, 0)
    check_one_grid((lesson.image, lesson.labels), 0)
    image, labels = (portable(open_layer(one, 0)) for one in (lesson.image, lesson.labels))
    return image, labels


def portable(source: Source) -> Source:
    """Return an image that another process can read: itself, or a copy in memory.

    Raises
    ------
    InputError
        If only this process can read it, and it is too large to be copied.
    """
    if _travels(source):
        return source
    count = source.axes.planes * prod(source.axes.plane_shape) * source.channels
    size = count * source.dtype.itemsize
    if size > LARGEST_COPY:
        raise InputError(
            f"The layer {source.name!r} has {size / 2**30:.1f} GiB that are computed while they "
            f"are read; save it, and train on the saved image."
        )
    return _copied(source)


def _travels(source: Source) -> bool:
    """Whether another process can be given an image: where the array that holds it can be sent."""
    if isinstance(getattr(source.reader, "array", None), np.ndarray):
        return True
    try:
        pickle.dumps(source)
    except Exception:  # noqa: BLE001 - whatever it is, it does not travel
        return False
    return not source.is_dask


def _copied(source: Source) -> Source:
    whole = Box.whole(source.axes.plane_shape)
    blocks = [source.read(plane, whole) for plane in range(source.axes.planes)]
    pixels = np.stack([block.pixels for block in blocks])
    valid = np.stack([np.ones(whole.shape) if b.valid is None else b.valid for b in blocks])
    letters = "s" if source.rgb else "c"
    made = open_source(pixels, axes=f"z{letters}yx", rgb=source.rgb, mask=valid)
    return replace(made, name=source.name)


def crop_of(lesson: Lesson, image: Source) -> int:
    """Return the side of crops, in pixels.

    Raises
    ------
    InputError
        If none fits, or not the one that was chosen.
    """
    short, shape = SHORT[lesson.method], image.axes.plane_shape
    least, largest = 2 * short.multiple, min(shape) // short.multiple * short.multiple
    size = f"The image {lesson.image.name!r} is {shape[0]} x {shape[1]} pixels"
    if largest < least:
        raise InputError(
            f"{size}, but {lesson.method} learns from at least {least} x {least}; choose a larger "
            f"one."
        )
    crop = lesson.crop or short.crop_for(shape)
    if not least <= crop <= min(shape):
        raise InputError(
            f"{size}, so that crops of {crop} cannot be cut out of it for {lesson.method}; choose "
            f"crops of {least} to {largest}."
        )
    return crop
