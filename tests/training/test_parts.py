"""Parts of images: crops, validation and scores keep to what counts and to what is known."""

from dataclasses import replace

import numpy as np
import pytest

from napari_superpixels.io import open_source
from napari_superpixels.labels.metrics import achievable_segmentation_accuracy, boundary_recall
from napari_superpixels.tiling import Box
from napari_superpixels.training.data import Crops, TrainingSet, read_whole
from napari_superpixels.training.losses import VOID
from napari_superpixels.training.pairs import Pair, StoredLabels
from napari_superpixels.training.validate import Validation, known_of, scores_of

AREA = Box.of((10, 50), (30, 90))


@pytest.fixture
def places():
    """An image whose pixels tell where they are, in red and green."""
    y, x = np.indices((80, 100), np.uint8)
    return np.stack([y, x, 0 * x])


@pytest.fixture
def pair(places):
    labels = (places[0].astype(np.int32) // 8) * 100 + places[1] // 8 + 1
    source = open_source(places, axes="syx")
    return Pair("places", source, (StoredLabels(open_source(labels)),), area=AREA)


@pytest.mark.parametrize("at_border", [False, True])
def test_crops_stay_in_the_part_and_labels_lie_on_their_pixels(pair, at_border):
    crops = Crops(size=16, at_border=at_border)
    data = TrainingSet([pair], seed=1)
    for number in range(40):
        crop = data.crop(number, replace(crops, flips=""))
        y, x = crop.image[0].astype(int), crop.image[1].astype(int)
        assert (y.min(), x.min()) >= AREA.start
        assert y.max() < AREA[0].stop
        assert x.min() >= AREA[1].start
        assert x.max() < AREA[1].stop
        np.testing.assert_array_equal(crop.labels, y // 8 * 100 + x // 8 + 1)


def test_crops_reach_every_side_of_the_part(pair):
    data = TrainingSet([pair], seed=0)
    cut = [data.crop(number, Crops(size=30, flips="")).image for number in range(60)]
    assert min(int(image[1].min()) for image in cut) == AREA[1].start
    assert max(int(image[1].max()) for image in cut) == AREA[1].stop - 1


def test_the_whole_is_the_part(pair, places):
    np.testing.assert_array_equal(read_whole(pair), places[:, *AREA.slices])
    assert pair.shape == AREA.shape
    assert replace(pair, area=None).shape == (80, 100)


def test_a_plane_of_a_stack_is_read_with_its_labels():
    stack = np.random.default_rng(0).integers(0, 255, (3, 40, 40), np.uint8)
    labels = StoredLabels(open_source(stack.astype(np.int32), axes="zyx"), plane=2)
    pair = Pair("stack", open_source(stack, axes="zyx"), (labels,), plane=2)
    crop = TrainingSet([pair]).crop(0, Crops(size=40, flips=""))
    np.testing.assert_array_equal(crop.labels, stack[2])
    np.testing.assert_array_equal(read_whole(pair)[0], read_whole(pair)[2])


def painted(labels):
    image = np.zeros((3, *labels.shape), np.uint8)
    return Pair("p", open_source(image, axes="syx"), (StoredLabels(open_source(labels)),))


def test_where_little_is_known_crops_are_drawn_there():
    labels = np.zeros((200, 200), np.int32)
    labels[80:110, 80:110] = 1
    crops = Crops(size=40)
    known = TrainingSet([painted(labels)], void=0)
    assert all((known.crop(number, crops).labels != VOID).any() for number in range(20))
    whole = TrainingSet([painted(labels)])
    assert not all(whole.crop(number, crops).labels.any() for number in range(20))


def test_where_nothing_is_known_drawing_ends():
    data = TrainingSet([painted(np.zeros((60, 60), np.int32))], void=0)
    assert (data.crop(0, Crops(size=40)).labels == VOID).all()


@pytest.fixture
def found():
    """Superpixels in columns of 4, and segments of which the right half is unknown."""
    columns = np.arange(32)[None, :].repeat(24, 0) // 4 + 1
    truth = np.where(np.arange(32) < 8, 1, 2)[None, :].repeat(24, 0)
    truth[:, 16:] = 0
    return columns, truth


def test_what_is_unknown_counts_for_nothing(found):
    labels, truth = found
    assert scores_of(labels, truth, truth != 0) == (1.0, 1.0)
    spoilt = labels.copy()
    spoilt[:, 20:] = 99
    assert scores_of(spoilt, truth, truth != 0) == (1.0, 1.0)
    known_is_wrong = labels.copy()
    known_is_wrong[:, :16] = 50
    asa, br = scores_of(known_is_wrong, truth, truth != 0)
    assert (asa, br) == (0.5, 0.0)  # the border with what is unknown is none to be found


def test_where_all_is_known_they_are_the_usual_scores(found):
    labels, truth = found
    wanted = achievable_segmentation_accuracy(labels, truth), boundary_recall(labels, truth)
    assert scores_of(labels, truth) == wanted
    assert known_of(truth + 1, None, 0) is None
    assert scores_of(labels, truth, truth < 0) == (1.0, 1.0)


def test_validation_measures_the_part(tiny):
    labels = np.ones((48, 64), np.int32)
    labels[:, 40:] = np.arange(24) // 2 + 2
    part = Box.of((0, 48), (0, 40))
    held = replace(painted(labels), area=part)
    assert Validation.of([held])(tiny.network(), tiny)["asa"] == 1.0
    assert Validation.of([painted(labels)])(tiny.network(), tiny)["asa"] < 1.0
    assert Validation.of([painted(labels)], void=1).void == 1
