"""A recipe as the options of ``napari-superpixels train`` change it."""

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_superpixels.errors import InputError

if TYPE_CHECKING:
    from napari_superpixels.training.encoder import Encoder
    from napari_superpixels.training.recipe import Recipe


def changed(
    name: str,
    encoder: "Encoder",
    *,
    steps: int | None = None,
    batch: int | None = None,
    crop: int | None = None,
    rate: float | None = None,
    start: str | None = None,
) -> "Recipe":
    """Return a recipe with what the user wants otherwise.

    Raises
    ------
    InputError
        If there is no such recipe or weights, or a number cannot be used.
    """
    from napari_superpixels.training.recipes import recipe
    from napari_superpixels.training.start import starting_from

    made = recipe(name, encoder)
    made = made if start is None else starting_from(made, start)
    if rate is not None and not rate > 0:
        raise InputError(f"The rate is {rate:g}, but it must be above 0; give e.g. --rate 1e-4.")
    if crop is not None:
        check_crop(crop, made)
    made = made if rate is None else replace(made, rate=made.rate.beginning_at(rate))
    crops = tuple(replace(each, size=crop or each.size) for each in made.crops)
    return replace(made.lasting(steps or made.steps), crops=crops, batch=batch or made.batch)


def check_crop(crop: int, recipe: "Recipe") -> None:
    """Refuse crops that a recipe's network cannot learn from.

    Raises
    ------
    InputError
        With a size that it can.
    """
    least = 2 * max(recipe.step, recipe.align)
    if crop < least:
        raise InputError(
            f"Crops of {crop} pixels hold less than 2 x 2 cells of {least // 2}; give at least "
            f"--crop {least}."
        )
    if crop % recipe.align:
        raise InputError(
            f"Crops of {crop} pixels are no whole number of the {recipe.align} that "
            f"{recipe.name} sees together; give e.g. --crop {crop - crop % recipe.align}."
        )
    frame = min((each.frame for each in recipe.crops if each.frame), default=crop)
    if crop > frame:
        raise InputError(
            f"Crops of {crop} pixels do not fit into the {frame} to which {recipe.name} resizes "
            f"images; give at most --crop {frame}."
        )


def slow_note(recipe: "Recipe", device: str) -> str:
    """Return a sentence where a recipe for GPUs is to run on a processor, else an empty text."""
    from napari_superpixels.training.recipes import all_recipes

    short = f"{recipe.name}-cpu"
    if device != "cpu" or short not in all_recipes():
        return ""
    return (
        f"{recipe.name} is the paper's recipe, {recipe.steps} steps for a GPU; on a processor they "
        f"take days to months: {short} is made for that."
    )
