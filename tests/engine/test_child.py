"""A child process ends when it is told to, when it takes too long, and when its parent is gone."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from time import sleep

import pytest
from filelock import FileLock

from napari_superpixels.engine import child
from napari_superpixels.errors import Cancelled

ENDLESS = """
import sys, time
from pathlib import Path
from napari_superpixels.engine.child import end_with_parent
from filelock import FileLock
end_with_parent()
lock = FileLock(sys.argv[1] + ".lock")
lock.acquire()
Path(sys.argv[1]).touch()
time.sleep(1000)
"""

PARENT = """
import sys, threading
from napari_superpixels.engine.child import run_module
arguments = ("endless", sys.argv[1:], None, 1000.0)
threading.Thread(target=run_module, args=arguments, daemon=sys.argv[2] == "daemon").start()
sys.stdin.read()
if sys.argv[2] == "killed":
    import os, signal
    os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.fixture
def endless(monkeypatch, tmp_path):
    """Return the file that a child makes when it runs; it would not end for a long time."""
    (tmp_path / "endless.py").write_text(ENDLESS)
    ours = str(Path(child.__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), ours]))
    return tmp_path / "runs"


@pytest.fixture
def children(monkeypatch):
    """Return the processes that were started."""
    made, popen = [], subprocess.Popen

    def record(*arguments, **options):
        made.append(popen(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(child.subprocess, "Popen", record)
    return made


def wait_until_there(path):
    """Wait until a file is there."""
    assert child.wait_for(lambda seconds: path.exists() or sleep(seconds), None, 60.0)


def test_it_ends_when_told(endless, children):
    cancel, errors = threading.Event(), []

    def run():
        try:
            child.run_module("endless", [str(endless)], cancel, 1000.0)
        except Cancelled as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until_there(endless)
    cancel.set()
    thread.join()
    assert len(errors) == 1
    assert [process.returncode is None for process in children] == [False]


def test_it_ends_when_it_takes_too_long(endless, children):
    child.run_module("endless", [str(endless)], None, 0.0)
    assert [process.returncode is None for process in children] == [False]


@pytest.mark.parametrize("how", ["daemon", "waited for", "killed"])
def test_it_ends_with_its_parent(endless, how):
    command = [sys.executable, "-c", PARENT, endless, how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        wait_until_there(endless)
        parent.stdin.close()
        parent.wait(60)
    with FileLock(f"{endless}.lock", timeout=60):  # the child holds it as long as it runs
        pass
