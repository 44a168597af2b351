"""Where somebody painted."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_superpixels.io import open_source
from napari_superpixels.tiling import Box
from napari_superpixels.training import painted
from napari_superpixels.training.annotated import CLASSES, SEGMENTS, most_known, share_out
from napari_superpixels.training.data import Crops, TrainingSet
from napari_superpixels.training.painted import measured_of, parts_of, pieces_of
from napari_superpixels.training.pairs import Pair, StoredLabels


def labels_of(array):
    return StoredLabels(open_source(np.asarray(array, np.int32)))


@pytest.fixture
def slide():
    """Three painted regions, far from each other."""
    array = np.zeros((600, 900), np.int32)
    array[10:50, 20:90] = 1
    array[20:30, 40:60] = 2
    array[300:330, 400:410] = 3
    array[560:590, 860:900] = 1
    return array


def test_regions_apart_are_parts_with_room_around_them(slide):
    parts = parts_of(labels_of(slide), 64, void=0)
    assert [part.known for part in parts] == [
        Box.of((10, 50), (20, 90)),
        Box.of((300, 330), (400, 410)),
        Box.of((560, 590), (860, 900)),
    ]
    assert [part.area for part in parts] == [
        Box.of((0, 82), (0, 122)),
        Box.of((268, 362), (368, 442)),
        Box.of((528, 600), (828, 900)),
    ]


def test_without_an_unknown_label_the_image_is_one_part(slide):
    (part,) = parts_of(labels_of(slide), 64)
    assert part.known == part.area == Box.whole(slide.shape)


def test_where_nothing_is_painted_there_is_no_part(slide):
    assert parts_of(labels_of(slide * 0), 64, void=0) == []
    assert parts_of(labels_of(slide), 64, void=0, within=Box.of((100, 200), (0, 900))) == []


@given(
    st.lists(st.tuples(st.integers(0, 79), st.integers(0, 119)), max_size=8),
    st.integers(1, 40),
    st.booleans(),
)
def test_areas_hold_all_that_is_known_once(points, size, half):
    array = np.zeros((80, 120), np.int32)
    for y, x in points:
        array[y : y + 3, x : x + 2] = 7
    whole = Box.of((20, 80), (0, 110)) if half else Box.whole(array.shape)
    parts = parts_of(labels_of(array), size, void=0, within=whole)
    covered = np.zeros(array.shape, np.int32)
    for part in parts:
        assert whole.covers(part.area)
        assert part.area.covers(part.known)
        assert min(part.area.shape) >= min(size, *whole.shape)
        covered[part.area.slices] += 1
    inside = np.zeros(array.shape, np.bool_)
    inside[whole.slices] = array[whole.slices] > 0
    assert covered.max(initial=0) <= 1
    assert (covered[inside] == 1).all()


@pytest.mark.parametrize("block", [1, 64, 1024])
def test_blocks_do_not_show(slide, block, monkeypatch):
    wanted = parts_of(labels_of(slide), 48, void=0)
    monkeypatch.setattr(painted, "BLOCK", block)
    assert parts_of(labels_of(slide), 48, void=0) == wanted


def test_every_crop_of_a_piece_holds_something_known(slide):
    pair = Pair("slide", open_source(slide.astype(np.uint8)), (labels_of(slide),))
    pieces = pieces_of(pair, 64, void=0)
    data = TrainingSet(pieces, void=0)
    crops = [data.crop(number, Crops(size=64)) for number in range(60)]
    found = [set(np.unique(crop.labels)) - {-1} for crop in crops]
    assert all(found)
    assert sum(3 in each for each in found) == 20  # a third of the crops, small as it is


def test_what_nobody_painted_stays_as_it_is(slide):
    pair = Pair("slide", open_source(slide.astype(np.uint8)), (labels_of(slide * 0),))
    assert pieces_of(pair, 64, void=0) == [pair]
    whole = replace(pair, annotations=(labels_of(slide),))
    (piece,) = pieces_of(whole, 64, void=None)
    assert piece.box == whole.box


def shared(array, holding, crop=32):
    labels = labels_of(array)
    (part,) = parts_of(labels, crop, void=0)
    return share_out(part, labels, crop, 0, holding)


def test_classes_are_held_out_where_each_is_still_learned():
    array = np.zeros((100, 400), np.int32)
    array[40:60, 100:200], array[45:55, 100:190] = 1, 2
    found = shared(array, CLASSES)
    assert found.held == Box.of((24, 76), (180, 216))
    assert found.learned == Box.of((24, 76), (84, 148))  # with a gap between
    array[40:60, 195:200] = 9  # nowhere else
    assert shared(array, CLASSES).held is None


def test_one_class_may_be_held_out_where_borders_may_not():
    array = np.zeros((100, 600), np.int32)
    array[20:80, 50:550], array[30:40, 50:60] = 1, 2
    assert shared(array, CLASSES).held is not None
    assert shared(array, SEGMENTS).held is None


def test_the_gap_gives_way_where_a_class_would_be_lost():
    array = np.zeros((100, 400), np.int32)
    array[40:60, 100:200], array[45:55, 155:190] = 1, 2
    assert shared(array, CLASSES).learned == Box.of((24, 76), (84, 180))


def test_of_a_large_part_the_square_is_measured_on_where_most_is_known():
    array = np.zeros((64, 3000), np.int32)
    array[:, ::40], array[:30, 2500:2600] = 1, 2
    area = Box.whole(array.shape)
    assert most_known(labels_of(array), area, 0) == Box.of((0, 64), (2048, 3000))
    assert most_known(labels_of(array), area) == Box.of((0, 64), (988, 2012))


def test_what_is_measured_on_is_where_somebody_painted(slide):
    large = np.zeros((2500, 2500), np.uint8)
    large[:100, :100], large[2400:, 2400:] = 1, 2
    pair = Pair("slide", open_source(large), (labels_of(large),))
    held = measured_of(pair, 64, 0)
    assert [int((large[piece.box.slices] > 0).sum()) for piece in held] == [10_000, 10_000]


def test_little_is_not_held_out():
    array = np.zeros((100, 400), np.int32)
    array[40:60, 100:170], array[45:55, 100:165] = 1, 2  # 14 pixels would be held out
    assert shared(array, CLASSES).held is None
