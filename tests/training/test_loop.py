"""The loop: one trajectory however often it is interrupted, and a stop where numbers end."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_superpixels.errors import (
    Cancelled,
    InputError,
    OutputError,
    TrainingError,
)
from napari_superpixels.testing.tiny import TinyNetwork, tiny_loss, tiny_recipe
from napari_superpixels.training.ahead import read_ahead
from napari_superpixels.training.checkpoint import BEST, LAST, Checkpoint
from napari_superpixels.training.data import Crops, TrainingSet
from napari_superpixels.training.events import Saved, StepDone, TrainingStarted, Validated
from napari_superpixels.training.loop import Run, Running, train
from napari_superpixels.training.objectives import AinetLoss
from napari_superpixels.training.pairs import find_pairs
from napari_superpixels.training.recipe import Cosine, Steps
from napari_superpixels.training.trajectory import check_same, settings_of
from napari_superpixels.training.validate import NOISE, Validation


def weights(folder, name=LAST):
    return Checkpoint.load(folder / name).network


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


class StopAt:
    """Asks to stop once some steps were done."""

    def __init__(self, steps):
        self.steps, self.seen = steps, []

    def __call__(self, event):
        self.seen.append(event)

    def stopped(self):
        done = [event.step for event in self.seen if isinstance(event, StepDone)]
        return bool(done) and done[-1] >= self.steps


def test_an_interrupted_training_goes_on_along_the_same_trajectory(tiny, data, tmp_path):
    pairs = list(data.pairs)
    running = Running(save_every=4, validate_every=3)
    whole = train(tiny, data, tmp_path / "whole", validation=Validation.of(pairs), running=running)
    parts = tmp_path / "parts"
    for stop in (1, 5, 99):
        listener = StopAt(stop)
        ended = train(
            tiny,
            TrainingSet(find_pairs(pairs[0].image.location.rpartition("/")[0]), seed=3),
            parts,
            validation=Validation.of(pairs),
            running=Running(save_every=4, validate_every=3, readers=2),
            resume=parts.exists(),
            listener=listener,
            stopped=listener.stopped,
        )
        assert ended.step == min(stop, 6)
        assert ended.finished == (stop == 99)
    assert same(weights(parts), weights(tmp_path / "whole"))
    assert same(weights(parts, BEST), weights(tmp_path / "whole", BEST))
    log = (parts / "log.csv").read_text()
    assert log == (tmp_path / "whole" / "log.csv").read_text()
    assert ended.scores == whole.scores


def test_what_a_crash_left_behind_its_checkpoint_is_done_again(tiny, data, tmp_path):
    train(tiny, data, tmp_path / "whole", running=Running(save_every=2))

    def crash(event):
        if isinstance(event, StepDone) and event.step == 3:
            raise MemoryError

    with pytest.raises(MemoryError):
        train(tiny, data, tmp_path / "parts", running=Running(save_every=2), listener=crash)
    train(tiny, data, tmp_path / "parts", running=Running(save_every=2), resume=True)
    assert same(weights(tmp_path / "parts"), weights(tmp_path / "whole"))
    logs = [(tmp_path / name / "log.csv").read_text() for name in ("parts", "whole")]
    assert logs[0] == logs[1]


def test_seeds_make_other_weights(tiny, data, folder, tmp_path):
    state = torch.get_rng_state()
    train(tiny, data, tmp_path / "a")
    train(tiny, TrainingSet(find_pairs(folder), seed=4), tmp_path / "b")
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert torch.equal(torch.get_rng_state(), state), "the caller's generator is left alone"


def test_listeners_hear_of_everything_in_order(tiny, data, tmp_path):
    heard = []
    train(
        tiny,
        data,
        tmp_path / "a",
        validation=Validation.of(data.pairs, 1),
        running=Running(save_every=3, validate_every=3),
        listener=heard.append,
    )
    kinds = [type(event) for event in heard]
    half = [StepDone] * 3 + [Validated, Saved]
    assert kinds == [TrainingStarted, *half, *half]
    assert heard[0] == TrainingStarted(steps=6, done=0, annotations=6)
    assert heard[1].losses.keys() == {"label", "compactness"}
    assert heard[1].loss == pytest.approx(sum(heard[1].losses.values()))


def test_the_best_checkpoint_is_the_one_with_the_best_accuracy(tiny, data, tmp_path):
    heard = []
    train(
        tiny,
        data,
        tmp_path / "a",
        validation=Validation.of(data.pairs),
        running=Running(validate_every=1),
        listener=heard.append,
    )
    scores = {event.step: event.scores["asa"] for event in heard if isinstance(event, Validated)}
    best = Checkpoint.load(tmp_path / "a" / BEST)
    as_good = [step for step, asa in scores.items() if asa > max(scores.values()) - NOISE]
    assert best.step == as_good[-1]
    assert best.best == max(scores.values())


@pytest.mark.parametrize(
    ("measured", "kept"),
    [((0.5, 0.9, 0.8995, 0.7), 3), ((0.5, 0.9, 0.7, 0.8), 2), ((0.9, 0.8985, 0.897, 0.8955), 2)],
)
def test_of_checkpoints_as_good_the_latest_is_kept(
    tiny, data, tmp_path, monkeypatch, measured, kept
):
    """In the last case each is as good as the one before, but the third no more as the first."""
    scores = ({"asa": value, "br": 0.5, "superpixels": 9.0} for value in measured)
    monkeypatch.setattr(Validation, "__call__", lambda *_: next(scores))
    running = Running(validate_every=1)
    validation = Validation.of(data.pairs)
    train(tiny.lasting(4), data, tmp_path, validation=validation, running=running)
    assert Checkpoint.load(tmp_path / BEST).step == kept


def test_a_training_learns(data, tmp_path):
    heard = []
    recipe = tiny_recipe(steps=60, rate=Steps(1e-2), batch=4)
    train(recipe, data, tmp_path / "a", listener=heard.append)
    losses = [event.losses["label"] for event in heard if isinstance(event, StepDone)]
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:5])


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_loss_that_turns_nan_stops_at_the_last_good_checkpoint(data, tmp_path, where):
    names = data.batch(3, 2, Crops(size=24)).names

    def poisoned(network, batches, step, rng):
        terms = tiny_loss(network, batches, step, rng)
        if step == 3 and names[1] in batches[0].names:
            if where == "loss":
                return terms | {"label": terms["label"] * float("nan")}
            zero = next(network.parameters()).sum() * 0
            return terms | {"label": terms["label"] + torch.sqrt(zero)}
        return terms

    recipe = tiny_recipe(loss=poisoned)
    with pytest.raises(TrainingError, match=f"step 4, on {names[1]};.*of step 2") as caught:
        train(recipe, data, tmp_path / "a", running=Running(save_every=2))
    assert names[0] not in str(caught.value) or names[0] == names[1]
    good = Checkpoint.load(tmp_path / "a" / LAST)
    assert good.step == 2
    assert all(bool(tensor.isfinite().all()) for tensor in good.network.values())


def test_ctrl_c_keeps_the_last_checkpoint(tiny, data, tmp_path):
    def press(event):
        if isinstance(event, StepDone) and event.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(Cancelled, match=r"after step 3; step 2 is kept.*--resume"):
        train(tiny, data, tmp_path / "a", running=Running(save_every=2), listener=press)
    assert Checkpoint.load(tmp_path / "a" / LAST).step == 2
    with pytest.raises(Cancelled, match="before the first checkpoint; nothing is kept"):
        train(tiny, data, tmp_path / "b", listener=press)


def test_a_folder_with_a_training_is_not_overwritten(tiny, data, tmp_path):
    train(tiny, data, tmp_path)
    before = weights(tmp_path)
    with pytest.raises(OutputError, match="holds a training already"):
        train(tiny, data, tmp_path)
    assert same(weights(tmp_path), before)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"batch": 3}, "batch 2"),
        ({"crops": (Crops(size=16),)}, "crops"),
        ({"name": "x"}, "recipe"),
        ({"weight_decay": 0.5}, "weight_decay 0.0"),
        ({"loss": AinetLoss(begin=3)}, r"loss 'tiny_loss'.*AinetLoss\(begin=3\)"),
        ({"rate": Cosine(1e-3, 1e-5)}, "rate"),
    ],
)
def test_going_on_with_something_else_is_refused(tiny, data, tmp_path, changes, told):
    train(tiny, data, tmp_path)
    with pytest.raises(InputError, match=told):
        train(tiny_recipe(**changes), data, tmp_path, resume=True)
    with pytest.raises(InputError, match="precision 'full'"):
        train(tiny, data, tmp_path, resume=True, running=Running(mixed=True))


def test_going_on_with_other_images_is_refused(tiny, data, folder, tmp_path):
    train(tiny, data, tmp_path / "a")
    pairs = find_pairs(folder)
    renamed = [replace(pairs[0], name="another"), *pairs[1:]]
    others = {
        "images": (TrainingSet(renamed, seed=3), None),
        "void 'None'": (TrainingSet(pairs, seed=3, void=7), None),
        "validated ''": (data, Validation.of(pairs)),
    }
    for told, (other, validation) in others.items():
        with pytest.raises(InputError, match=told):
            train(tiny, other, tmp_path / "a", validation=validation, resume=True)


def test_a_rate_that_falls_to_the_last_step_keeps_that(data, tmp_path):
    falling = tiny_recipe(rate=Cosine(1e-3, 1e-5))
    train(falling, data, tmp_path)
    with pytest.raises(InputError, match="steps 6, but now it is 9"):
        train(replace(falling, steps=9), data, tmp_path, resume=True)


def test_another_device_is_another_trajectory(tiny, data):
    settings = settings_of(tiny, TinyNetwork(), data, None, Running())
    elsewhere = settings_of(tiny, TinyNetwork(), data, None, Running(device="cuda:1", mixed=False))
    assert {name for name in settings if settings[name] != elsewhere[name]} == {"device"}


def test_a_long_setting_is_told_where_it_differs(tiny, data, tmp_path):
    train(tiny, data, tmp_path)
    checkpoint = Checkpoint.load(tmp_path / LAST)
    wanted = {"config": "the same layers " * 9 + "and level 2 " + "of all stages " * 9}
    begun = replace(checkpoint, settings={"config": wanted["config"].replace("2", "4")})
    with pytest.raises(
        InputError, match=r"has config .*level 4.*, but now it is .*level 2"
    ) as told:
        check_same(begun, wanted, "here")
    assert len(str(told.value)) < 300


def test_a_training_is_measured_often_enough_to_end_early():
    usual = Running()
    assert [usual.validates_every(steps) for steps in (2, 20, 2000, 12_000)] == [1, 1, 100, 600]
    assert [usual.validates_every(steps) for steps in (20_000, 500_000)] == [1000, 1000]
    assert Running(validate_every=1000).validates_every(2000) == 1000


def test_validations_come_where_nothing_is_said_of_them(data, tmp_path):
    told = []
    train(tiny_recipe(steps=41), data, tmp_path, validation=Validation.of(data.pairs[:1]),
          listener=told.append)  # fmt: skip
    measured = [event.step for event in told if isinstance(event, Validated)]
    assert measured == [*range(2, 41, 2), 41]


def test_what_an_older_checkpoint_does_not_say_is_not_compared(tiny, data, tmp_path):
    train(tiny, data, tmp_path)
    checkpoint = Checkpoint.load(tmp_path / LAST)
    older = {name: checkpoint.settings[name] for name in ("recipe", "seed")}
    replace(checkpoint, settings=older).save(tmp_path / LAST)
    assert train(tiny, data, tmp_path, resume=True).finished


def test_going_on_with_nothing_is_refused(tiny, data, tmp_path):
    with pytest.raises(InputError, match="holds no training to go on with"):
        train(tiny, data, tmp_path / "typo", resume=True)
    assert not (tmp_path / "typo").exists()


def test_the_best_checkpoint_of_another_training_is_never_taken(tiny, data, tmp_path):
    """A training that validates before its first save, and dies at once."""

    def die(event):
        if isinstance(event, StepDone) and event.step == 2:
            raise MemoryError

    running = Running(validate_every=1, save_every=99)
    validation = Validation.of(data.pairs)
    with pytest.raises(MemoryError):
        train(tiny, data, tmp_path, validation=validation, running=running, listener=die)
    assert (tmp_path / LAST).exists()
    (tmp_path / LAST).unlink()
    with pytest.raises(OutputError, match=r"whose 'last\.pt' is gone"):
        train(tiny, data, tmp_path)


def test_other_devices_keep_their_random_numbers(tiny, data, tmp_path, monkeypatch):
    """The global seed would be that of the caller's GPUs too."""
    monkeypatch.setattr(torch, "manual_seed", lambda seed: pytest.fail("seeds every device"))
    Run(tiny, data, tmp_path, None, Running())


