"""From layers to a task, without a window: what fits, and what another process gets."""

import pickle
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_superpixels.errors import Cancelled, InputError, OutputError
from napari_superpixels.io import open_source
from napari_superpixels.models import weights
from napari_superpixels.napari_ui import lesson as lessons
from napari_superpixels.napari_ui.lesson import Lesson, portable
from napari_superpixels.napari_ui.material import outlook, task_of
from napari_superpixels.napari_ui.snapshot import LayerSnapshot
from napari_superpixels.tiling import Box
from napari_superpixels.training.classes import PALETTE


def snapshots(image: Any, labels: Any, **placed: Any) -> dict[str, LayerSnapshot]:
    return {
        "image": LayerSnapshot.of(Image(image, name="cells", contrast_limits=(0, 255))),
        "labels": LayerSnapshot.of(Labels(labels, name="nuclei", **placed)),
    }


def lesson_of(image: Any, labels: Any, **changes: Any) -> Lesson:
    made = Lesson(
        **snapshots(image, labels),
        void=None,
        method="scn",
        start="",
        steps=3,
        crop=None,
        seed=0,
        name="mine",
        name_is_typed=True,
    )
    return replace(made, **changes)


@pytest.fixture
def grey() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (120, 200), np.uint8)


@pytest.fixture
def squares() -> np.ndarray:
    return np.kron(np.arange(12).reshape(3, 4), np.ones((40, 50), np.int32))


@pytest.fixture
def going() -> threading.Event:
    return threading.Event()


def test_what_a_training_would_do(grey: Any, squares: Any, going: Any) -> None:
    found = outlook(lesson_of(grey, squares), going)
    assert (found.pixels, found.segments, found.crop) == (120 * 200, 12, 112)
    assert found.held == 0  # 160 columns remain, but what is held out would be 40 wide
    found = outlook(lesson_of(grey, squares, void=0), going)
    assert (found.pixels, found.segments) == (120 * 200 - 40 * 50, 11)


def test_the_task_has_pixels_labels_and_a_card(
    grey: Any, squares: Any, going: Any, own: Path
) -> None:
    wide = [np.tile(one, (1, 2)) for one in (grey, squares)]
    task = task_of(lesson_of(*wide, void=0, seed=4), going)
    (pair,), (held,) = task.learned, task.held
    assert pair.box == Box.of((0, 120), (0, 288))
    assert held.box == Box.of((0, 120), (320, 400))
    np.testing.assert_array_equal(pair.annotations[0].read(held.box), wide[1][:, 320:])
    np.testing.assert_array_equal(pair.image.read(0, pair.box).pixels[0], wide[0][:, :288])
    assert (task.seed, task.void, task.crop) == (4, 0, 112)
    assert task.target == own / "mine.safetensors"
    assert task.card["data"] == "the layer 'cells' with the labels 'nuclei', 0 is unknown"
    assert pickle.loads(pickle.dumps(task)).held[0].box == held.box


def test_every_plane_of_a_stack_that_has_borders_is_learned_from(
    grey: Any, squares: Any, going: Any, own: Path
) -> None:
    labels = np.stack([squares * 0, squares, squares])
    task = task_of(lesson_of(np.stack([grey, grey + 1, grey + 2]), labels, void=0), going)
    assert [pair.plane for pair in task.learned] == [1, 2]
    for pair in task.learned:
        box = Box.of((0, 9), (0, 9))
        pixels = pair.image.read(pair.plane, box).pixels[0]
        np.testing.assert_array_equal(pixels, grey[:9, :9] + pair.plane)
        np.testing.assert_array_equal(pair.annotations[0].read(box), squares[:9, :9])


@pytest.mark.parametrize("void", [None, 0])
def test_one_segment_has_no_border(grey: Any, going: Any, void: int | None) -> None:
    one = np.zeros_like(grey, np.int32) if void is None else np.eye(*grey.shape, dtype=np.int32)
    with pytest.raises(InputError, match="'nuclei' hold no two segments"):
        outlook(lesson_of(grey, one, void=void), going)


def test_other_grids_are_refused(grey: Any, squares: Any, going: Any) -> None:
    with pytest.raises(InputError, match="different grids"):
        outlook(lesson_of(grey, squares[:-1]), going)
    moved = snapshots(grey, squares, translate=(0, 3))
    with pytest.raises(InputError, match=r"'cells' .* 'nuclei' .*different grids"):
        outlook(replace(lesson_of(grey, squares), **moved), going)


@pytest.mark.parametrize(("crop", "match"), [(16, "crops of 32 to 112"), (128, "crops of 128")])
def test_crops_that_do_not_fit_are_refused(
    grey: Any, squares: Any, going: Any, crop: int, match: str
) -> None:
    with pytest.raises(InputError, match=match):
        outlook(lesson_of(grey, squares, crop=crop), going)


def test_a_tiny_image_is_refused(going: Any) -> None:
    tiny = np.arange(900, dtype=np.uint8).reshape(30, 30)
    with pytest.raises(InputError, match="30 x 30 pixels, but scn learns from at least 32 x 32"):
        outlook(lesson_of(tiny, tiny.astype(np.int32)), going)


def test_nobody_waits_for_labels_that_are_not_wanted(grey: Any, squares: Any, going: Any) -> None:
    going.set()
    with pytest.raises(Cancelled):
        outlook(lesson_of(grey, squares), going)


def test_a_name_that_was_written_is_never_overwritten(
    grey: Any, squares: Any, going: Any, own: Path
) -> None:
    own.mkdir()
    (own / "mine.safetensors").write_text("kept")
    with pytest.raises(OutputError, match="'mine' exist already; choose another name"):
        task_of(lesson_of(grey, squares), going)
    task = task_of(lesson_of(grey, squares, name_is_typed=False), going)
    assert task.target == own / "mine 2.safetensors"


