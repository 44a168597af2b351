"""Our method without the engine: the same labels, and what they were before the clean-up."""

import numpy as np
import pytest
from skimage.data import astronaut

from napari_superpixels.errors import InputError
from napari_superpixels.evaluation.ours import codes_of, raw_labels
from napari_superpixels.models.slic import Slic

PHOTOGRAPH = astronaut()[100:170, 150:250]
METHOD = Slic(step=16, iterations=3)


def test_codes_do_not_depend_on_threads():
    codes = codes_of(PHOTOGRAPH, METHOD)
    assert codes.shape == PHOTOGRAPH.shape[:2]
    assert codes.max() <= 8
    assert np.array_equal(codes, codes_of(PHOTOGRAPH, METHOD, threads=2))


def test_raw_labels_stay_near_their_cells_and_are_not_cleaned_up():
    labels = raw_labels(PHOTOGRAPH, METHOD)
    rows, columns = np.divmod(labels.astype(int) - 1, 7)
    y, x = np.indices(labels.shape) // 16
    assert abs(rows - y).max() <= 1
    assert abs(columns - x).max() <= 1
    cleaned = codes_of(PHOTOGRAPH, METHOD)
    raw = 3 * (rows - y + 1) + (columns - x + 1)
    assert 0 < (raw != cleaned).mean() < 0.5


def test_other_methods_are_refused():
    class Other:
        name = "other"

    with pytest.raises(InputError, match="'other'"):
        raw_labels(PHOTOGRAPH, Other())
