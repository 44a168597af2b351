"""Benchmarks are scripts: import them by their path."""

import importlib.util
import sys

import pytest


@pytest.fixture
def benchmark_script(repository, monkeypatch):
    """Return a function that imports a benchmark by name, without running it."""

    def load(name):
        path = repository / "benchmarks" / f"{name}.py"
        monkeypatch.syspath_prepend(path.parent)  # scripts import one another
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look it up
        spec.loader.exec_module(module)
        return module

    return load
