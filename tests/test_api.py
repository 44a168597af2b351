import doctest

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels import api
from napari_superpixels.axes import Axes, Axis
from napari_superpixels.engine import intent
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
        (
            ("magic",),
            {},
            "no method 'magic'; choose one of ainet, hcnet, .*, slic, ssn, ssn_pix",
        ),
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
    assert intent.resolve_method(Spaced(0.5, 0.5), "slic", {"step_um": 8.0}).step == 16
    assert intent.resolve_method(Spaced(500, 500, "nanometer"), "slic", {"step_um": 8.0}).step == 16
    with pytest.raises(InputError, match="not square"):
        intent.resolve_method(Spaced(0.5, 0.6), "slic", {"step_um": 8.0})


IMAGE = np.zeros((40, 50), np.uint8)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda _: nsp.plan(IMAGE, nsp.Slic), "Slic"),
        (lambda _: nsp.plan(IMAGE, None), "None"),
        (lambda _: nsp.plan(IMAGE, region="y=0:10"), "y=0:10"),
        (lambda _: nsp.plan(IMAGE, region={"y": slice(0, 10)}), "slice"),
        (lambda _: nsp.plan(IMAGE, region={"y": (0, None)}), "None"),
        (lambda _: nsp.plan(IMAGE, region={"y": 10}), "10"),
        (lambda _: nsp.plan(IMAGE, window=128.0), "128.0"),
        (lambda _: nsp.plan(IMAGE, window=(128,)), "128"),
        (lambda _: nsp.plan(IMAGE, step_um="8"), "'8'"),
        (lambda _: nsp.plan(IMAGE, step_um=float("inf")), "inf"),
        (lambda out: nsp.run(IMAGE, out), "ndarray"),
        (lambda out: nsp.run(nsp.plan(IMAGE), out, workers="2"), "'2'"),
        (lambda out: nsp.run(nsp.plan(IMAGE), out, workers=2.5), "2.5"),
        (lambda out: nsp.run(nsp.plan(IMAGE), out, workers=0), "workers is 0"),
        (lambda out: nsp.run(nsp.plan(IMAGE), out, cancel=True), "True"),
        (lambda _: nsp.run(nsp.plan(IMAGE), "."), "'.'"),
        (lambda _: nsp.run(nsp.plan(IMAGE), "/proc/nowhere.zarr"), "cannot be written"),
        (lambda out: nsp.resume(out), "no unfinished output"),
    ],
)
def test_wrong_types_are_one_sentence_and_leave_nothing(call, words, tmp_path):
    with pytest.raises(nsp.SuperpixelsError) as caught:
        call(tmp_path / "out.zarr")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpys_types_are_numbers(tmp_path):
    method = nsp.Slic(step=np.int64(8), iterations=np.int32(2), compactness=np.float32(10))
    region = {"y": (np.int64(0), np.int64(24))}
    plan = nsp.plan(IMAGE, method, region=region, window=np.int64(16))
    assert nsp.run(plan, tmp_path / "out.zarr", workers=np.int64(1)).labels.shape == (24, 50)
    assert (
        plan.hash
        == nsp.plan(
            IMAGE, step=8, iterations=2, compactness=10.0, region={"y": (0, 24)}, window=16
        ).hash
    )


def test_an_open_image_refuses_rgb_too():
    with pytest.raises(InputError, match="rgb has no place"):
        nsp.open(nsp.open(IMAGE), rgb=False)


def test_a_single_pixel_is_a_superpixel():
    assert nsp.superpixels(IMAGE[:1, :1], axes="yx", step=2).compute() == [[1]]


def test_a_step_in_micrometers_shorter_than_two_pixels():
    with pytest.raises(InputError, match=r"0\.1 um, but a pixel is 0\.5 um .* at least 1 um"):
        intent.step_in_pixels(0.1, Axis("y", 9, 0.5, "micrometer"), Axis("x", 9, 0.5, "micrometer"))


@pytest.mark.parametrize(("unit", "spacing"), [("centimeter", 1e-4), ("inch", 1 / 25_400)])
def test_every_unit_of_our_readers_has_a_length(unit, spacing):
    axes = [Axis(name, 9, spacing, unit) for name in "yx"]
    assert intent.step_in_pixels(8, *axes) == 8
    assert {"angstrom", "picometer"} <= set(intent.UNIT_UM)
