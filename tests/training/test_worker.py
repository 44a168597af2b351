"""What the process that trains does, here in this process; and the process itself, once."""

import pickle
import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_superpixels.errors import Cancelled, InputError, TrainingError
from napari_superpixels.io import open_source
from napari_superpixels.models.weights import find, read_card
from napari_superpixels.testing.weights import write_random_weights
from napari_superpixels.tiling import Box
from napari_superpixels.training import elsewhere, worker
from napari_superpixels.training.classes import PALETTE, classified, parsed
from napari_superpixels.training.dense_recipes import ClassRecipe, DistanceRecipe
from napari_superpixels.training.elsewhere import train_elsewhere
from napari_superpixels.training.events import StepDone, TrainingStarted, Validated
from napari_superpixels.training.objectives import AinetLoss
from napari_superpixels.training.pairs import Pair, StoredLabels
from napari_superpixels.training.recipes import recipe
from napari_superpixels.training.task import SHORT, Task
from napari_superpixels.training.validate import NOISE


@pytest.fixture
def task(own):
    """Three steps of scn on a tiny image of two halves, a part of which is held out."""
    rng = np.random.default_rng(0)
    labels = np.kron(np.arange(1, 7).reshape(2, 3), np.ones((32, 32), np.int32))
    image = (30 * labels + rng.integers(0, 20, labels.shape)).astype(np.uint8)
    pair = Pair("cells", open_source(image), (StoredLabels(open_source(labels)),))
    return Task(
        method="scn",
        learned=(replace(pair, area=Box.of((0, 64), (0, 64))),),
        held=(replace(pair, area=Box.of((0, 64), (48, 96))),),
        steps=2,
        crop=32,
        seed=5,
        target=own / "cells.safetensors",
        card={"data": "cells"},
    )


def never():
    return False


@pytest.mark.parametrize("method", SHORT)
def test_what_is_known_without_torch_is_what_the_recipes_say(method):
    short = SHORT[method]
    made = recipe(short.recipe)
    of_segments = short.learns == "segments"
    assert made.method == (method if of_segments else "segment")
    assert {crops.size for crops in made.crops} == {short.crop}
    kinds = {ClassRecipe: "classes", DistanceRecipe: "distances"}
    assert short.learns == kinds.get(type(made), "segments")
    assert short.multiple % made.step == short.multiple % made.align == 0
    assert short.crop % short.multiple == 0


def test_crops_fit_the_image():
    ssn = SHORT["ssn"]
    assert [ssn.crop_for(shape) for shape in [(500, 900), (131, 200), (19, 300)]] == [160, 120, 0]


def test_a_task_travels_and_takes_its_pixels_along(task):
    again = pickle.loads(pickle.dumps(task))
    box = Box.of((0, 8), (0, 8))
    for one, other in zip(task.learned, again.learned, strict=True):
        np.testing.assert_array_equal(
            one.image.read(0, box).pixels, other.image.read(0, box).pixels
        )
    assert again.target == task.target


def test_weights_and_card_lie_in_the_folder_and_nothing_else(task, own):
    events = []
    done = worker.perform(task, events.append, never)
    assert (done.step, done.finished, done.path) == (2, True, str(task.target))
    assert sorted(path.name for path in own.iterdir()) == ["cells.json", "cells.safetensors"]
    card = read_card(task.target)
    assert (card["data"], card["recipe"], card["seed"]) == ("cells", "scn-cpu", 5)
    assert card["steps"] in (1, 2)  # of the best checkpoint
    assert card["validation"] == done.scores
    assert find("cells", "scn").path == str(task.target)
    assert [type(event) for event in events].count(StepDone) == 2
    told = {event.step: event.scores for event in events if isinstance(event, Validated)}
    assert told[card["steps"]] == done.scores
    assert done.scores["asa"] > max(scores["asa"] for scores in told.values()) - NOISE


