"""One image for learning and measuring: a part of what is annotated is held out, with a gap."""

from dataclasses import replace

from napari_superpixels.errors import InputError
from napari_superpixels.tiling import Box
from napari_superpixels.training.annotated import GAP_PX, LEAST_HELD_PX, look_at
from napari_superpixels.training.pairs import Pair

MOST_HELD = 0.5
"""Of what is annotated."""


def known_box(pair: Pair, void: int | None) -> Box:
    """Return the smallest box that holds all that is annotated of an image.

    Raises
    ------
    InputError
        If nothing is.
    """
    boxes = [look_at(each, void, pair.box).box for each in pair.annotations]
    known = [box for box in boxes if min(box.shape) > 0]
    if not known:
        raise InputError(
            f"Nothing is annotated of '{pair.name}'; paint some of each class, or leave it out."
        )
    sides = [
        (min(box[axis].start for box in known), max(box[axis].stop for box in known))
        for axis in (0, 1)
    ]
    return Box.of(*sides)


def split_region(
    pair: Pair, *, share: float, crop: int, gap_px: int = GAP_PX, void: int | None = None
) -> tuple[Pair, Pair]:
    """Cut an image in two, along the longer side of what is annotated: the last part is held out.

    Parameters
    ----------
    pair
        The image.
    share
        Part of that side that is held out, above 0 and at most `MOST_HELD`.
    crop
        Side of a crop of what is learned from, in pixels.
    gap_px
        Pixels between the two that belong to neither.
    void
        The label that stands for unknown.

    Returns
    -------
    Pair, Pair
        What is learned from, and what is held out.

    Raises
    ------
    InputError
        If nothing is annotated, or a part is too small.
    """
    if not 0 < share <= MOST_HELD or gap_px < 0:
        raise InputError(
            f"A share of {share:g} of an image is to be held out with a gap of {gap_px} pixels; "
            f"give a share above 0 and at most {MOST_HELD:g}, and a gap of 0 or more."
        )
    box = known_box(pair, void)
    axis = 0 if box.shape[0] >= box.shape[1] else 1
    cut = box[axis].stop - round(share * box.shape[axis])
    learned = _with_side(box, axis, box[axis].start, max(box[axis].start, cut - gap_px))
    held = _with_side(box, axis, cut, box[axis].stop)
    _check_sizes(pair, learned, held, crop)
    return replace(pair, area=learned), replace(pair, area=held)


def _with_side(box: Box, axis: int, start: int, stop: int) -> Box:
    sides = [(side.start, side.stop) for side in box]
    sides[axis] = (start, stop)
    return Box.of(*sides)


def _check_sizes(pair: Pair, learned: Box, held: Box, crop: int) -> None:
    if min(learned.shape) >= crop and min(held.shape) >= LEAST_HELD_PX:
        return
    told = " and ".join(" x ".join(map(str, box.shape)) for box in (learned, held))
    raise InputError(
        f"What is annotated of '{pair.name}' is cut into {told} pixels, but the first must hold "
        f"crops of {crop}, and the second {LEAST_HELD_PX} along both sides; annotate more, or give "
        f"smaller crops, another --val-share or a smaller --val-gap."
    )
