"""What there is to learn from in a lesson's layers, and the task that comes of it.

Reads pixels, so it is nothing for the main thread.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_superpixels.errors import Cancelled, InputError, OutputError
from napari_superpixels.io import Source
from napari_superpixels.models.weights import free_path, own_path
from napari_superpixels.napari_ui.lesson import Colours, Lesson, crop_of, open_lesson
from napari_superpixels.training.annotated import CLASSES, SEGMENTS, Annotated, look_at, share_out
from napari_superpixels.training.class_counts import count_pixels
from napari_superpixels.training.classes import UNKNOWN, Classes, LabelClass, classified, parsed
from napari_superpixels.training.painted import parts_of
from napari_superpixels.training.pairs import Pair, StoredLabels
from napari_superpixels.training.task import Task

MOST_CLASSES = 50
"""Labels that are classes without being named: more are likely numbers of objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a training would do."""

    pixels: int
    """Pixels that are known."""
    segments: int
    """Segments among them; of a stack, of all planes."""
    held: int
    """Known pixels of the parts that are held out."""
    crop: int
    """Side of a crop, in pixels."""
    classes: dict[str, int] = field(default_factory=dict)
    """Pixels of each class that are learned from, where classes are."""


def outlook(lesson: Lesson, cancel: threading.Event) -> Outlook:
    """Look at what there is to learn from; reads the labels.

    Raises
    ------
    Cancelled
        If nobody wants to know any more.
    SuperpixelsError
        If it cannot be learned from.
    """
    return Material.of(lesson, cancel).outlook


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
    material = Material.of(lesson, cancel)
    return Task(
        method=lesson.method,
        learned=material.learned,
        held=material.held,
        steps=lesson.steps,
        crop=material.outlook.crop,
        seed=lesson.seed,
        void=lesson.void,
        classes=material.classes,
        evenly=lesson.evenly,
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
class Material:
    """The parts of a lesson's layers, and what is in them."""

    learned: tuple[Pair, ...]
    held: tuple[Pair, ...]
    outlook: Outlook
    classes: Classes | None

    @classmethod
    def of(cls, lesson: Lesson, cancel: threading.Event) -> "Material":
        """Look at the layers of a lesson.

        Raises
        ------
        Cancelled
            If nobody wants to know any more.
        SuperpixelsError
            If they cannot be learned from.
        """
        image, labels = open_lesson(lesson)
        planes = list(_annotated(labels, lesson.void, cancel))
        classes = _classes(lesson, [known for _, known in planes])
        if classes is None:
            planes = _with_borders(planes, lesson)
        crop = crop_of(lesson, image)
        pairs = [
            Pair(lesson.image.name, image, (StoredLabels(labels, plane),), plane=plane)
            for plane, _ in planes
        ]
        pairs = pairs if classes is None else classified(pairs, classes)
        learned, held = _shared_out(pairs, lesson, crop)
        return cls(
            learned,
            held,
            Outlook(
                pixels=sum(known.pixels for _, known in planes),
                segments=sum(known.segments for _, known in planes),
                held=sum(_known(pair, lesson) for pair in held),
                crop=crop,
                classes=_counted(learned, classes),
            ),
            classes,
        )


def _annotated(
    labels: Source, void: int | None, cancel: threading.Event
) -> Iterator[tuple[int, Annotated]]:
    """Yield the planes where something is known."""
    for plane in range(labels.axes.planes):
        if cancel.is_set():
            raise Cancelled("Nobody wants to know any more.")
        known = look_at(StoredLabels(labels, plane), void)
        if known.pixels:
            yield plane, known


def _with_borders(
    planes: Sequence[tuple[int, Annotated]], lesson: Lesson
) -> list[tuple[int, Annotated]]:
    """Keep the planes that have borders between known segments."""
    kept = [(plane, known) for plane, known in planes if known.has_borders]
    if not kept:
        raise InputError(
            f"The labels {lesson.labels.name!r} hold no two segments, but borders between "
            f"segments are learned; paint another one, or choose what 0 means."
        )
    return kept


def _classes(lesson: Lesson, known: Sequence[Annotated]) -> Classes | None:
    """Return the classes that the labels mean; None where it is segments that count."""
    if lesson.learns != "classes":
        return None
    unknown = "" if lesson.void is None else str(lesson.void)
    if lesson.classes:
        return _coloured(parsed(lesson.classes, unknown), lesson)
    labels = sorted(frozenset[int]().union(*(each.labels for each in known)))
    if not 2 <= len(labels) <= MOST_CLASSES:
        raise InputError(
            f"The labels {lesson.labels.name!r} hold {len(labels)} numbers, each of which would be "
            f"a class, but 2 to {MOST_CLASSES} can be; paint another one, or name them under "
            f"Classes, e.g. 'background=1,nucleus=*'."
        )
    each = ",".join(f"class {label}={label}" for label in labels)
    return _coloured(parsed(each, unknown), lesson)


def _coloured(classes: Classes, lesson: Lesson) -> Classes:
    """Give classes the colours that their labels have on screen, unless the user named some."""
    if lesson.colours is None or "#" in lesson.classes:
        return classes
    colours = lesson.colours
    return replace(classes, known=tuple(_painted(one, colours) for one in classes.known))


def _painted(one: LabelClass, colours: Colours) -> LabelClass:
    if not one.values:
        return one
    (red, green, blue, alpha), *_ = colours(np.array([one.values[0][0]])).tolist()
    seen = "#" + "".join(f"{round(255 * part):02x}" for part in (red, green, blue))
    return replace(one, colour=seen) if alpha else one


def _shared_out(
    pairs: Sequence[Pair], lesson: Lesson, crop: int
) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Return what is learned from and what is held out, of every part that is annotated."""
    of_classes = lesson.learns == "classes"
    void = UNKNOWN if of_classes else lesson.void
    holding = CLASSES if of_classes else SEGMENTS
    learned, held = [], []
    for pair in pairs:
        (labels,) = pair.annotations
        for part in parts_of(labels, crop, void):
            shares = share_out(part, labels, crop, void, holding)
            learned.append(replace(pair, area=shares.learned))
            if shares.held is not None:
                held.append(replace(pair, area=shares.held))
    return tuple(learned), tuple(held)


def _known(pair: Pair, lesson: Lesson) -> int:
    """Return how many pixels of a part are annotated."""
    void = UNKNOWN if lesson.learns == "classes" else lesson.void
    return look_at(pair.annotations[0], void, pair.box).pixels


def _counted(learned: Sequence[Pair], classes: Classes | None) -> dict[str, int]:
    if classes is None:
        return {}
    return dict(zip(classes.names, count_pixels(learned, classes).tolist(), strict=True))
