"""How much of each class is annotated, and what classes weigh in the loss by that."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_superpixels.errors import InputError
from napari_superpixels.training.annotated import BLOCK, squares
from napari_superpixels.training.classes import UNKNOWN, Classes, classified
from napari_superpixels.training.matching import several
from napari_superpixels.training.pairs import Pair

DIGITS = 4
"""Of weights, so that they can be read; never decimals, for they range over many orders."""


def count_pixels(pairs: Iterable[Pair], classes: Classes) -> NDArray[np.int64]:
    """Count the annotated pixels of each class, square by square.

    Parameters
    ----------
    pairs
        Images whose annotations are ids, as `classes.classified` gives them.
    classes
        The classes.

    Raises
    ------
    InputError
        If a number there means no class.
    """
    counts = np.zeros(len(classes) + 1, np.int64)
    for pair in pairs:
        for annotation in pair.annotations:
            for box in squares(pair.box, BLOCK):
                ids = annotation.read(box)
                counts += np.bincount(ids.ravel(), minlength=len(counts))
    return counts[UNKNOWN + 1 :]


def check_present(pairs: Sequence[Pair], classes: Classes) -> None:
    """Refuse classes of which no image has a pixel, so that nothing could be learned or measured.

    Parameters
    ----------
    pairs
        All images, with the numbers of their label images.
    classes
        What the numbers mean.

    Raises
    ------
    InputError
        If a class is nowhere, or a number means no class.
    """
    counts = count_pixels(classified(pairs, classes), classes)
    absent = [str(one) for one, count in zip(classes.known, counts, strict=True) if not count]
    if absent:
        told = several([str(value) for value in _values_of(pairs)])
        raise InputError(
            f"No image has a pixel of {' or '.join(map(repr, absent))}, for the values of the "
            f"labels are {told}; give the class values that there are, or leave it out."
        )


def _values_of(pairs: Iterable[Pair]) -> list[int]:
    """Return the different numbers of label images, in order."""
    found: set[int] = set()
    for pair in pairs:
        for annotation in pair.annotations:
            for box in squares(pair.box, BLOCK):
                found.update(np.unique(annotation.read(box)).tolist())
    return sorted(found)


def balanced(counts: NDArray[np.int64]) -> tuple[float, ...]:
    """Return weights by which rare classes count as much as frequent ones.

    The median of the frequencies over each frequency (Eigen and Fergus, "Predicting depth, surface
    normals and semantic labels", ICCV 2015); 1 for a class without pixels.

    Parameters
    ----------
    counts
        Pixels of each class.
    """
    found = counts > 0
    median = float(np.median(counts[found])) if found.any() else 1.0
    weights = np.where(found, median / np.maximum(counts, 1), 1.0)
    return tuple(float(f"{weight:.{DIGITS}g}") for weight in weights)


def notes_on_classes(counts: NDArray[np.int64], classes: Classes) -> list[str]:
    """Return a sentence where a class cannot be learned."""
    absent = [name for name, count in zip(classes.names, counts, strict=True) if not count]
    if not absent:
        return []
    told = ", ".join(repr(name) for name in absent)
    return [
        f"No pixel of {told} is annotated in what is learned from, so it is never predicted; "
        f"annotate some, or leave the class out."
    ]
