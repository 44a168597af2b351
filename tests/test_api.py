import doctest

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels import api
from napari_superpixels.axes import Axes, Axis
from napari_superpixels.errors import InputError


def test_the_docstring_runs():
    assert doctest.testmod(api).failed == 0


def test_a_method_by_name_or_by_settings():
    image = np.zeros((40, 50), np.uint8)
    named = nsp.plan(image, "slic", step=8, iterations=3)
    assert named.hash == nsp.plan(image, nsp.Slic(step=8, iterations=3)).hash


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (("magic",), {}, "no method 'magic'; choose one of slic, ssn_pix"),
        (("slic",), {"steps": 3}, "no parameter 'steps'; its parameters are step, compactness"),
        (("slic",), {"step": 8, "step_um": 4.0}, "Both step and step_um"),
        (("slic",), {"step_um": 4.0}, "no spacing in micrometers; give step in pixels"),
        ((nsp.Slic(step=8),), {"step": 8}, "put it into the settings"),
    ],
)
def test_wrong_settings_are_one_sentence(arguments, settings, words):
    with pytest.raises(InputError, match=words):
        nsp.plan(np.zeros((40, 50), np.uint8), *arguments, **settings)


def test_an_open_image_takes_no_more_options():
    source = nsp.open(np.zeros((40, 50), np.uint8))
    with pytest.raises(InputError, match="open already, so level has no place"):
        nsp.superpixels(source, level=1)


class Spaced:
    """Stands for a source whose axes have a spacing."""

    def __init__(self, y, x, unit="micrometer"):
        self.axes = Axes((Axis("y", 40, y, unit), Axis("x", 50, x, unit)))


def test_a_step_in_micrometers():
    assert api.resolve_method(Spaced(0.5, 0.5), "slic", {"step_um": 8.0}).step == 16
    assert api.resolve_method(Spaced(500, 500, "nanometer"), "slic", {"step_um": 8.0}).step == 16
    with pytest.raises(InputError, match="not square"):
        api.resolve_method(Spaced(0.5, 0.6), "slic", {"step_um": 8.0})
