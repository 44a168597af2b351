"""How far a training is, from its events; and what is said of it."""

import pytest

from napari_superpixels.napari_ui.diary import Diary, Learnt
from napari_superpixels.napari_ui.material import Outlook
from napari_superpixels.napari_ui.train_wording import (
    STARTING,
    done_sentence,
    learning_sentence,
    outlook_sentence,
    proposed_name,
)
from napari_superpixels.training.events import StepDone, TrainingStarted, Validated
from napari_superpixels.training.task import Done


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def diary(clock: Clock) -> Diary:
    return Diary(clock)


def _step(number: int, loss: float = 0.5) -> StepDone:
    return StepDone(number, 1e-3, {"label": loss})


def test_before_anything_happened(diary: Diary) -> None:
    assert diary.learnt == Learnt()
    assert learning_sentence(diary.learnt) == STARTING


def test_losses_and_scores_are_kept_in_order(diary: Diary) -> None:
    for event in (
        Validated(0, {"asa": 0.9, "br": 0.7}),
        TrainingStarted(3, 0, 1),
        _step(1, 0.5),
        _step(2, 0.25),
        Validated(2, {"asa": 0.95, "br": 0.8}),
    ):
        diary(event)
    assert (diary.learnt.steps, diary.learnt.done) == (3, 2)
    assert diary.learnt.losses == (0.5, 0.25)
    assert [step for step, _ in diary.learnt.scores] == [0, 2]


def test_what_was_asked_for_earlier_does_not_change(diary: Diary) -> None:
    diary(TrainingStarted(3, 0, 1))
    earlier = diary.learnt
    diary(_step(1))
    assert earlier.losses == ()


def test_the_time_left_follows_the_latest_steps(diary: Diary, clock: Clock) -> None:
    diary(TrainingStarted(100, 0, 1))
    assert diary.learnt.seconds_left is None
    clock.now += 50.0  # the first step is slow
    diary(_step(1))
    assert diary.learnt.seconds_left == pytest.approx(99 * 50.0)
    for number in range(2, 41):
        clock.now += 2.0
        diary(_step(number))
    assert diary.learnt.seconds_left == pytest.approx(60 * 2.0)
    clock.now += 1.5
    assert diary.learnt.seconds_left == pytest.approx(60 * 2.0 - 1.5)
    clock.now += 1e6
    assert diary.learnt.seconds_left == 0


def test_the_sentence_has_loss_time_and_scores() -> None:
    scores = ((0, {"asa": 0.91234, "br": 0.7}), (10, {"asa": 0.95, "br": 0.8125}))
    learnt = Learnt(steps=200, losses=(0.4, 0.25), scores=scores, seconds_left=400.0)
    assert learning_sentence(learnt) == (
        "Training: step 2 of 200, loss 0.25, about 7 min left. Held out: ASA 0.9500 "
        "(began at 0.9123), boundary recall 0.812."
    )
    alone = Learnt(steps=2, losses=(0.4, 0.25), scores=scores[1:], seconds_left=0.0)
    assert learning_sentence(alone) == (
        "Training: step 2 of 2, loss 0.25. Held out: ASA 0.9500, boundary recall 0.812."
    )


def test_the_outlook_says_what_is_known_and_held_out() -> None:
    found = Outlook(pixels=61440, segments=27, held=0, crop=80)
    assert "61,440 annotated pixels in 27 segments; too few" in outlook_sentence(found)
    held = Outlook(pixels=61440, segments=27, held=1024, crop=80)
    assert "1,024 are held out" in outlook_sentence(held)


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (Done(0, False, {}, ""), "there are no weights"),
        (Done(1, False, {}, "own/a.safetensors"), "stopped after 1 step; the weights 'a' can"),
        (Done(9, True, {}, "a.safetensors"), "Training: 9 steps; the weights 'a' can"),
    ],
)
def test_the_end_is_told(done: Done, words: str) -> None:
    assert words in done_sentence(done, Learnt(), "ssn")


def test_the_end_has_the_scores_of_the_weights_and_not_of_the_last_step() -> None:
    scores = ((0, {"asa": 0.9, "br": 0.7}), (2, {"asa": 0.8, "br": 0.6}))
    done = Done(2, True, {"asa": 0.95, "br": 0.75}, "a.safetensors")
    sentence = done_sentence(done, Learnt(scores=scores), "ssn")
    assert sentence.endswith("Held out: ASA 0.9500 (began at 0.9000), boundary recall 0.750.")


@pytest.mark.parametrize(
    ("image", "name"),
    [("cells", "cells ssn"), ("a/b: c.tif [1]", "a b c tif 1 ssn"), ("...", "ssn"),
     ("x" * 200, "x" * 76 + " ssn"), ("- é -", "é ssn")],
)  # fmt: skip
def test_a_name_is_proposed_that_is_allowed(image: str, name: str) -> None:
    from napari_superpixels.models.weights import NAME

    assert proposed_name(image, "ssn") == name
    assert NAME.fullmatch(name)
