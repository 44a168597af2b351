"""What is worth knowing about annotations before hours go into them."""

from dataclasses import dataclass

import numpy as np

from napari_superpixels.training.data import TrainingSet

LOOKED_AT = 20
"""Annotations that are read for notes, evenly spread."""


@dataclass(frozen=True, slots=True)
class _Seen:
    two: bool
    """Whether it looks like a mask: 0 and 1, or 0 and 255."""
    void: bool
    """Whether the void label is among them."""


def notes_on(data: TrainingSet, held: int) -> list[str]:
    """Return sentences on what is probably not meant.

    Parameters
    ----------
    data
        What is learned from; some annotations are read.
    held
        Images that are held out to measure on.
    """
    count = len(data.samples)
    looked = min(count, LOOKED_AT)
    picked = [data.samples[i * count // looked] for i in range(looked)]
    seen = [_look(data, position, index) for position, index in picked]
    notes = not_held_out(len(data.pairs), held)
    if all(each.two for each in seen):
        notes.append(
            "The labels are a mask, with one value for all objects, so those that touch are one "
            "segment; give each a number of its own, e.g. with skimage.measure.label."
        )
    if data.void is not None and not any(each.void for each in seen):
        notes.append(
            f"None of the {len(seen)} annotations looked at has the label {data.void} that "
            f"--void says means unknown; look at the number."
        )
    return notes


def not_held_out(images: int, held: int) -> list[str]:
    """Return a sentence where no image is held out.

    Parameters
    ----------
    images, held
        How many are learned from, and measured on.
    """
    if held:
        return []
    return [
        f"Of {images} images none is held out to measure on, so the last checkpoint becomes the "
        f"weights, good or not; give --val-images."
    ]


def _look(data: TrainingSet, position: int, index: int) -> _Seen:
    pair = data.pairs[position]
    values = np.unique(pair.annotations[index].read(pair.box))
    mask = len(values) <= 2 and 0 in values and max(values) in (1, 255)
    mask = len(values) <= 2 and 0 in values and max(values) in (1, 255)
    return _Seen(mask, data.void in values)
