import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from numba import njit

from napari_superpixels.kernels.jit import is_kept, kernel, timed_compilation


def add_one(x):
    return x + 1


def without_a_file():
    """Return a function that has no file, so that there is no place beside it for a cache."""
    names = {}
    exec("def double(x):\n    return 2 * x", names)
    return names["double"]


def test_without_a_place_for_a_cache_kernels_still_compile():
    with pytest.raises(RuntimeError, match="no locator available"):
        njit(cache=True)(without_a_file())
    double = kernel()(without_a_file())
    assert double(21) == 42
    assert double.signatures, "it was compiled"


def test_options_are_passed_on():
    assert kernel(error_model="numpy")(without_a_file()).targetoptions["error_model"] == "numpy"


OUTER = """
from napari_superpixels.kernels.jit import kernel
from inner import add
@kernel()
def outer(x):
    return add(x)
"""
INNER = """
from napari_superpixels.kernels.jit import kernel
@kernel()
def add(x):
    return x + {}
"""
CALL = "from outer import outer; print(outer(1), sum(outer.stats.cache_hits.values()))"


def test_a_change_of_an_inlined_file_empties_the_cache(tmp_path):
    package = str(Path(__file__).parents[2] / "src")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), package]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }

    def call(number):
        inner = tmp_path / "inner.py"
        inner.write_text(INNER.format(number))
        os.utime(inner, (1e9, 1e9))  # as an installer that keeps times
        done = subprocess.run(
            [sys.executable, "-c", CALL], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    (tmp_path / "outer.py").write_text(OUTER)
    assert call(1) == ["2", "0"]
    assert call(1) == ["2", "1"], "nothing changed, so nothing is compiled again"
    assert call(5) == ["6", "0"]


def test_a_cache_whose_types_are_gone_counts_as_empty(tmp_path):
    """As after an update of the package that renamed a named tuple that kernels take."""
    package = str(Path(__file__).parents[2] / "src")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), package]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }
    for name in ("Before", "After"):
        (tmp_path / "taker.py").write_text(TAKER.format(name))
        command = [sys.executable, "-c", f"from taker import {name}, take; print(take({name}(3)))"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "4\n"


TAKER = """
from typing import NamedTuple
from napari_superpixels.kernels.jit import kernel
class {}(NamedTuple):
    x: int
@kernel()
def take(pair):
    return pair.x + 1
"""


def test_compiling_is_timed_and_loading_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    with timed_compilation() as seconds:
        assert seconds() == 0
        first = kernel()(add_one)
        assert not is_kept(first)
        assert first(1) == 2
        assert seconds() > 0
    assert is_kept(first)
    with timed_compilation() as seconds:
        assert kernel()(add_one)(1) == 2
    assert seconds() == 0
