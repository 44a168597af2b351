"""One image for learning and measuring."""

import numpy as np
import pytest
from skimage.io import imsave

from napari_superpixels.errors import InputError
from napari_superpixels.training.data import Crops, TrainingSet
from napari_superpixels.training.pairs import find_pairs
from napari_superpixels.training.split import known_box, split_region


@pytest.fixture
def pair(tmp_path):
    """An image of 100 x 400 pixels, annotated from 20 to 220 along x."""
    labels = np.zeros((100, 400), np.uint8)
    labels[10:90, 20:220] = 1
    labels[10:90, 60:70] = 2
    imsave(tmp_path / "a.png", np.zeros((100, 400, 3), np.uint8), check_contrast=False)
    imsave(tmp_path / "a.labels.png", labels, check_contrast=False)
    return find_pairs(tmp_path)[0]


def bounds(pair):
    return [(side.start, side.stop) for side in pair.box]


def test_the_last_part_of_what_is_annotated_is_held_out_with_a_gap(pair):
    learned, held = split_region(pair, share=0.25, crop=64, gap_px=10, void=0)
    assert bounds(learned) == [(10, 90), (20, 160)]
    assert bounds(held) == [(10, 90), (170, 220)]
    whole, _ = split_region(pair, share=0.25, crop=64, gap_px=10)
    assert bounds(whole) == [(0, 100), (0, 290)]


def test_crops_come_from_the_part_alone(pair):
    learned, _ = split_region(pair, share=0.25, crop=64, gap_px=10, void=0)
    data = TrainingSet([learned], seed=1, void=0)
    crops = Crops(size=64)
    assert {data.crop(n, crops).labels.min() for n in range(20)} == {1}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"share": 0.6}, "share of 0.6"),
        ({"share": 0.2, "gap_px": -1}, "gap of -1"),
        ({"share": 0.1}, "cut into 80 x 148 and 80 x 20 pixels"),
        ({"share": 0.5, "gap_px": 80}, "hold crops of 64"),
    ],
)
def test_parts_that_are_too_small_are_refused(pair, changes, complaint):
    with pytest.raises(InputError, match=complaint):
        split_region(pair, **{"crop": 64, "void": 0, **changes})


def test_nothing_annotated_is_refused(tmp_path):
    imsave(tmp_path / "b.png", np.zeros((50, 50, 3), np.uint8), check_contrast=False)
    imsave(tmp_path / "b.labels.png", np.zeros((50, 50), np.uint8), check_contrast=False)
    with pytest.raises(InputError, match="Nothing is annotated of 'b'"):
        known_box(find_pairs(tmp_path)[0], 0)
