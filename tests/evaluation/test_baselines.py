"""Other people's superpixels, where they are installed, and sentences where they are not."""

import sys

import numpy as np
import pytest
from skimage.data import astronaut

from napari_superpixels.errors import InputError
from napari_superpixels.evaluation.baselines import BASELINES, baseline, is_installed
from napari_superpixels.labels.metrics import count_superpixels

PHOTOGRAPH = astronaut()[100:228, 150:278]


@pytest.mark.parametrize("name", list(BASELINES))
def test_what_is_installed_gives_about_as_many_as_asked(name):
    if not is_installed(name):
        pytest.skip(f"{name} is not installed")
    labels = baseline(name)(PHOTOGRAPH, 64)
    assert labels.shape == PHOTOGRAPH.shape[:2]
    assert 16 <= count_superpixels(labels) <= 256


def test_settings_reach_the_baseline():
    rough = baseline("skimage-raw", compactness=1.0)(PHOTOGRAPH, 64)
    assert not np.array_equal(rough, baseline("skimage-raw", compactness=40.0)(PHOTOGRAPH, 64))


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("fast-slic", "fast_slic.avx2", "fast-slic"), ("opencv-lsc", "cv2", "opencv-contrib")],
)
def test_what_is_missing_is_named_with_the_repair(monkeypatch, name, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    assert not is_installed(name)
    with pytest.raises(InputError, match=f"pip install {package}"):
        baseline(name)(PHOTOGRAPH, 64)


def test_an_unknown_baseline_is_refused():
    with pytest.raises(InputError, match="'skimage'"):
        baseline("watershed")


def test_more_than_fast_slic_can_count_is_refused():
    pytest.importorskip("fast_slic")
    with pytest.raises(InputError, match="at most 65533"):
        baseline("fast-slic")(PHOTOGRAPH, 2**16)
