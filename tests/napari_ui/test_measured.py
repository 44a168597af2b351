"""An image is measured once, and one without data is refused."""

import numpy as np
import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.io import open_source
from napari_superpixels.napari_ui import resolve


def test_an_image_is_measured_once_and_another_one_anew(monkeypatch):
    calls = []
    real = resolve.measure
    monkeypatch.setattr(resolve, "measure", lambda source, _: calls.append(source) or real(source))
    measured = resolve.Measured()
    image = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    first = measured.statistics(open_source(image))
    assert measured.statistics(open_source(image.copy())) is first
    assert len(calls) == 1
    assert measured.statistics(open_source(image + 1)) != first
    assert len(calls) == 2


def test_an_image_without_data_is_refused_and_one_of_zeros_is_not():
    with pytest.raises(InputError, match=r"No pixel of .* holds data"):
        resolve.Measured().statistics(open_source(np.full((40, 40), np.nan, np.float32)))
    assert resolve.Measured().statistics(open_source(np.zeros((40, 40)))).maximum == (0.0,)
