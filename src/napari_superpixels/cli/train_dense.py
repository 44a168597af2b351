"""What ``napari-superpixels train`` needs to know of labels: classes, distances, or segments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_superpixels.cli import options as opt
from napari_superpixels.errors import InputError

if TYPE_CHECKING:
    from napari_superpixels.training.classes import Classes
    from napari_superpixels.training.dense_recipes import ClassRecipe, DistanceRecipe
    from napari_superpixels.training.pairs import Pair
    from napari_superpixels.training.ready import Ready
    from napari_superpixels.training.recipe import Recipe

ClassesOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=VALUES,...",
        help="Of segmentation: which numbers of the labels mean which class, as in "
        "'membrane=0-128,glia=159+160,cell=*' (* is all the rest), or a JSON file.",
    ),
]
Ignore = Annotated[
    str | None,
    typer.Option(metavar="VALUES", help="Numbers of the labels that mean that nobody knows."),
]
IgnoreOthers = Annotated[
    bool,
    typer.Option("--ignore-others", help="All numbers that no class names mean that, too."),
]
Balanced = Annotated[
    bool, typer.Option("--balanced", help="Rare classes count as much as frequent ones.")
]
Backbone = Annotated[
    str | None, typer.Option(help="resnet18, resnet34, resnet50 or resnet101; else the recipe's.")
]
Level = Annotated[
    int | None,
    typer.Option(
        parser=opt.whole_number,
        metavar="NUMBER",
        help="Of networks with clusters: how many stages are clustered, 0 to 4; 2 by default.",
    ),
]
Sampling = Annotated[
    str | None,
    typer.Option(
        help="Of networks with clusters, what their seeds are: block (default), residual, identity."
    ),
]
Downsampling = Annotated[
    str | None,
    typer.Option(help="How a ResNet's maps get coarser: strided (default) or deformable."),
]
DistancePx = Annotated[
    int | None,
    typer.Option(
        parser=opt.positive_number,
        metavar="PIXELS",
        help="Of dorn and hcdorn: the distance to a border that is 1, by default 16.",
    ),
]
ValShare = Annotated[
    float | None,
    typer.Option(
        parser=opt.number,
        metavar="SHARE",
        help="Hold out that share of every image, instead of whole images.",
    ),
]
ValGap = Annotated[
    int | None,
    typer.Option(
        parser=opt.whole_number,
        metavar="PIXELS",
        help="Leave so many pixels between that share and the rest; 32 by default.",
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        parser=opt.positive_number,
        metavar="NUMBER",
        help="End early after so many validations that brought nothing better.",
    ),
]


@dataclass(frozen=True, slots=True)
class Images:
    """What is learned from, and what is held out."""

    learned: list["Pair"]
    held: list["Pair"]
    share: float | None = None
    """Of every image to learn from, what is held out instead."""
    gap_px: int | None = None
    """Pixels between that and the rest."""

    def parted(self, crop: int, void: int | None) -> tuple[list["Pair"], list["Pair"]]:
        """Return both, once a share of every image is cut off where one is asked for.

        Parameters
        ----------
        crop
            Side of the crops that what is left must hold, in pixels.
        void
            The label that means unknown.
        """
        from napari_superpixels.training.annotated import GAP_PX
        from napari_superpixels.training.split import split_region

        if self.share is None:
            return self.learned, self.held
        gap = GAP_PX if self.gap_px is None else self.gap_px
        parts = [
            split_region(pair, share=self.share, crop=crop, gap_px=gap, void=void)
            for pair in self.learned
        ]
        return [learned for learned, _ in parts], [held for _, held in parts]

    def with_labels(self, change: Callable[[list["Pair"]], list["Pair"]]) -> "Images":
        """Return the same images with other annotations."""
        return replace(self, learned=change(self.learned), held=change(self.held))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the options say of the labels."""

    classes: str | None = None
    ignored: str | None = None
    ignores_rest: bool = False
    balanced: bool = False
    distance_px: int | None = None
    void: int | None = None
    """The label that means unknown, of segments."""
    limit: int | None = None
    """Images that are validated on at most."""


@dataclass(frozen=True, slots=True)
class Meant:
    """A training that is ready to begin."""

    ready: "Ready"
    notes: Sequence[str] = ()
    """What is worth knowing before."""


