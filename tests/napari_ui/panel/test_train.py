"""The panel Train, with a stand-in for the process that trains: steps pass when a test says so."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_superpixels.engine.child import wait_for
from napari_superpixels.errors import Cancelled, TrainingError
from napari_superpixels.models.weights import named_weights
from napari_superpixels.napari_ui import learning, lesson, material
from napari_superpixels.napari_ui import named_weights as named_weights_module
from napari_superpixels.napari_ui.remembered import TRAINING_FILE, settings_folder
from napari_superpixels.napari_ui.train_widget import TrainWidget
from napari_superpixels.testing.weights import write_random_weights
from napari_superpixels.training.events import StepDone, TrainingStarted, Validated
from napari_superpixels.training.task import Done, Task

PLUGIN = "napari-superpixels"


class Teacher:
    """Stands in for the other process: a step for each `pass_steps`, and weights at the end."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.threads: set[int] = set()
        self.cancelled = threading.Event()
        self.fails = ""
        self._steps = threading.Semaphore(0)

    def pass_steps(self, count: int) -> None:
        self._steps.release(count)

    def __call__(self, task: Task, listener: Any, stop: Any, cancel: Any) -> Done:
        self.tasks.append(task)
        self.threads.add(threading.get_ident())
        listener(TrainingStarted(task.steps, 0, 1))
        done = 0
        while done < task.steps and self._may_go_on(stop, cancel):
            if self.fails:
                raise TrainingError(self.fails)
            done += 1
            listener(StepDone(done, 1e-3, {"label": 1 / done}))
            listener(Validated(done, {"asa": 0.9, "br": 0.5, "superpixels": 9.0}))
        if not done:
            return Done(0, False, {}, "")
        made = write_random_weights(task.target.parent, task.method)
        made.rename(task.target)
        made.with_suffix(".json").rename(task.target.with_suffix(".json"))
        return Done(done, done == task.steps, {}, str(task.target))

    def _may_go_on(self, stop: threading.Event, cancel: threading.Event) -> bool:
        def passed(seconds: float) -> bool:
            return stop.is_set() or self._steps.acquire(timeout=seconds)

        try:
            wait_for(passed, cancel)
        except Cancelled:
            self.cancelled.set()
            raise
        return not stop.is_set()


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> Teacher:
    made = Teacher()
    monkeypatch.setattr(learning, "train_elsewhere", made)
    return made


@pytest.fixture
def train(viewer: Any, own: Path, until: Any, teacher: Teacher) -> Any:
    """The panel in a dock of the viewer; nothing is remembered, and there are no own weights."""
    own.mkdir()
    folder = settings_folder()
    assert folder is not None
    (folder / TRAINING_FILE).unlink(missing_ok=True)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    until(lambda: widget.settled)
    return widget


@pytest.fixture
def cells(viewer: Any, train: Any, until: Any) -> Any:
    """An image and its labels, and scn to train in three steps."""
    rng = np.random.default_rng(0)
    viewer.add_image(rng.integers(0, 255, (120, 200), np.uint8), name="cells")
    squares = np.kron(np.arange(12).reshape(3, 4), np.ones((40, 50), np.int32))
    viewer.add_labels(squares, name="nuclei")
    train.method.value, train.steps.value = "scn", 3
    until(lambda: train.settled)
    return train


def _one(told: list[str], *words: str) -> None:
    """Check that one sentence was told, with all of these words."""
    assert len(told) == 1, told
    assert "\n" not in told[0]
    assert "Traceback" not in told[0]
    for word in words:
        assert word in told[0]


def test_without_layers_it_says_what_is_missing(train: Any, told: list[str]) -> None:
    assert "Choose an image and its labels" in train.sentence
    train.train()
    _one(told, "No image layer is chosen", "open or paint one")
    assert not train.training


def test_without_labels(train: Any, viewer: Any, picture: Any, told: list[str]) -> None:
    viewer.add_image(picture, name="cells")
    train.train()
    _one(told, "No Labels layer is chosen")


def test_it_says_what_it_will_do_and_proposes_the_rest(cells: Any) -> None:
    assert "24,000 annotated pixels in 12 segments" in cells.sentence
    assert (cells.crop.value, cells.weights.value) == (112, "cells scn")
    assert cells.start.value == "scn"
    assert set(cells.start.choices) >= {"new weights", "scn"}


