"""Distances to borders: by hand, and the same in every part of an image."""

from dataclasses import dataclass

import numpy as np
import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.tiling import Box
from napari_superpixels.training.targets import BorderDistance, distances


@dataclass(frozen=True)
class Given:
    """An annotation that is an array."""

    rows: tuple[bytes, ...]

    @classmethod
    def of(cls, labels):
        return cls(tuple(row.astype(np.uint8).tobytes() for row in labels))

    @property
    def shape(self):
        return len(self.rows), len(self.rows[0])

    def read(self, box):
        whole = np.array([np.frombuffer(row, np.uint8) for row in self.rows], np.int64)
        return whole[box.slices]


def values(labels, reach=4, void=None):
    target = BorderDistance(Given.of(labels), reach, void)
    return target.read(Box.whole(target.shape))


def test_by_hand():
    row = np.array([[0, 0, 5, 5, 5, 5, 5, 5, 5, 5, 5]])
    assert values(row).tolist() == [[0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1]]


def test_objects_that_touch_have_a_border():
    row = np.array([[1, 1, 1, 2, 2, 2]])
    assert values(row).tolist() == [[0.75, 0.5, 0.25, 0.25, 0.5, 0.75]]


def test_borders_with_the_unknown_are_none():
    row = np.array([[9, 1, 1, 1, 0, 9]])
    found = values(row, void=9)
    assert np.isnan(found[0, [0, 5]]).all()
    assert found[0, 1:5].tolist() == [0.75, 0.5, 0.25, 0]
    assert values(np.full((2, 3), 7)).tolist() == [[1, 1, 1], [1, 1, 1]]


def test_parts_have_the_values_of_the_whole():
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 4, (6, 7)), np.ones((9, 9), int))
    target = BorderDistance(Given.of(labels), 6)
    whole = target.read(Box.whole(target.shape))
    for _ in range(30):
        (y, x), (height, width) = rng.integers(0, 50, 2), rng.integers(1, 30, 2)
        box = Box.of((y, min(y + height, 54)), (x, min(x + width, 63)))
        assert np.array_equal(target.read(box), whole[box.slices])


def test_no_distance_is_refused():
    with pytest.raises(InputError, match="up to 0 pixels"):
        distances([], 0)
