"""What a figure was measured on, how long calls take, how much memory a process used."""

import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any


def cpu_model() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def package_version(name: str) -> str:
    """Return the version of a distribution, "none" where it is not installed.

    Parameters
    ----------
    name
        Name of the distribution.
    """
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def description(packages: Sequence[str] = ("numpy", "numba")) -> str:
    """Return one line that says what a figure was measured on.

    Parameters
    ----------
    packages
        Distributions whose versions matter.

    Returns
    -------
    str
        Processor, number of cores, load at this moment, Python and those versions.
    """
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    versions = ", ".join(f"{name} {package_version(name)}" for name in packages)
    return f"{cpu_model()}, {cores()} cores{load}; Python {platform.python_version()}, {versions}"


def peak_memory() -> int:
    """Return the largest resident size of this process so far, in bytes.

    The kernel's own mark (VmHWM) is preferred: ``ru_maxrss`` of a process started by another
    one begins at the size of its parent.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def interleave(
    calls: Mapping[str, Callable[[Any], Any]], fresh: Callable[[], Any], repeats: int
) -> dict[str, list[float]]:
    """Time calls in turns, A B C A B C, each on an input of its own.

    Machines are noisy: only ratios within one such run mean something, and of those the medians.

    Parameters
    ----------
    calls
        What is timed, by name; each takes one input.
    fresh
        Makes an input; its time is not counted.
    repeats
        Number of rounds.

    Returns
    -------
    dict of list of float
        Seconds of every round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            given = fresh()
            start = time.perf_counter()
            call(given)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def medians(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the median time of each call.

    Parameters
    ----------
    seconds
        What `interleave` returned.
    """
    return {name: median(values) for name, values in seconds.items()}