@pytest.mark.parametrize("name", ["../mine", "ssn", ""])
def test_a_name_that_is_none_is_refused(
    grey: Any, squares: Any, going: Any, own: Path, name: str
) -> None:
    assert weights.is_shipped("ssn")
    with pytest.raises(InputError, match="choose"):
        task_of(lesson_of(grey, squares, name=name), going)


def test_an_array_in_memory_is_taken_as_it_is(grey: Any) -> None:
    source = open_source(grey)
    assert portable(source) is source


@pytest.mark.parametrize("rgb", [False, True])
def test_what_only_this_process_can_compute_is_copied(rgb: bool, grey: Any) -> None:
    image = np.stack([grey, 255 - grey, grey // 2], -1) if rgb else grey
    lock = threading.Lock()  # cannot be sent anywhere

    def locked(block: np.ndarray) -> np.ndarray:
        with lock:
            return np.asarray(block)

    lazy = open_source(da.from_array(image).map_blocks(locked, dtype=np.uint8))
    copied, whole = portable(lazy), Box.whole(grey.shape)
    again = pickle.loads(pickle.dumps(copied))
    np.testing.assert_array_equal(again.read(0, whole).pixels, lazy.read(0, whole).pixels)
    assert (copied.rgb, copied.channels, copied.name) == (rgb, lazy.channels, lazy.name)


def test_too_much_is_not_copied(grey: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "LARGEST_COPY", 1000)
    with pytest.raises(InputError, match="computed while they are read; save it"):
        portable(open_source(da.from_array(grey)))


@pytest.fixture
def painted() -> np.ndarray:
    """Two classes in one region, a third in another, and the rest unknown."""
    labels = np.zeros((400, 600), np.int32)
    labels[20:60, 20:140], labels[30:40, 20:140] = 1, 2
    labels[300:330, 500:520] = 7
    return labels


@pytest.fixture
def classes_of(painted: Any) -> Callable[..., Lesson]:
    image = np.random.default_rng(1).integers(0, 255, (*painted.shape, 3), np.uint8)

    def make(**changes: Any) -> Lesson:
        return lesson_of(image, painted, **{"method": "hcfcn", "void": 0, "crop": 64, **changes})

    return make


def test_each_painted_label_is_a_class_and_each_region_a_part(
    classes_of: Any, going: Any, own: Path
) -> None:
    found = outlook(classes_of(), going)
    assert list(found.classes) == ["class 1", "class 2", "class 7"]
    assert found.pixels == 40 * 120 + 30 * 20
    assert found.classes["class 7"] == 600
    assert sum(found.classes.values()) < found.pixels  # some is held out
    task = task_of(classes_of(), going)
    assert [pair.box for pair in task.learned] == [
        Box.of((0, 92), (0, 84)),
        Box.of((268, 362), (468, 552)),
    ]
    assert [pair.box for pair in task.held] == [Box.of((0, 92), (116, 172))]
    ids = task.learned[1].annotations[0].read(Box.of((290, 310), (490, 510)))
    assert np.unique(ids).tolist() == [0, 3]
    assert task.classes is not None
    assert task.classes.names == ("class 1", "class 2", "class 7")
    assert pickle.loads(pickle.dumps(task)).classes == task.classes


def test_classes_that_are_named_have_the_names_and_the_colours_of_the_labels(
    classes_of: Any, going: Any, own: Path
) -> None:
    def colours(labels: Any) -> Any:
        return np.array([[1, 0.5, 0, 1] if label == 7 else [0, 0, 1, 0] for label in labels])

    named = classes_of(classes="rest=*,tumour=7", colours=colours)
    classes = task_of(named, going).classes
    assert classes is not None
    assert [(one.name, one.colour) for one in classes.known] == [
        ("rest", PALETTE[0]),
        ("tumour", "#ff8000"),
    ]
    typed = classes_of(classes="rest=*,tumour#00ff00=7", colours=colours)
    chosen = task_of(typed, going).classes
    assert chosen is not None
    assert chosen.known[1].colour == "#00ff00"
    shown = task_of(classes_of(colours=colours), going).classes
    assert shown is not None
    assert [one.colour for one in shown.known] == [*PALETTE[:2], "#ff8000"]


def test_where_all_is_labelled_0_is_a_class_too(classes_of: Any, going: Any, own: Path) -> None:
    task = task_of(classes_of(void=None), going)
    assert task.classes is not None
    assert task.classes.names == ("class 0", "class 1", "class 2", "class 7")
    assert [pair.box for pair in task.learned] == [Box.of((0, 400), (0, 600))]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"classes": "a=1,b=2"}, "has the value 7, which no class names"),
        ({"classes": "a=1,b"}, "'b' is no class"),
        ({"classes": "a=0,b=*"}, "value 0 is given for 'a' and for 'ignored'"),
        ({"method": "hcdorn", "crop": 500}, "choose crops of 64 to 384"),
    ],
)
def test_what_does_not_fit_classes_is_told(
    classes_of: Any, going: Any, changes: Any, match: str
) -> None:
    with pytest.raises(InputError, match=match):
        outlook(classes_of(**changes), going)


@pytest.mark.parametrize(("labels", "count"), [(1, 1), (51, 51)])
def test_one_class_or_a_number_for_every_object_is_no_lesson(
    going: Any, grey: Any, labels: int, count: int
) -> None:
    numbers = np.arange(grey.size).reshape(grey.shape) % labels + 1
    with pytest.raises(InputError, match=f"hold {count} numbers, each of which would be a class"):
        outlook(lesson_of(grey, numbers.astype(np.int32), void=0, method="hcfcn"), going)
