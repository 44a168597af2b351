"""Lines between two processes: what was told is what comes out."""

import json
from pathlib import Path

import pytest

from napari_superpixels.errors import InputError, OutputError, TrainingError
from napari_superpixels.training.events import Saved, StepDone, TrainingStarted, Validated
from napari_superpixels.training.messages import error_line, from_line, to_line
from napari_superpixels.training.task import Done

MESSAGES = [
    TrainingStarted(200, 0, 3),
    StepDone(7, 1e-3, {"label": 0.5, "compactness": 0.25}),
    Validated(7, {"asa": 0.9, "br": 0.8, "superpixels": 100.0}),
    Saved(7, Path("some") / "last.pt"),
    Done(7, False, {}, ""),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_a_message_comes_out_as_it_was(message):
    line = to_line(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert from_line(line) == message


@pytest.mark.parametrize("kind", [InputError, OutputError, TrainingError])
def test_an_error_is_raised_again(kind):
    with pytest.raises(kind, match=r"^One sentence\.$"):
        from_line(error_line(kind("One sentence.")))


def test_an_error_that_nobody_foresaw_is_one_of_training():
    line = error_line(ZeroDivisionError("by\nzero"))
    assert json.loads(line)["kind"] == "failed"
    with pytest.raises(TrainingError, match=r"failed \(ZeroDivisionError: by zero\)"):
        from_line(line)
