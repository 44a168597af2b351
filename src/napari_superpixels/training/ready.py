"""A training made ready: what labels mean decides what is learned, and what is measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from napari_superpixels.errors import InputError
from napari_superpixels.training.annotated import middle_of
from napari_superpixels.training.class_counts import balanced, count_pixels
from napari_superpixels.training.classes import UNKNOWN, Classes
from napari_superpixels.training.data import TrainingSet
from napari_superpixels.training.dense_recipes import ClassRecipe, DistanceRecipe
from napari_superpixels.training.measure import ClassValidation, ValueValidation
from napari_superpixels.training.pairs import Pair
from napari_superpixels.training.recipe import Recipe
from napari_superpixels.training.start import check_classes
from napari_superpixels.training.targets import distances
from napari_superpixels.training.validate import Validating, Validation


@dataclass(frozen=True, slots=True)
class Ready:
    """A training that can begin."""

    recipe: Recipe
    data: TrainingSet
    validation: Validating | None
    """None where nothing is held out."""


@dataclass(frozen=True, slots=True)
class Material:
    """Annotated images, or parts of them."""

    learned: Sequence[Pair]
    """What is learned from."""
    held: Sequence[Pair]
    """What is measured on instead."""
    seed: int = 0
    """Of crops."""


def of_segments(recipe: Recipe, images: Material, void: int | None) -> Ready:
    """Make ready what learns borders between segments.

    Parameters
    ----------
    recipe
        Of superpixels.
    images
        Their labels are numbers of segments.
    void
        The label that stands for unknown, where there is one.

    Raises
    ------
    InputError
        If there is no image, or they do not fit together.
    """
    data = TrainingSet(images.learned, seed=images.seed, void=void)
    return Ready(recipe, data, Validation.of(images.held, void=void) if images.held else None)


def of_classes(
    recipe: ClassRecipe, images: Material, classes: Classes, *, evenly: bool = False
) -> Ready:
    """Make ready what learns the class of every pixel.

    Parameters
    ----------
    recipe
        Of classes.
    images
        Their labels are ids of classes, as `classes.classified` gives them.
    classes
        The classes.
    evenly
        Whether rare classes count as much as frequent ones.

    Raises
    ------
    InputError
        If a number means no class, or nothing is known of what is held out.
    """
    check_classes(recipe, classes.names)
    if images.held and not count_pixels(images.held, classes).any():
        raise InputError(
            "No pixel of what is held out has a known class; annotate some there, or hold out "
            "other images."
        )
    weights = balanced(count_pixels(images.learned, classes)) if evenly else None
    data = TrainingSet(images.learned, seed=images.seed, void=UNKNOWN)
    validation = ClassValidation(tuple(images.held), classes) if images.held else None
    return Ready(recipe.telling(classes, weights), data, validation)


def of_distances(recipe: DistanceRecipe, images: Material, void: int | None) -> Ready:
    """Make ready what learns how far a pixel lies from its object's border.

    Parameters
    ----------
    recipe
        Of distances.
    images
        Their labels are numbers of objects.
    void
        The label that stands for unknown, where there is one.

    Raises
    ------
    InputError
        If the recipe's reach is no distance, or no object is in what is held out.
    """
    learned, held = (
        distances(pairs, recipe.reach_px, void) for pairs in (images.learned, images.held)
    )
    if held and not any(_has_depth(pair) for pair in held):
        raise InputError(
            "No object is annotated in what is held out, so distances cannot be measured there; "
            "annotate some there, or hold out other images."
        )
    data = TrainingSet(learned, seed=images.seed)
    return Ready(recipe, data, ValueValidation(tuple(held)) if held else None)


def _has_depth(pair: Pair) -> bool:
    box = middle_of(pair.box)
    return any(bool((each.read(box) > 0).any()) for each in pair.annotations)


def reaching(recipe: DistanceRecipe, reach_px: int | None) -> DistanceRecipe:
    """Return a recipe with another distance that is 1; the same where none is given."""
    return replace(recipe, reach_px=recipe.reach_px if reach_px is None else reach_px)
