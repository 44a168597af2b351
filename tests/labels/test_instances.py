"""What is right, on whole arrays, told by hand and by scikit-image."""

import numpy as np
import pytest
from skimage.measure import label, regionprops

from napari_superpixels.errors import InputError
from napari_superpixels.labels.instances import InstanceSettings, find_instances, label_type
from napari_superpixels.labels.splitting import split_object


def blobs(shape=(60, 90), seed=0, count=12):
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape, np.uint8)
    for _ in range(count):
        a, b = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        image[(y - a) ** 2 + (x - b) ** 2 < rng.integers(4, 90)] = rng.integers(1, 3)
    return image


def dumbbell():
    """Two discs that touch."""
    y, x = np.mgrid[:44, :74]
    return ((y - 22) ** 2 + (x - 20) ** 2 < 400) | ((y - 22) ** 2 + (x - 52) ** 2 < 400)


def test_ids_are_ranks_of_first_pixels():
    image = np.array([[0, 2, 0, 1], [1, 2, 0, 1], [1, 0, 2, 2]])
    found = find_instances(image, InstanceSettings())
    assert found.labels.tolist() == [[0, 1, 0, 2], [3, 1, 0, 2], [3, 0, 4, 4]]
    assert found.rows["root"].tolist() == [1, 3, 4, 10]
    assert found.rows["kind"].tolist() == [2, 1, 1, 2]
    assert found.labels.dtype == np.uint32


@pytest.mark.parametrize("connectivity", [4, 8])
def test_objects_and_what_is_known_of_them_are_those_of_skimage(connectivity):
    image = blobs()
    found = find_instances(image, InstanceSettings(connectivity=connectivity))
    expected = label(image, connectivity=connectivity // 4, background=0)
    np.testing.assert_array_equal(found.labels, expected)  # it, too, goes in raster order
    for row, one in zip(found.rows, regionprops(expected), strict=True):
        assert (row["top"], row["left"], row["bottom"], row["right"]) == one.bbox
        assert row["area"] == one.area
        centre = row["sum_y"] / row["area"], row["sum_x"] / row["area"]
        assert centre == pytest.approx(one.centroid)


def test_sizes_and_classes_choose_before_ids_are_given():
    image = np.array([[1, 0, 2, 2, 0, 3, 3, 3], [0, 0, 0, 0, 0, 0, 0, 0], [2, 0, 1, 1, 1, 0, 3, 3]])
    found = find_instances(image, InstanceSettings(min_px=2, max_px=2))
    assert found.labels[0].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert found.labels[2].tolist() == [0, 0, 0, 0, 0, 0, 2, 2]
    found = find_instances(image, InstanceSettings(classes=(2,)))
    assert found.labels[2].tolist() == [2, 0, 0, 0, 0, 0, 0, 0]


def test_nothing_at_all():
    found = find_instances(np.zeros((3, 4), bool), InstanceSettings(split=True))
    assert not found.labels.any()
    assert not len(found.rows)


def test_touching_discs_are_told_apart_and_one_disc_is_not():
    pieces = split_object(dumbbell(), 10, 4)
    assert set(np.unique(pieces)) == {0, 1, 2}
    assert np.array_equal(pieces > 0, dumbbell())
    assert (pieces[22, 20], pieces[22, 52]) in [(1, 2), (2, 1)]
    left = dumbbell()[:, :36]
    assert split_object(left, 10, 4).max() == 1


def test_no_pixel_is_lost_where_pieces_touch_by_corners_alone():
    mask = np.zeros((24, 24), bool)
    mask[:12, :12] = mask[12:, 12:] = True
    pieces = split_object(mask, 4, 8)
    assert np.array_equal(pieces > 0, mask)
    assert pieces.max() == 2


def test_a_split_counts_sizes_of_pieces():
    image = dumbbell().astype(np.uint8)
    whole = find_instances(image, InstanceSettings())
    limit = int(whole.rows["area"][0]) - 1
    assert len(find_instances(image, InstanceSettings(max_px=limit)).rows) == 0
    assert len(find_instances(image, InstanceSettings(max_px=limit, split=True)).rows) == 2


def test_a_large_object_is_refused_or_stays_whole():
    image = dumbbell().astype(np.uint8)
    with pytest.raises(InputError, match=r"class 1 at y \d+, x \d+ is 39 x 71 px, .* to 71"):
        find_instances(image, InstanceSettings(split=True, largest_px=70))
    found = find_instances(image, InstanceSettings(split=True, largest_px=70, exact=False))
    assert len(found.rows) == 1
    assert len(find_instances(image, InstanceSettings(split=True, largest_px=71)).rows) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"connectivity": 6}, "give 4 or 8"),
        ({"min_px": 0}, "min_px is 0; give a whole number of pixels from 1"),
        ({"min_px": 2.5}, "min_px is 2.5"),
        ({"max_px": -1}, "max_px is -1"),
        ({"min_px": 5, "max_px": 4}, "less than min_px"),
        ({"split": "no"}, "split is 'no', but it must be True or False"),
        ({"exact": None}, "exact is None, but it must be True or False"),
        ({"largest_px": True}, "largest_px is True"),
        ({"classes": (1, 0)}, "0 is background"),
        ({"classes": ()}, "give others, or leave them out"),
    ],
)
def test_settings_that_cannot_be_meant(settings, message):
    with pytest.raises(InputError, match=message):
        InstanceSettings(**settings)


def test_ids_that_need_it_are_longer():
    assert label_type(2**32 - 1) == np.uint32
    assert label_type(2**32) == np.uint64