def test_the_checkpoint_of_another_network_is_refused(tiny, data, tmp_path):
    train(tiny, data, tmp_path)

    class Wider(TinyNetwork):
        def __init__(self):
            super().__init__()
            self.mix = torch.nn.Conv2d(6, 5, 1)

    with pytest.raises(InputError, match="another network"):
        train(tiny_recipe(network=Wider), data, tmp_path, resume=True)


def test_more_steps_may_be_asked_for_later(tiny, data, tmp_path):
    train(tiny, data, tmp_path / "a")
    train(tiny_recipe(steps=9), data, tmp_path / "a", resume=True)
    train(tiny_recipe(steps=9), data, tmp_path / "b")
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_crops_that_do_not_fit_are_refused_before_anything_is_written(data, tmp_path):
    with pytest.raises(InputError, match="at most 40"):
        train(tiny_recipe(crops=(Crops(size=48),)), data, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_biases_do_not_decay(data, tmp_path):
    """With a loss without gradient, decay alone moves the weights."""

    def nothing(network, batches, step, rng):
        return {"nothing": 0 * sum(p.sum() for p in network.parameters())}

    recipe = tiny_recipe(loss=nothing, weight_decay=0.1, steps=1)
    train(recipe, data, tmp_path / "a")
    torch.manual_seed(data.seed)
    start = TinyNetwork().state_dict()
    end = weights(tmp_path / "a")
    assert torch.equal(end["mix.bias"], start["mix.bias"])
    assert not torch.equal(end["mix.weight"], start["mix.weight"])


def test_rates_are_functions_of_the_step():
    halved = Steps(8.0, (10, 20))
    assert [halved(step, 99) for step in (0, 9, 10, 25)] == [8.0, 8.0, 4.0, 2.0]
    falling = Cosine(1.0, 0.1)
    assert falling(0, 10) == 1.0
    assert falling(5, 10) == pytest.approx(0.55)
    assert falling(10, 10) == falling(20, 10) == pytest.approx(0.1)


@pytest.mark.parametrize("threads", [1, 3])
def test_batches_are_read_ahead_in_order_and_never_too_many(threads):
    asked = []

    def read(number):
        asked.append(number)
        return number

    with read_ahead(read, range(20), threads) as batches:
        seen = [next(batches) for _ in range(5)]
        assert seen == [0, 1, 2, 3, 4]
        assert len(asked) <= 5 + 2 * threads + threads


def test_what_fails_in_a_reader_is_raised():
    def read(number):
        raise InputError("broken")

    with pytest.raises(InputError, match="broken"), read_ahead(read, range(3), 1) as batches:
        next(batches)


def test_half_precision_learns_too_and_is_another_trajectory(data, tmp_path):
    recipe = tiny_recipe(steps=30, rate=Steps(1e-2))
    heard = []
    train(recipe, data, tmp_path / "mixed", running=Running(mixed=True), listener=heard.append)
    train(recipe, data, tmp_path / "full")
    losses = [event.losses["label"] for event in heard if isinstance(event, StepDone)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:5])
    assert not same(weights(tmp_path / "mixed"), weights(tmp_path / "full"))


def test_precision_follows_the_device_where_it_is_not_said():
    assert Running().precision == "full"
    assert Running(device="cuda").precision == "mixed"
    assert Running(device="cuda", mixed=False).precision == "full"
