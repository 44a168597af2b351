"""The panel Train where classes are learned: what it asks for, and what becomes of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_superpixels.napari_ui.train_widget import TrainWidget
from napari_superpixels.testing.teacher import Teacher


@pytest.fixture
def painted(viewer: Any, train: Any, teacher: Teacher, until: Any) -> Any:
    """An image, three classes that are painted on it, and hcfcn to train in three steps."""
    rng = np.random.default_rng(0)
    viewer.add_image(rng.integers(0, 255, (300, 400, 3), np.uint8), name="slide")
    labels = np.zeros((300, 400), np.uint8)
    labels[20:60, 20:140], labels[30:40, 20:140], labels[200:240, 300:360] = 1, 2, 5
    viewer.add_labels(labels, name="regions")
    teacher.scores = {"miou": 0.75, "boundary_f": 0.5, "iou_class 1": 0.7}
    train.method.value, train.steps.value, train.crop.value = "hcfcn", 3, 64
    until(lambda: train.settled)
    return train


def test_what_is_painted_is_told_by_class(painted: Any, until: Any) -> None:
    counts = "class 1: 1,920, class 2: 640, class 5: 2,400"
    assert f"7,200 annotated pixels in 3 classes ({counts})" in painted.sentence
    assert "held out" in painted.sentence
    painted.classes.value = "stroma=1+2,gland=5"
    until(lambda: painted.settled)
    assert "2 classes (stroma: 2,560, gland: 2,400)" in painted.sentence
    painted.classes.value = "stroma=1,gland=5"
    until(lambda: painted.settled)
    assert "the value 2, which no class names" in painted.sentence


def test_0_is_unknown_for_classes_and_as_before_for_segments(painted: Any, until: Any) -> None:
    assert painted.zero.value == "unknown"
    painted.method.value = "scn"
    assert painted.zero.value == "painted"
    painted.zero.value = "unknown"
    painted.method.value = "hcdorn"
    assert painted.zero.value == "painted"
    assert "background" in {text for text, _ in painted.zero._default_choices(painted.zero)}
    painted.method.value = "hcfpn"
    assert painted.zero.value == "unknown"
    painted.zero.value = "painted"
    painted.method.value = "ssn"
    assert painted.zero.value == "unknown"
    assert painted.form.remembered().zero_is_unknown


def test_fields_of_classes_are_there_for_classes_alone(painted: Any) -> None:
    assert not painted._panel._of_classes.isHidden()
    painted.method.value = "hcdorn"
    assert painted._panel._of_classes.isHidden()


def test_the_task_names_the_classes_in_the_colours_of_the_labels(
    painted: Any, viewer: Any, teacher: Teacher, until: Any
) -> None:
    painted.classes.value, painted.evenly.value = "stroma=1+2,gland=5", False
    until(lambda: painted.settled)
    teacher.pass_steps(3)
    painted.train()
    until(lambda: not painted.training)
    (task,) = teacher.tasks
    assert (task.method, task.void, task.evenly, task.start) == ("hcfcn", 0, False, "")
    assert task.classes is not None
    assert task.classes.names == ("stroma", "gland")
    shown = viewer.layers["regions"].get_color(5)
    wanted = "#" + "".join(f"{round(255 * float(part)):02x}" for part in shown[:3])
    assert task.classes.known[1].colour == wanted


def test_new_weights_are_offered_by_the_panel_segment_and_to_go_on_from(
    painted: Any, segment: Any, teacher: Teacher, until: Any, own: Path
) -> None:
    painted.weights.value = "tissue"
    teacher.pass_steps(2)
    painted.train()
    until(lambda: "step 2 of 3" in painted.sentence)
    assert "Held out: mIoU 0.7500, boundary F 0.500." in painted.sentence
    teacher.pass_steps(1)
    until(lambda: not painted.training)
    assert "the weights 'tissue' can be chosen in Segment" in painted.sentence
    until(lambda: "tissue" in segment.parameter("weights").list.choices)
    until(lambda: "tissue" in painted.start.choices)
    assert {"new weights", "imagenet"} <= set(painted.start.choices)
    painted.method.value = "scn"
    assert "tissue" not in painted.start.choices


def test_numbers_of_objects_are_no_classes(painted: Any, viewer: Any, until: Any) -> None:
    numbers = np.arange(300 * 400, dtype=np.int32).reshape(300, 400)
    painted.segments.value = viewer.add_labels(numbers, name="numbers")
    until(lambda: painted.settled)
    assert "119999 numbers, each of which would be a class" in painted.sentence


def test_a_network_of_classes_is_remembered(painted: Any, viewer: Any, until: Any) -> None:
    other = TrainWidget(viewer)
    viewer.window.add_dock_widget(other, name="other")
    assert (other.method.value, other.zero.value) == ("hcfcn", "unknown")
    assert not other._panel._of_classes.isHidden()
    until(lambda: other.settled)
