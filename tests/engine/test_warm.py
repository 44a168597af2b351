"""Kernels are compiled elsewhere once, and only loaded afterwards."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict

import numpy as np
import pytest

from napari_superpixels.engine import child, warm
from napari_superpixels.errors import Cancelled
from napari_superpixels.kernels import ids, jit
from napari_superpixels.models.grid_network import Ainet, Scn
from napari_superpixels.models.protocol import ImageFacts
from napari_superpixels.models.registry import make_method
from napari_superpixels.models.slic import Slic
from napari_superpixels.testing.weights import write_random_segmentation, write_random_weights

DEFAULTS = json.dumps(asdict(Slic()))
TWO_CHANNELS = ImageFacts(channels=2, dtype=np.dtype(np.uint16), rgb=False)


@pytest.fixture(autouse=True)
def _nothing_ready():
    """Let each test begin as a new process does."""
    warm._gate.cache_clear()
    yield
    warm._gate.cache_clear()


@pytest.fixture
def marks(monkeypatch, tmp_path):
    """Keep the marks of what is compiled in a folder of the test's own."""

    def mark_of(_function, name):
        return tmp_path / name

    monkeypatch.setattr(jit, "mark_of", mark_of)
    return tmp_path


def compiled(folder):
    """Return what is marked as compiled."""
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


@pytest.fixture
def started(monkeypatch):
    """Record what processes would be started, and start none."""
    commands = []

    def run_module(module, arguments, _cancel, _longest):
        commands.append([module, *arguments])

    monkeypatch.setattr(warm, "run_module", run_module)
    return commands


def test_compiling_is_left_to_another_process_once(marks, started):
    for _ in range(2):
        warm.warm_up(Slic(), TWO_CHANNELS)
        warm._gate.cache_clear()
    assert started == [["napari_superpixels.engine.warm", "slic", DEFAULTS, "<u2", "2", "0"]]
    assert compiled(marks) == ["slic-uint16-channels"]


def test_what_is_ready_in_this_process_is_not_made_ready_again(marks, started, monkeypatch):
    warm.warm_up(Slic(), TWO_CHANNELS)
    monkeypatch.setattr(warm, "run_once", lambda *_: pytest.fail("it was ready"))
    warm.warm_up(Slic(step=30), TWO_CHANNELS)


def test_each_method_and_type_is_for_itself(marks, started):
    warm.warm_up(Slic(), TWO_CHANNELS)
    warm.warm_up(Slic())
    assert [command[-3:] for command in started] == [["<u2", "2", "0"], ["|u1", "3", "1"]]


def test_without_a_place_for_compiled_code_this_process_compiles(monkeypatch, started):
    monkeypatch.setattr(jit, "mark_of", lambda _function, _name: None)
    warm.warm_up(Slic(), TWO_CHANNELS)
    assert started == []


def test_a_process_that_cannot_start_is_no_error(marks, monkeypatch):
    def fail(*_arguments, **_options):
        raise OSError("no more processes")

    monkeypatch.setattr(child.subprocess, "Popen", fail)
    warm.warm_up(Slic(), TWO_CHANNELS)
    assert compiled(marks) == ["slic-uint16-channels"]


def test_of_threads_that_ask_at_once_one_compiles(marks, monkeypatch):
    compiling, may_end, commands = threading.Event(), threading.Event(), []

    def run_module(_module, arguments, _cancel, _longest):
        commands.append(arguments)
        compiling.set()
        assert may_end.wait(60)

    monkeypatch.setattr(warm, "run_module", run_module)
    asking = [
        threading.Thread(target=warm.warm_up, args=(Slic(step=step), TWO_CHANNELS))
        for step in (10, 20, 30)
    ]
    for thread in asking:
        thread.start()
    assert compiling.wait(60)
    given_up = threading.Event()
    given_up.set()
    with pytest.raises(Cancelled):  # one who waits need not wait on
        warm.warm_up(Slic(), TWO_CHANNELS, given_up)
    may_end.set()
    for thread in asking:
        thread.join()
    assert commands == [["slic", DEFAULTS, "<u2", "2", "0"]]


COMPILING_ELSEWHERE = """
import sys
from pathlib import Path
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("compiling", flush=True)
    sys.stdin.read()
    Path(sys.argv[2]).touch()
"""