def meant(recipe: "Recipe", images: Images, seed: int, meaning: Meaning) -> Meant:
    """Give numbers of label images the meaning that a recipe needs.

    Parameters
    ----------
    recipe
        Decides which kind of training it is.
    images
        To learn from, and to measure on.
    seed
        Of the training.
    meaning
        What the options say.

    Raises
    ------
    InputError
        If options and recipe, or labels and classes, do not fit.
    """
    from napari_superpixels.training.dense_recipes import ClassRecipe, DistanceRecipe

    of_classes = {
        "--classes": meaning.classes,
        "--ignore": meaning.ignored,
        "--ignore-others": meaning.ignores_rest,
        "--balanced": meaning.balanced,
    }
    of_distances = {"--distance-px": meaning.distance_px}
    if isinstance(recipe, ClassRecipe):
        _refuse(recipe, of_distances | {"--void": meaning.void})
        return _classes(recipe, images, seed, meaning)
    if isinstance(recipe, DistanceRecipe):
        _refuse(recipe, of_classes)
        return _distances(recipe, images, seed, meaning)
    _refuse(recipe, of_classes | of_distances)
    return _segments(recipe, images, seed, meaning)


def _some(pairs: Sequence["Pair"], limit: int | None) -> tuple["Pair", ...]:
    """Return at most so many of some images, evenly spread."""
    keep = len(pairs) if limit is None else min(limit, len(pairs))
    return tuple(pairs[n * len(pairs) // keep] for n in range(keep))


def _refuse(recipe: "Recipe", options: dict[str, Any]) -> None:
    """Refuse options that mean nothing for a recipe."""
    given = [name for name, value in options.items() if value is not None and value is not False]
    if given:
        raise InputError(
            f"{given[0]} means nothing for {recipe.name}; leave it out, or choose another recipe."
        )


def _side(recipe: "Recipe") -> int:
    return max(each.size for each in recipe.crops)


def _segments(recipe: "Recipe", images: Images, seed: int, meaning: Meaning) -> Meant:
    from napari_superpixels.training.notes import notes_on
    from napari_superpixels.training.ready import Material, of_segments

    learned, held = images.parted(_side(recipe), meaning.void)
    chosen = Material(learned, _some(held, meaning.limit), seed)
    ready = of_segments(recipe, chosen, meaning.void)
    return Meant(ready, notes_on(ready.data, len(held)))


def _classes(recipe: "ClassRecipe", images: Images, seed: int, meaning: Meaning) -> Meant:
    from napari_superpixels.training import class_counts as counting
    from napari_superpixels.training.classes import UNKNOWN, classified
    from napari_superpixels.training.notes import not_held_out
    from napari_superpixels.training.painted import measured_of, pieces_of
    from napari_superpixels.training.ready import Material, of_classes

    classes = _named(recipe, meaning)
    counting.check_present(images.learned + images.held, classes)
    known = images.with_labels(lambda pairs: classified(pairs, classes))
    learned, held = known.parted(_side(recipe), UNKNOWN)
    pieces = [piece for pair in learned for piece in pieces_of(pair, _side(recipe), UNKNOWN)]
    known_held = [p for pair in held for p in measured_of(pair, _side(recipe), UNKNOWN)]
    chosen = Material(pieces, _some(known_held, meaning.limit), seed)
    ready = of_classes(recipe, chosen, classes, evenly=meaning.balanced)
    counts = counting.count_pixels(pieces, classes)
    notes = [*not_held_out(len(learned), len(held)), *counting.notes_on_classes(counts, classes)]
    return Meant(ready, notes)


def _named(recipe: "ClassRecipe", meaning: Meaning) -> "Classes":
    from napari_superpixels.training.classes import parsed

    if meaning.classes is None:
        raise InputError(
            f"{recipe.name} learns classes, but none are named; give e.g. --classes "
            f"'background=0,nucleus=*'."
        )
    return parsed(meaning.classes, meaning.ignored or "", ignores_rest=meaning.ignores_rest)


def _distances(recipe: "DistanceRecipe", images: Images, seed: int, meaning: Meaning) -> Meant:
    from napari_superpixels.training.notes import not_held_out
    from napari_superpixels.training.ready import Material, of_distances, reaching

    learned, held = images.parted(_side(recipe), meaning.void)
    chosen = Material(learned, _some(held, meaning.limit), seed)
    ready = of_distances(reaching(recipe, meaning.distance_px), chosen, meaning.void)
    return Meant(ready, not_held_out(len(learned), len(held)))
