"""An image is measured once, and one without data is refused."""

import numpy as np
import pytest

from napari_superpixels.engine.plan import Plan, make_plan
from napari_superpixels.errors import InputError
from napari_superpixels.io import open_source
from napari_superpixels.models.slic import Slic
from napari_superpixels.napari_ui import resolve


def plan_of(image: np.ndarray) -> Plan:
    return make_plan(open_source(image), Slic())


def test_an_image_is_measured_once_and_another_one_anew(monkeypatch):
    calls = []
    real = resolve.measure

    def counted(source, cancel, *, projected):
        calls.append(projected)
        return real(source, cancel, projected=projected)

    monkeypatch.setattr(resolve, "measure", counted)
    measured = resolve.Measured()
    image = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    first = measured.statistics(plan_of(image))
    assert measured.statistics(plan_of(image.copy())) is first
    assert len(calls) == 1
    assert measured.statistics(plan_of(image + 1)) != first
    assert len(calls) == 2


def test_an_image_without_data_is_refused_and_one_of_zeros_is_not():
    with pytest.raises(InputError, match=r"No pixel of .* holds data"):
        resolve.Measured().statistics(plan_of(np.full((40, 40), np.nan, np.float32)))
    assert resolve.Measured().statistics(plan_of(np.zeros((40, 40)))).maximum == (0.0,)
