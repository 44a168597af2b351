"""From an image layer and a label layer to a task for a training; off the main thread."""

import pickle
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from napari_superpixels.errors import Cancelled, InputError, OutputError
from napari_superpixels.io import Source, open_source
from napari_superpixels.models.weights import free_path, own_path
from napari_superpixels.napari_ui.grids import check_one_grid
from napari_superpixels.napari_ui.resolve import check_layer, open_layer
from napari_superpixels.napari_ui.snapshot import LayerSnapshot
from napari_superpixels.tiling import Box
from napari_superpixels.training.annotated import Annotated, look_at, share_out
from napari_superpixels.training.pairs import Pair, StoredLabels
from napari_superpixels.training.task import SHORT, Task

LARGEST_COPY = 2 * 2**30
"""Bytes of a layer that only this process can read, up to which it is copied for another."""
UNKNOWN = 0
"""The label of what is not painted, where that is unknown."""


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
    """Whose network learns."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a training would do."""

    pixels: int
    """Pixels that are known."""
    segments: int
    """Segments among them; of a stack, of all planes."""
    held: int
    """Pixels of the parts that are held out."""
    crop: int
    """Side of a crop, in pixels."""


def outlook(lesson: Lesson, cancel: threading.Event) -> Outlook:
    """Look at what there is to learn from; reads the labels.

    Raises
    ------
    Cancelled
        If nobody wants to know any more.
    SuperpixelsError
        If it cannot be learned from.
    """
    return _Material.of(lesson, cancel).outlook


def task_of(lesson: Lesson, cancel: threading.Event) -> Task:
    """Return the task of a lesson; reads the labels.

    Raises
    ------
    Cancelled
        If nobody wants it any more.
    SuperpixelsError
        If it cannot be learned from, or the name is none or taken.
    """
    target = own_path(lesson.name)
    if lesson.name_is_typed and target.exists():
        raise OutputError(
            f"Weights called {lesson.name!r} exist already; choose another name, or remove "
            f"'{target}'."
        )
    material = _Material.of(lesson, cancel)
    return Task(
        method=lesson.method,
        learned=material.learned,
        held=material.held,
        steps=lesson.steps,
        crop=material.outlook.crop,
        seed=lesson.seed,
        void=lesson.void,
        start=lesson.start,
        target=free_path(target),
        card=_card(lesson),
    )


def _card(lesson: Lesson) -> dict[str, Any]:
    unknown = "" if lesson.void is None else ", 0 is unknown"
    return {
        "data": f"the layer {lesson.image.name!r} with the labels {lesson.labels.name!r}{unknown}",
        "licence": "that of the data",
    }


@dataclass(frozen=True, slots=True)
class _Material:
    """The parts of a lesson's layers, and what is in them."""

    learned: tuple[Pair, ...]
    held: tuple[Pair, ...]
    outlook: Outlook

    @classmethod
    def of(cls, lesson: Lesson, cancel: threading.Event) -> "_Material":
        image, labels = open_lesson(lesson)
        planes = list(_annotated(labels, lesson.void, cancel))
        if not planes:
            raise InputError(
                f"The labels {lesson.labels.name!r} hold no two segments, but borders between "
                f"segments are learned; paint another one, or choose what 0 means."
            )
        crop = crop_of(lesson, image)
        learned, held = [], []
        for plane, known in planes:
            shares = share_out(known, StoredLabels(labels, plane), crop, lesson.void)
            pair = Pair(lesson.image.name, image, (StoredLabels(labels, plane),), plane=plane)
            learned.append(replace(pair, area=shares.learned))
            if shares.held is not None:
                held.append(replace(pair, area=shares.held))
        return cls(
            tuple(learned),
            tuple(held),
            Outlook(
                pixels=sum(known.pixels for _, known in planes),
                segments=sum(known.segments for _, known in planes),
                held=sum(prod(pair.shape) for pair in held),
                crop=crop,
            ),
        )


def _annotated(
    labels: Source, void: int | None, cancel: threading.Event
) -> Iterator[tuple[int, Annotated]]:
    """Yield the planes that have borders between known segments."""
    for plane in range(labels.axes.planes):
        if cancel.is_set():
            raise Cancelled("Nobody wants to know any more.")
        known = look_at(StoredLabels(labels, plane), void)
        if known.has_borders:
            yield plane, known


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
