"""What napari compiles to colour labels is compiled by another process, once."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("napari")

from napari_superpixels.engine import warm
from napari_superpixels.kernels import jit
from napari_superpixels.models.slic import Slic
from napari_superpixels.napari_ui import warming

AFTER = """
from numba.core import event
class Listener(event.Listener):
    def on_start(self, told): compiled.append(str(told.data["dispatcher"]))
    def on_end(self, told): pass
compiled = []
event.register("numba:compile", Listener())
from napari_superpixels.napari_ui.warming import show_labels
import sys
if sys.argv[1:] == ["first"]:
    show_labels()
    compiled.clear()
import numpy as np
from napari.layers import Labels
for dtype in ("uint32", "uint64"):
    Labels(np.ones((40, 30), dtype)).colormap
print(len(compiled), *compiled)
"""


@pytest.fixture
def marks(monkeypatch, tmp_path):
    """Keep the marks of what is compiled in a folder of the test's own."""
    monkeypatch.setattr(jit, "mark_of", lambda _function, name: tmp_path / name)
    monkeypatch.setattr(warming, "warm_up", lambda *_: None)
    return tmp_path


def test_the_other_process_is_started_until_it_has_done_its_work(marks, monkeypatch):
    started = []
    monkeypatch.setattr(warming, "run_module", lambda module, *_: started.append(module))
    for _ in range(2):
        warming.make_ready(Slic(), warm.RGB)
    assert started == [warming.__name__] * 2
    warming.main()
    warming.make_ready(Slic(), warm.RGB)
    assert len(started) == 2


def _compiled(folder, *how) -> int:
    command = [sys.executable, "-c", AFTER, *how]
    env = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    return int(done.stdout.split()[0])


def test_afterwards_napari_compiles_nothing(tmp_path):
    assert _compiled(tmp_path / "cold") > 0
    assert _compiled(tmp_path / "warm", "first") == 0
    assert _compiled(tmp_path / "warm") == 0