def test_what_0_means_changes_what_is_known(cells: Any, viewer: Any, until: Any) -> None:
    cells.zero.value = "unknown"
    until(lambda: "22,000 annotated pixels in 11 segments" in cells.sentence)
    labels = viewer.layers["nuclei"]
    labels.data_setitem((np.array([5]), np.array([5])), 77)
    until(lambda: "22,001 annotated pixels in 12 segments" in cells.sentence)


def test_new_weights_can_be_chosen_at_once_in_the_other_panel(
    cells: Any, panel: Any, viewer: Any, teacher: Teacher, until: Any, own: Path
) -> None:
    panel.method.value = "scn"
    teacher.pass_steps(3)
    cells._panel.buttons["train"].click()
    until(lambda: not cells.training)
    assert "3 steps; the weights 'cells scn' can be chosen for scn" in cells.sentence
    weights = panel.parameter("weights")
    until(lambda: "cells scn" in weights.list.choices)
    weights.value = "cells scn"
    until(lambda: panel.settled)
    panel.images.value = [viewer.layers["cells"]]
    panel.run()
    until(lambda: not panel.running)
    facts = viewer.layers["cells scn 16px"].metadata["napari_superpixels"]["provenance"]
    assert facts["method"]["settings"]["weights"] == "cells scn"
    until(lambda: "cells scn" in cells.start.choices)


def test_the_task_is_what_was_chosen(cells: Any, teacher: Teacher, until: Any, own: Path) -> None:
    cells.crop.value, cells.seed.value, cells.zero.value = 64, 5, "unknown"
    cells.weights.value = "my own"
    teacher.pass_steps(3)
    cells.train()
    until(lambda: not cells.training)
    (task,) = teacher.tasks
    assert (task.method, task.steps, task.crop, task.seed, task.void) == ("scn", 3, 64, 5, 0)
    assert (task.start, task.target) == ("scn", own / "my own.safetensors")
    assert "'cells'" in task.card["data"]


def test_new_weights_are_a_choice_too(cells: Any, teacher: Teacher, until: Any) -> None:
    cells.start.value = "new weights"
    teacher.pass_steps(3)
    cells.train()
    until(lambda: not cells.training)
    assert teacher.tasks[0].start == ""


def test_the_curve_the_bar_and_the_sentence_follow(
    cells: Any, teacher: Teacher, until: Any
) -> None:
    cells.train()
    assert not cells._panel.buttons["train"].isEnabled()
    teacher.pass_steps(2)
    until(lambda: "step 2 of 3, loss 0.5" in cells.sentence)
    assert "ASA 0.9000" in cells.sentence
    assert (cells._panel.bar.value(), cells._panel.bar.maximum()) == (2, 3)
    assert not cells._panel.curve.isHidden()
    painted = cells._panel.curve.grab().toImage()
    teacher.pass_steps(1)
    until(lambda: not cells.training)
    assert cells._panel.curve.grab().toImage() != painted
    assert cells._panel.buttons["train"].isEnabled()


def test_stop_keeps_the_weights_so_far(cells: Any, teacher: Teacher, until: Any, own: Path) -> None:
    cells.train()
    teacher.pass_steps(1)
    until(lambda: "step 1 of 3" in cells.sentence)
    cells._panel.buttons["stop"].click()
    assert "the weights so far are kept" in cells.sentence
    until(lambda: not cells.training)
    assert "stopped after 1 step; the weights 'cells scn'" in cells.sentence
    assert named_weights()["scn"] == ["cells scn"]


def test_stopped_at_once_there_are_no_weights(cells: Any, until: Any, own: Path) -> None:
    cells.train()
    cells.stop()
    until(lambda: not cells.training)
    assert "there are no weights" in cells.sentence
    assert "scn" not in named_weights()


def test_one_training_at_a_time(cells: Any, teacher: Teacher, until: Any, told: list[str]) -> None:
    cells.train()
    cells.train()
    _one(told, "A training is on already")
    cells.stop()
    until(lambda: not cells.training)
    assert len(teacher.tasks) == 1


def test_a_training_that_fails_is_told_in_one_sentence(
    cells: Any, teacher: Teacher, until: Any, told: list[str]
) -> None:
    teacher.fails = "The loss is no finite number at step 1; try another image."
    cells.train()
    teacher.pass_steps(1)
    until(lambda: not cells.training)
    _one(told, "no finite number")
    assert cells.sentence == told[0]


def test_a_name_that_is_taken_is_not_overwritten(
    cells: Any, teacher: Teacher, until: Any, told: list[str], own: Path
) -> None:
    (own / "mine.safetensors").write_text("kept")
    cells.weights.value = "mine"
    cells.train()
    until(lambda: not cells.training)
    _one(told, "'mine' exist already")
    assert teacher.tasks == []
    assert (own / "mine.safetensors").read_text() == "kept"


