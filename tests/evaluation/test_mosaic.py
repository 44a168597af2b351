"""Large images made of small ones."""

import pickle

import numpy as np
import pytest
from skimage.io import imsave

from napari_superpixels.errors import InputError
from napari_superpixels.evaluation.mosaic import Mosaic, fresh_image, photographs, read_image

SMALL = np.random.default_rng(0).integers(0, 255, (90, 70, 3), dtype=np.uint8)


def test_an_image_is_fresh_each_time_and_made_of_real_pixels():
    rng = np.random.default_rng(1)
    first, second = (fresh_image(SMALL, 100, rng, square=32) for _ in range(2))
    assert first.shape == (100, 100, 3)
    assert first.flags.c_contiguous
    assert not np.array_equal(first, second)
    assert set(map(tuple, first.reshape(-1, 3))) <= set(map(tuple, SMALL.reshape(-1, 3)))


def test_a_mosaic_is_the_same_whichever_way_it_is_read():
    mosaic = Mosaic(SMALL, 150, square=60)
    whole = mosaic.lazy().compute(scheduler="synchronous")
    assert whole.shape == (150, 150, 3)
    again = pickle.loads(pickle.dumps(mosaic)).lazy()
    part = again[50:130, 10:150].compute(scheduler="synchronous")
    assert np.array_equal(part, whole[50:130, 10:150])
    assert not np.array_equal(whole[:60, :60], whole[60:120, :60])


def test_only_the_blocks_that_are_asked_for_are_made(monkeypatch):
    made = []
    monkeypatch.setattr(Mosaic, "block", lambda self, at: made.append(at) or SMALL[:60, :60])
    Mosaic(SMALL, 60_000, square=60).lazy()[:50, :70].compute(scheduler="synchronous")
    assert sorted(at[:2] for at in made) == [(0, 0), (0, 1)]


def test_squares_larger_than_the_image_are_refused():
    with pytest.raises(InputError, match="90 x 70"):
        fresh_image(SMALL, 100, np.random.default_rng(0), square=80)


def test_images_are_read_as_rows_columns_channels(samples, tmp_path):
    assert read_image(None).shape == (512, 512, 3)
    assert read_image(samples / "nuclei-fluorescence.png").ndim == 3
    assert read_image(samples / "cmu-1-small-region.svs").shape == (2967, 2220, 3)


def test_the_mosaic_of_photographs_is_textured(tmp_path):
    shipped = photographs(None)
    assert shipped.shape == (600, 1200, 3)
    assert (np.diff(shipped.astype(int), axis=1) != 0).mean() > 0.7
    for number in range(3):
        piece = shipped[:400, 300 * number : 300 * number + 300]
        imsave(tmp_path / f"{number}.png", piece, check_contrast=False)
    assert photographs(tmp_path).shape == (300, 1200, 3), "each lies on its side"


def test_a_folder_without_photographs_is_told(tmp_path):
    with pytest.raises(InputError, match="holds no photograph of 400 x 300 pixels or more"):
        photographs(tmp_path)