def test_what_it_begins_with_is_measured_first(task, tmp_path):
    start = str(write_random_weights(tmp_path, "scn"))
    events = []
    worker.perform(replace(task, start=start), events.append, never)
    assert isinstance(events[0], Validated)
    assert events[0].step == 0
    assert isinstance(events[1], TrainingStarted)


def test_stopped_it_keeps_the_weights_so_far(task):
    steps = []

    def listen(event):
        steps.extend([event.step] if isinstance(event, StepDone) else [])

    done = worker.perform(replace(task, steps=50), listen, lambda: bool(steps))
    assert (done.step, done.finished) == (1, False)
    assert read_card(task.target)["steps"] == 1


def test_stopped_before_the_first_step_there_are_none(task, own):
    done = worker.perform(task, lambda _: None, lambda: True)
    assert (done.step, done.path) == (0, "")
    assert list(own.iterdir()) == []


def test_weights_that_came_meanwhile_stay(task, own):
    own.mkdir()
    task.target.write_text("mine")
    done = worker.perform(task, lambda _: None, never)
    assert done.path == str(own / "cells 2.safetensors")
    assert task.target.read_text() == "mine"


def test_what_cannot_be_begun_with_is_refused_and_leaves_nothing(task, own):
    with pytest.raises(InputError, match="no weights 'nowhere'"):
        worker.perform(replace(task, start="nowhere"), lambda _: None, never)
    with pytest.raises(InputError, match="Crops of 96 pixels"):
        worker.perform(replace(task, crop=96), lambda _: None, never)
    assert not own.exists() or list(own.iterdir()) == []


def test_a_training_that_diverges_keeps_its_last_checkpoint(task, own, monkeypatch):
    def diverged(*_args, **_kwargs):
        raise TrainingError("The loss is no finite number.")

    monkeypatch.setattr(worker, "train", diverged)
    with pytest.raises(TrainingError):
        worker.perform(task, lambda _: None, never)
    assert [path.name.partition("-")[0] for path in own.iterdir()] == ["training"]


def test_what_begins_late_begins_as_late_in_a_short_training(task):
    made = worker.chosen_recipe(replace(task, method="ainet", steps=200))
    assert made.loss == AinetLoss(begin=150)
    assert (made.steps, made.crops[0].size) == (200, 32)


def test_a_network_is_made_for_the_channels_of_the_layers(task):
    five = np.zeros((5, 64, 96), np.uint8)
    image = open_source(five, axes="cyx")
    many = replace(task, learned=tuple(replace(one, image=image) for one in task.learned), held=())
    done = worker.perform(many, lambda _: None, never)
    assert read_card(done.path and task.target)["config"]["channels"] == 5
    with pytest.raises(InputError, match="ssn-cpu sees colours"):
        worker.perform(replace(many, method="ssn"), lambda _: None, never)


@pytest.fixture
def painted(task):
    """The same task of classes, of which halves of the cells are unknown."""
    classes = parsed("few#ff0000=1+3,many=2+4+5", "6")
    learned, held = (tuple(classified(pairs, classes)) for pairs in (task.learned, task.held))
    return replace(task, method="hcfcn", learned=learned, held=held, classes=classes, crop=64)


def test_classes_are_learned_with_their_names_and_colours(painted):
    events = []
    done = worker.perform(painted, events.append, never)
    card = read_card(painted.target)
    told = [(one["name"], one["colour"]) for one in card["config"]["classes"]]
    assert told == [("few", "#ff0000"), ("many", PALETTE[1])]
    assert (card["network"], card["recipe"]) == ("segmentation", "hcfcn-cpu")
    assert 0 <= done.scores["miou"] <= 1
    assert find("cells", "segmentation").path == str(painted.target)


def test_rare_classes_weigh_more_where_they_are_to_count_alike(painted):
    assert worker.ready(replace(painted, evenly=False)).recipe.loss.weights is None
    few, many = worker.ready(painted).recipe.loss.weights
    assert few == pytest.approx(3 * many, rel=1e-3)