def test_what_another_process_compiles_is_waited_for(marks, started, monkeypatch):
    mark = marks / "slic-uint16-channels"
    command = [sys.executable, "-c", COMPILING_ELSEWHERE, mark.with_suffix(".lock"), mark]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline().strip() == b"compiling"
        refused = threading.Event()
        acquire = warm.FileLock.acquire

        def attempt(lock, **options):
            try:
                return acquire(lock, **options)
            except warm.Timeout:
                refused.set()
                raise

        monkeypatch.setattr(warm.FileLock, "acquire", attempt)
        asking = threading.Thread(target=warm.warm_up, args=(Slic(), TWO_CHANNELS))
        asking.start()
        assert refused.wait(60)
        other.stdin.close()
        asking.join()
    assert started == []


def test_the_other_process_runs_what_it_is_told(marks):
    warm.main(["slic", DEFAULTS, "<u2", "2", "0"])
    assert compiled(marks) == ["slic-uint16-channels"]


def test_the_other_process_takes_the_weights_that_were_given(marks, started, tmp_path):
    method = Scn(weights=str(write_random_weights(tmp_path, "scn")))
    warm.warm_up(method)
    (command,) = started
    assert make_method(command[1], json.loads(command[2])) == method


def test_methods_with_the_same_kernels_compile_once(marks, started, tmp_path):
    for kind, name in ((Scn, "scn"), (Ainet, "ainet"), (Scn, "scn")):
        warm.warm_up(kind(weights=str(write_random_weights(tmp_path, name))))
    assert len(started) == 1


def test_marks_lie_beside_the_code_and_change_with_it(monkeypatch):
    mark = jit.mark_of(ids._expand, "slic")
    assert mark == jit.mark_of(ids._expand, "slic")
    assert mark.parent.name.startswith("kernels") or mark.parent.name == "__pycache__"
    monkeypatch.setattr(jit, "sources_digest", lambda _folder: "changed")
    assert jit.mark_of(ids._expand, "slic") != mark
    assert jit.mark_of(lambda: None, "slic") is None


AFTER = r"""
import sys
from napari_superpixels.engine.live import LiveView
from napari_superpixels.engine.warm import RGB, run_once
from napari_superpixels.models.registry import make_method
from napari_superpixels import api
from numba.core.dispatcher import Dispatcher
from napari_superpixels.kernels.mode import mode_downsample
from skimage.data import astronaut
import numpy as np
if sys.argv[1] == "warm":
    run_once(make_method("slic", {}), RGB)
kernels = [v for name, m in list(sys.modules.items()) if name.startswith("napari_superpixels")
           for v in vars(m).values() if isinstance(v, Dispatcher)]
def compiled():
    return {(kernel.__name__, signature) for kernel in kernels for signature in kernel.signatures}
before = compiled()
whole = astronaut()
image = whole[:100, :90]  # the whole of another size is seen in several tiles, within windows
for given in (image, image.transpose(2, 0, 1).copy(), np.tile(whole, (3, 3, 1))):
    axes = "yxs" if given.shape[-1] == 3 else "syx"
    view = LiveView(api.plan(api.open(given, axes=axes, rgb=True), "slic", step=9))
    view.labels[0][...]
    assert view.wait(600)
    assert view.status().failed == 0
mode_downsample(np.zeros((64, 48), np.uint32), (2, 2))  # as those of whole windows
more = compiled() - before
print(*more, sep="\n", file=sys.stderr)
print(len(more))
"""


@pytest.mark.parametrize(("how", "missing"), [("warm", False), ("cold", True)])
def test_afterwards_a_view_needs_nothing_more(how, missing):
    command = [sys.executable, "-c", AFTER, how]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    assert (int(done.stdout.split()[-1]) > 0) == missing, done.stderr


def test_the_cells_of_a_network_may_be_of_other_sizes(marks, tmp_path):
    (tmp_path / "weights").mkdir()
    weights = write_random_segmentation(tmp_path / "weights")
    warm.run_once(make_method("hcnet", {"weights": str(weights), "step": 32}), warm.RGB)
    assert "hcnet-uint8-rgb" in compiled(marks)


def test_a_segmentation_network_is_loaded_and_its_levels_are_compiled(marks, tmp_path):
    """Its cells are what its layers say, however tiny the image."""
    (tmp_path / "weights").mkdir()
    weights = write_random_segmentation(tmp_path / "weights", "HCFPN")
    warm.run_once(make_method("segment", {"weights": str(weights)}), warm.RGB)
    assert "segment-uint8-rgb" in compiled(marks)