def test_labels_on_another_grid(
    cells: Any, viewer: Any, teacher: Teacher, until: Any, told: list[str]
) -> None:
    cells.segments.value = viewer.add_labels(np.ones((20, 20), np.uint8), name="small")
    until(lambda: cells.settled)
    assert "different grids" in cells.sentence
    assert told == []
    cells.train()
    until(lambda: not cells.training)
    _one(told, "'cells'", "'small'", "different grids")


def test_a_crop_that_does_not_fit(cells: Any, until: Any, told: list[str]) -> None:
    cells.crop.value = 4000
    cells.train()
    until(lambda: not cells.training)
    _one(told, "crops of 4000", "choose crops of 32 to 112")


def test_a_layer_that_is_removed_in_the_middle_changes_nothing(
    cells: Any, viewer: Any, teacher: Teacher, until: Any, told: list[str]
) -> None:
    cells.train()
    teacher.pass_steps(1)
    until(lambda: "step 1" in cells.sentence)
    viewer.layers.clear()
    teacher.pass_steps(2)
    until(lambda: not cells.training)
    assert "3 steps" in cells.sentence
    until(lambda: cells.settled)
    assert [sentence for sentence in told if "3 steps" not in sentence] == []


def test_the_dock_is_closed_in_the_middle(
    cells: Any, viewer: Any, teacher: Teacher, until: Any, no_threads: Any, told: list[str]
) -> None:
    cells.train()
    until(lambda: teacher.tasks)
    viewer.window.remove_dock_widget(cells.native)
    until(teacher.cancelled.is_set)
    no_threads()
    assert told == []
    viewer.add_image(np.zeros((9, 9)))  # nobody listens to the layers any more


def test_the_window_is_closed_in_the_middle(
    cells: Any, viewer: Any, teacher: Teacher, until: Any, no_threads: Any
) -> None:
    cells.train()
    until(lambda: teacher.tasks)
    viewer.close()
    until(teacher.cancelled.is_set)
    no_threads()


def test_nothing_is_read_on_the_main_thread(
    cells: Any, teacher: Teacher, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, set[int]] = {}

    def record(module: Any, name: str) -> None:
        function = getattr(module, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            threads.setdefault(name, set()).add(threading.get_ident())
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, call)

    for module, name in ((lesson, "open_layer"), (material, "look_at"), (material, "own_path")):
        record(module, name)
    record(named_weights_module, "named_weights")
    cells.zero.value = "unknown"
    until(lambda: cells.settled)
    teacher.pass_steps(3)
    cells.train()
    until(lambda: not cells.training)
    until(lambda: cells.settled)
    assert set(threads) == {"open_layer", "look_at", "own_path", "named_weights"}
    here = threading.get_ident()
    assert here not in set.union(*threads.values(), teacher.threads)


def test_what_was_chosen_is_remembered(cells: Any, viewer: Any, until: Any) -> None:
    cells.seed.value, cells.zero.value = 9, "unknown"
    until(lambda: cells.settled)
    other = TrainWidget(viewer)
    viewer.window.add_dock_widget(other, name="other")
    assert (other.method.value, other.steps.value, other.seed.value) == ("scn", 3, 9)
    assert other.zero.value == "unknown"
    until(lambda: other.settled)


def test_what_the_user_chose_stays_when_the_method_changes(cells: Any, until: Any) -> None:
    cells.weights.value, cells.crop.value = "mine", 96
    cells.method.value = "ssn"
    until(lambda: cells.settled)
    assert (cells.weights.value, cells.crop.value) == ("mine", 96)
    assert cells.start.value == "ssn"


def test_untouched_fields_follow_method_and_image(cells: Any, viewer: Any, until: Any) -> None:
    cells.method.value = "ssn"
    assert (cells.weights.value, cells.crop.value) == ("cells ssn", 120)
    cells.image.value = viewer.add_image(np.zeros((500, 500), np.uint8), name="large")
    until(lambda: cells.settled)
    assert (cells.weights.value, cells.crop.value) == ("large ssn", 160)


def test_every_field_and_button_says_what_it_is_for(train: Any) -> None:
    for field in train.form.fields:
        assert field.tooltip
        assert field.native.toolTip()
    assert "(px)" in train.crop.tooltip
    for button in train._panel.buttons.values():
        assert button.toolTip()


def test_it_fits_a_narrow_dock(train: Any) -> None:
    assert train.native.minimumSizeHint().width() <= 300
