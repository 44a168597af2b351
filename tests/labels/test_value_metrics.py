"""Measures of maps, on cases that are computed by hand."""

from math import log10, sqrt

import numpy as np
import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.labels.value_metrics import LEAST, ValueSums


def measured(truth, found):
    return ValueSums.of(np.array([truth], float), np.array([found], float)).measures()


def test_by_hand():
    """Ratios 1, 1.2, 1.5 and 2: below 1.25 two, below 1.5625 three, below 1.953 three."""
    told = measured([1, 1, 2, 1], [1, 1.2, 3, 0.5])
    assert [told[f"delta{n}"] for n in (1, 2, 3)] == [0.5, 0.75, 0.75]
    assert told["rel"] == pytest.approx((0 + 0.2 + 0.5 + 0.5) / 4)
    assert told["log10"] == pytest.approx((log10(1.2) + log10(1.5) + log10(2)) / 4)
    assert told["rms"] == pytest.approx(sqrt((0.04 + 1 + 0.25) / 4))


def test_unknown_values_count_for_nothing_and_zeros_for_no_ratio():
    told = measured([np.nan, 0, 1], [7, 0.5, 1])
    assert (told["delta1"], told["rel"]) == (1, 0)
    assert told["rms"] == pytest.approx(sqrt(0.25 / 2))


def test_predictions_of_nothing_count_as_the_least():
    told = measured([1], [0])
    assert told["log10"] == pytest.approx(-log10(LEAST))
    assert told["delta3"] == 0


def test_images_add_up_by_pixels():
    truth, found = np.array([[1.0, 2, 1, 0]]), np.array([[1.1, 4, 1, 0.2]])
    whole = ValueSums.of(truth, found)
    parts = ValueSums.of(truth[:, :1], found[:, :1]) + ValueSums.of(truth[:, 1:], found[:, 1:])
    assert parts.measures() == pytest.approx(whole.measures())


def test_nothing_known_is_no_number():
    assert all(np.isnan(value) for value in measured([np.nan], [1]).values())


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="down to -1"):
        measured([-1, 1], [1, 1])
    with pytest.raises(InputError, match="1 predictions are not finite"):
        measured([1, 1], [1, np.inf])
