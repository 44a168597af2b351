"""The sentences and names that the panel *Train* shows; pure text, no Qt."""

import re
from collections.abc import Mapping
from pathlib import Path

from napari_superpixels.engine.tally import duration
from napari_superpixels.models.weights import LONGEST_NAME
from napari_superpixels.napari_ui.diary import Learnt
from napari_superpixels.napari_ui.material import Outlook
from napari_superpixels.training.task import SHORT, Done

NOTHING_CHOSEN = "Choose an image and its labels; paint some, where there are none."
MOST_TOLD = 6
"""Classes whose pixels are told."""
LOOKING = "Train: looking at the labels."
STARTING = "Training: starting."
STOPPING = "Training: stopping after this step; the weights so far are kept."


SCORES = {
    "asa": ("ASA", "br", "boundary recall"),
    "miou": ("mIoU", "boundary_f", "boundary F"),
    "delta1": ("δ1", "rms", "rms error"),
}
"""What scores are called, by the one that is watched: that, and a second one."""


def score_of(scores: Mapping[str, float]) -> str:
    """Return which of the scores of a validation is watched; nothing where there is none of it."""
    return next((name for name in SCORES if name in scores), "")


def proposed_name(image: str, method: str) -> str:
    """Return what weights from a layer may be called: what of its name is allowed."""
    words = " ".join(re.findall(r"[\w-]+", image))[: LONGEST_NAME - len(method) - 1]
    return " ".join(filter(None, [words.strip(" -"), method]))


def outlook_sentence(outlook: Outlook) -> str:
    """Return what a training would do."""
    known = f"{outlook.pixels:,} annotated pixels in {_told(outlook)}"
    if not outlook.held:
        return f"Train: {known}; too few to hold any out, so nothing is measured."
    return f"Train: {known}; {outlook.held:,} are held out to measure on."


def _told(outlook: Outlook) -> str:
    """Return what is annotated; of classes how much of each there is to learn from."""
    if not outlook.classes:
        return f"{outlook.segments:,} segments"
    each = [f"{name}: {count:,}" for name, count in outlook.classes.items()]
    most = each if len(each) <= MOST_TOLD else [*each[:MOST_TOLD], "..."]
    return f"{len(each)} classes ({', '.join(most)})"


def learning_sentence(learnt: Learnt) -> str:
    """Return how far a training is, its loss, the time left and the scores."""
    if not learnt.done:
        return STARTING
    words = [f"step {learnt.done} of {learnt.steps}", f"loss {learnt.losses[-1]:.3g}"]
    if learnt.seconds_left is not None and learnt.done < learnt.steps:
        words.append(f"about {duration(learnt.seconds_left)} left")
    last = learnt.scores[-1][1] if learnt.scores else {}
    return f"Training: {', '.join(words)}.{_scores(last, learnt)}"


def _scores(scores: dict[str, float], learnt: Learnt) -> str:
    """Return scores beside those of the weights that a training began with."""
    main = score_of(scores)
    if not main:
        return ""
    step, first = learnt.scores[0]
    title, other, other_title = SCORES[main]
    began = f" (began at {first[main]:.4f})" if step == 0 else ""
    second = f", {other_title} {scores[other]:.3f}" if other in scores else ""
    return f" Held out: {title} {scores[main]:.4f}{began}{second}."


def done_sentence(done: Done, learnt: Learnt, method: str) -> str:
    """Return how a training ended."""
    if not done.path:
        return "Training: stopped before the first step, so there are no weights."
    steps = "1 step" if done.step == 1 else f"{done.step} steps"
    how = steps if done.finished else f"stopped after {steps}"
    name = Path(done.path).stem
    where = f"for {method} in Superpixels" if SHORT[method].learns == "segments" else "in Segment"
    return (
        f"Training: {how}; the weights {name!r} can be chosen {where}."
        f"{_scores(done.scores, learnt)}"
    )