def test_distances_are_learned(task):
    done = worker.perform(replace(task, method="hcdorn", crop=64), lambda _: None, never)
    assert read_card(task.target)["config"]["output"] == "map"
    assert "delta1" in done.scores


def test_own_weights_of_classes_are_gone_on_with(painted, own):
    worker.perform(painted, lambda _: None, never)
    again = replace(painted, start="cells", target=own / "more.safetensors")
    events = []
    worker.perform(again, events.append, never)
    assert "miou" in events[0].scores  # of what it begins with
    assert read_card(again.target)["start"]["name"] == "cells"
    swapped = parsed("many=2+4+5,few=1+3", "6")
    with pytest.raises(InputError, match="tell the classes few, many, but here they are many, few"):
        worker.perform(replace(again, classes=swapped), lambda _: None, never)
    with pytest.raises(InputError, match="start from weights that agree"):
        worker.perform(replace(again, method="hcfpn"), lambda _: None, never)


def test_the_process_itself_tells_of_every_step_and_writes_the_weights(task):
    events = []
    done = train_elsewhere(task, events.append, threading.Event())
    assert (done.step, done.finished, done.path) == (2, True, str(task.target))
    assert [event.step for event in events if isinstance(event, StepDone)] == [1, 2]


WORKER = """
import json, os, pickle, sys
task = pickle.load(sys.stdin.buffer)
def tell(**values):
    print(json.dumps(values), flush=True)
kind = task["kind"]
if kind == "fails":
    tell(kind="failed", error="InputError", sentence="It does not fit.")
elif kind == "dies":
    tell(kind="TrainingStarted", steps=2, done=0, annotations=1)
    os._exit(9)
else:
    tell(kind="TrainingStarted", steps=2, done=0, annotations=1)
    asked = sys.stdin.buffer.read(1)  # a byte, or the end of the pipe
    if asked and task.get("slow"):
        import time
        time.sleep(0.5)  # the pipe must stay open meanwhile
        os.set_blocking(0, False)
        if sys.stdin.buffer.read() == b"":  # its end
            os._exit(9)
    open(task["mark"], "w").close()
    tell(kind="Done", step=1, finished=False, scores={}, path="x")
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A worker that needs no torch and does what it is told."""
    (tmp_path / "stand_in_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(elsewhere, "WORKER", "stand_in_worker")
    return tmp_path / "mark"


def test_a_failure_there_is_raised_here(stand_in):
    with pytest.raises(InputError, match=r"^It does not fit\.$"):
        train_elsewhere({"kind": "fails"}, lambda _: None, threading.Event())


def test_a_process_that_dies_is_told_in_a_sentence(stand_in):
    with pytest.raises(TrainingError, match="ended unexpectedly, maybe for lack of memory"):
        train_elsewhere({"kind": "dies"}, lambda _: None, threading.Event())


def test_stop_ends_it_and_its_last_word_is_waited_for(stand_in):
    stop = threading.Event()
    given = {"kind": "waits", "mark": str(stand_in)}
    done = train_elsewhere(given, lambda _: stop.set(), stop)
    assert (done.step, done.path) == (1, "x")
    assert stand_in.exists()


def test_one_that_was_asked_to_stop_may_take_its_time(stand_in):
    stop = threading.Event()
    given = {"kind": "waits", "mark": str(stand_in), "slow": True}
    assert train_elsewhere(given, lambda _: stop.set(), stop).path == "x"


def test_where_nobody_waits_any_more_it_still_comes_to_its_end(stand_in):
    cancel = threading.Event()
    given = {"kind": "waits", "mark": str(stand_in)}
    with pytest.raises(Cancelled):
        train_elsewhere(given, lambda _: cancel.set(), threading.Event(), cancel)
    assert stand_in.exists()
    assert not [t for t in threading.enumerate() if t.name == "superpixels-lines"]
