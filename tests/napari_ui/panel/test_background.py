"""Work off the main thread; outcomes on it."""

import gc
import subprocess
import sys
import threading
import weakref
from functools import partial
from typing import Any

import pytest

from napari_superpixels.errors import Cancelled, InputError
from napari_superpixels.napari_ui.background import Job, Latest, sentence_of, show


class _Ear:
    """Hears outcomes, and on which thread."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.threads: set[str] = set()

    def hear(self, outcome: Any) -> None:
        self.heard.append(outcome)
        self.threads.add(threading.current_thread().name)


@pytest.fixture
def gate() -> Any:
    """Lets work go on; opened at the latest when the test ends."""
    event = threading.Event()
    yield event
    event.set()


def test_work_is_done_elsewhere_and_its_result_told_here(until: Any, no_threads: Any) -> None:
    ear = _Ear()
    Job(lambda: threading.current_thread().name, ear.hear)
    until(lambda: ear.heard)
    assert ear.heard[0].startswith("superpixels-job")
    assert ear.threads == {threading.main_thread().name}


def test_nobody_is_told_before_the_caller_has_the_job(until: Any, no_threads: Any) -> None:
    ear = _Ear()
    job = Job(lambda: 1, ear.hear)
    for thread in threading.enumerate():
        if thread.name.startswith("superpixels-job"):
            thread.join()
    assert ear.heard == []
    until(lambda: ear.heard)
    del job


def test_an_error_is_told_here(until: Any, no_threads: Any) -> None:
    ear = _Ear()
    Job(lambda: 1 / 0, pytest.fail, ear.hear)
    until(lambda: ear.heard)
    assert isinstance(ear.heard[0], ZeroDivisionError)


def test_an_error_is_shown_as_one_sentence(until: Any, told: list[str], no_threads: Any) -> None:
    def refuse() -> None:
        raise InputError("The value is 3; give 4.")

    Job(refuse, pytest.fail)
    until(lambda: told)
    assert told == ["The value is 3; give 4."]


def test_a_dropped_job_is_silent_and_closes_what_came_late(
    until: Any, no_threads: Any, gate: threading.Event
) -> None:
    ear, late = _Ear(), _Ear()
    job = Job(lambda: gate.wait() and 7, ear.hear)
    job.drop(late.hear)
    gate.set()
    until(lambda: late.heard)
    assert (ear.heard, late.heard) == ([], [7])


def test_a_dropped_job_keeps_nobody_alive(no_threads: Any, gate: threading.Event) -> None:
    ear = _Ear()
    gone = weakref.ref(ear)
    job = Job(gate.wait, ear.hear, ear.hear)
    job.drop()
    del ear
    gc.collect()
    assert gone() is None


def test_a_dropped_job_is_told_to_stop(no_threads: Any) -> None:
    cancel = threading.Event()
    Job(cancel.wait, pytest.fail, cancel=cancel).drop()
    no_threads()


def test_one_job_at_a_time_and_of_those_that_wait_the_last(
    until: Any, no_threads: Any, gate: threading.Event
) -> None:
    ear, late, begun, cancels = _Ear(), _Ear(), [], []
    latest: Latest[int] = Latest(late.hear)

    def work(number: int, cancel: threading.Event) -> int:
        begun.append(number)
        cancels.append(cancel)
        gate.wait()
        return number

    for number in range(5):
        latest.begin(partial(work, number), ear.hear)
    until(lambda: begun)
    assert cancels[0].is_set()
    assert latest.busy
    gate.set()
    until(lambda: ear.heard)
    assert (begun, late.heard, ear.heard, latest.busy) == ([0, 4], [0], [4], False)


AT_THE_END = """
import threading
from qtpy.QtWidgets import QApplication
from napari_superpixels.napari_ui.background import Job
app = QApplication([])
Job(threading.Event().wait, print)
"""


def test_no_job_keeps_python_from_its_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InputError("One sentence; repair."), "One sentence; repair."),
        (
            OSError(28, "No space left on device", "out.zarr"),
            "out.zarr: No space left on device; make room",
        ),
        (
            OSError(5, "Input/output error", "in.svs"),
            "in.svs: Input/output error; look whether the file",
        ),
        (FileNotFoundError(2, "No such file", "in.svs"), "moved or removed"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("what\n  happened"), "(RuntimeError: what happened)"),
    ],
)
def test_every_error_has_a_sentence(error: Exception, words: str) -> None:
    sentence = sentence_of(error)
    assert words in sentence
    assert "\n" not in sentence
    assert "Traceback" not in sentence


def test_a_cancel_is_no_error(told: list[str]) -> None:
    show(Cancelled("it was asked for"))
    assert told == []
