"""What figures are measured with."""

import subprocess
import sys

import numpy as np

from napari_superpixels.evaluation import hardware


def test_the_description_names_processor_and_versions():
    text = hardware.description(("numpy", "no-such-package"))
    assert f"numpy {np.__version__}" in text
    assert "no-such-package none" in text
    assert f"{hardware.cores()} cores" in text


GROW = """
import numpy as np
from napari_superpixels.evaluation.hardware import peak_memory
before = peak_memory()
block = np.ones(20_000_000)
during = peak_memory()
del block
print(during - before, peak_memory() - during)
"""


def test_peak_memory_grows_with_what_is_used_and_stays():
    ended = subprocess.run([sys.executable, "-c", GROW], capture_output=True, text=True, check=True)
    grown, after = map(int, ended.stdout.split())
    assert 100e6 < grown < 400e6
    assert after >= 0


def test_calls_take_turns_each_on_an_input_of_its_own():
    order, inputs = [], iter(range(100))
    calls = {name: lambda given, name=name: order.append((name, given)) for name in "ab"}
    seconds = hardware.interleave(calls, lambda: next(inputs), 3)
    assert order == [("a", 0), ("b", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5)]
    assert all(len(values) == 3 for values in seconds.values())


def test_medians_ignore_one_slow_round():
    assert hardware.medians({"a": [1.0, 90.0, 2.0]}) == {"a": 2.0}
