"""Steps before a network of a package, against numpy doing them one after the other."""

import numpy as np
import pytest

from napari_superpixels.errors import InputError
from napari_superpixels.models.preprocessing import normalisation

SAMPLES = np.linspace(0, 1, 256)
BYTES = {"type": "uint8"}


def step(kind, **kwargs):
    return {"id": kind, "kwargs": kwargs}


UNIT = step("scale_linear", gain=1 / 255)
SHIFTED = step("scale_linear", gain=2, offset=-7)
TURNED = step("scale_linear", gain=-1, offset=255)
CHANNELS = step("scale_linear", gain=[1, 2, 4], offset=[0, -1, 5], axis="channel")
RANGE = step("scale_range", min_percentile=0, max_percentile=100)
FIXED = step("fixed_zero_mean_unit_variance", mean=0.5, std=0.25)
EACH = step("fixed_zero_mean_unit_variance", mean=[0.1, 0.2, 9], std=[1, 2, 3], axis="channel")
FLOAT = step("ensure_dtype", dtype="float32")
WIDE = step("clip", min=-10, max=300)
TO_ONE = step("clip", min=0, max=1)


def literally(steps, raw):
    """Do what the format says, on channels (C, N)."""
    for one in steps:
        told = {k: np.reshape(v, (-1, 1)) for k, v in one["kwargs"].items() if k != "axis"}
        if one["id"] == "scale_linear":
            raw = raw * told.get("gain", 1) + told.get("offset", 0)
        elif one["id"] == "scale_range":
            low, high = raw.min(axis=1, keepdims=True), raw.max(axis=1, keepdims=True)
            raw = (raw - low) / (high - low)
        elif one["id"] == "fixed_zero_mean_unit_variance":
            raw = (raw - told["mean"]) / told["std"]
        elif one["id"] == "clip":
            raw = raw.clip(told["min"], told["max"])
        else:
            raw = raw.astype(one["kwargs"]["dtype"]).astype(float)
    return raw


def seen(steps, data=BYTES, channels=3):
    """Return what a network sees of samples of 0 to 1, (C, N)."""
    found = normalisation("a.zip", {"preprocessing": steps, "data": data}, channels)
    mean, std = (np.array(found[key])[:, None] for key in ("mean", "std"))
    return (SAMPLES - mean) / std


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [UNIT, FIXED],
        [RANGE, FIXED],
        [SHIFTED, FIXED],
        [FIXED, SHIFTED],
        [FIXED, UNIT],
        [UNIT, EACH],
        [CHANNELS, EACH],
        [EACH, CHANNELS],
        [TURNED, UNIT],
        [TURNED, RANGE],
        [SHIFTED, RANGE],
        [RANGE, TURNED],
        [WIDE, UNIT],
        [UNIT, TO_ONE],
        [RANGE, TO_ONE],
        [FLOAT, FIXED],
        [step("ensure_dtype", dtype="int16"), UNIT],
    ],
)
def test_steps_are_done_one_after_the_other(steps):
    raw = np.repeat(np.arange(256.0)[None], 3, axis=0)
    np.testing.assert_allclose(seen(steps), literally(steps, raw), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("ends", [(0, 1), (-1, 1), (0, 4095)])
def test_a_range_that_is_told_is_that_of_the_samples(ends):
    raw = np.interp(SAMPLES, [0, 1], ends)[None]
    for steps in ([], [FIXED]):
        found = seen(steps, {"type": "uint16", "range": list(ends)}, channels=1)
        np.testing.assert_allclose(found, literally(steps, raw), rtol=1e-9, atol=1e-9)


def test_channels_may_be_told_one_by_one():
    found = seen([], [BYTES, {"type": "float32", "range": [0, 2]}], channels=2)
    np.testing.assert_allclose(found.max(axis=1), [255, 2])


@pytest.mark.parametrize(
    ("steps", "data"),
    [
        ([], {"type": "float32"}),
        ([], {"type": "uint16", "range": [0, None]}),
        ([FLOAT], {"type": "float32"}),
        ([WIDE], {"type": "float32"}),
        ([FIXED], {"type": "uint16"}),
        ([], [BYTES]),
    ],
)
def test_samples_of_which_nothing_is_known_are_refused(steps, data):
    with pytest.raises(InputError, match=r"does not tell their range, .* step that scales"):
        seen(steps, data)


def test_the_range_does_not_matter_where_it_is_scaled_away():
    np.testing.assert_allclose(seen([RANGE], {"type": "uint16"})[0], SAMPLES)
    np.testing.assert_allclose(seen([UNIT], {"type": "float32"})[0], SAMPLES)


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([step("scale_linear", gain=0)], r"with \[0.0, 0.0, 0.0\] .* finite and not 0"),
        ([step("scale_linear", gain=[1, 0, 1], axis="channel")], "finite and not 0"),
        ([step("scale_linear", gain=float("nan"))], "finite and not 0"),
        ([step("fixed_zero_mean_unit_variance", mean=0, std=0)], "finite and not 0"),
        ([step("scale_linear", gain=[1, 1], axis="channel")], "it takes 3 channels, each"),
        ([step("scale_linear", gain=[1, 1, 1], axis="y")], "along 'y' before .* 3 channels"),
        ([step("clip", min=0, max=200)], "wants 'clip' with .*'max': 200.* cuts off"),
        ([step("clip", min=0, max=255), SHIFTED, TO_ONE], "wants 'clip' .* cuts off"),
        ([UNIT, FIXED, TO_ONE], "wants 'clip' .* cuts off"),
        ([step("clip", min_percentile=1, max_percentile=99)], "wants 'clip' .* cuts off"),
        ([UNIT, step("ensure_dtype", dtype="uint8")], "wants 'ensure_dtype' .* rounds"),
        ([step("ensure_dtype", dtype="int8")], "wants 'ensure_dtype' .* cuts off"),
        ([step("ensure_dtype", dtype="bool")], "wants 'ensure_dtype' .* rounds"),
        ([UNIT, step("zero_mean_unit_variance")], "wants 'zero_mean_unit_variance' before"),
    ],
)
def test_what_is_no_line_is_refused_in_a_sentence(steps, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        seen(steps)
    assert str(caught.value).count(". ") == 0
