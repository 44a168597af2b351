"""What this process may use of its machine: as many processors and as much memory as cgroups allow.

Containers and batch systems give a job a share by Linux control groups, of which the machine's own
numbers say nothing. A limit of any group around the process holds. Both versions are read::

    version 2   /sys/fs/cgroup/GROUP/{cpu.max,memory.{max,high,current,stat}}
    version 1   /sys/fs/cgroup/{cpu,memory}/GROUP/{cpu.cfs_quota_us,memory.limit_in_bytes,...}
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path, PurePosixPath

import psutil

UNLIMITED = 2**60
"""Version 1 says so, or more, where memory has no limit."""


@dataclass(frozen=True, slots=True)
class ControlGroups:
    """The control groups around this process."""

    mount: Path = Path("/sys/fs/cgroup")
    """Where the system shows them all."""
    own: Path = Path("/proc/self/cgroup")
    """Which of them this process is in."""

    def processors(self) -> float | None:
        """Return how many processors may be busy at once; None without a limit."""
        found = [*map(_quota, self._folders("cpu"))]
        return min((limit for limit in found if limit is not None), default=None)

    def free_bytes(self) -> int | None:
        """Return how much more memory may be taken; None without a limit."""
        found = [*map(_free, self._folders("memory"))]
        return min((limit for limit in found if limit is not None), default=None)

    def _folders(self, controller: str) -> Iterator[Path]:
        """Yield the folders of the groups that a controller has around this process."""
        for line in _lines(self.own):
            _, controllers, group = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            tops = [self.mount / name for name in (controller, controllers)]
            top = next(filter(Path.is_dir, tops), tops[0]) if controllers else self.mount
            inner = PurePosixPath(group).relative_to("/")
            # A container may see its group as the top one, and not know where that lies.
            places = (top / part for part in (inner, *inner.parents) if ".." not in part.parts)
            yield from filter(Path.is_dir, places)


def processors() -> int:
    """Return how many processors this process may use, at least one."""
    process = psutil.Process()
    own = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else psutil.cpu_count()
    allowed = ControlGroups().processors()
    return max(1, own or 1) if allowed is None else max(1, min(own or 1, ceil(allowed)))


def free_bytes() -> int:
    """Return how much memory this process may still take, in bytes."""
    free, allowed = int(psutil.virtual_memory().available), ControlGroups().free_bytes()
    return free if allowed is None else max(0, min(free, allowed))


def _quota(folder: Path) -> float | None:
    """Return the processors that a group may use."""
    words = " ".join(_lines(folder / "cpu.max")).split()
    if not words:
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        words = [line for name in names for line in _lines(folder / name)]
    if len(words) != 2 or not all(map(str.isdigit, words)) or "0" in words:
        return None  # "max", or -1: no limit
    return int(words[0]) / int(words[1])


def _free(folder: Path) -> int | None:
    """Return the memory that a group may still take."""
    for limits, used, prefix in (
        # Above "high" a group is slowed down until nothing moves.
        (("memory.max", "memory.high"), "memory.current", ""),
        (("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_"),
    ):
        found = (_number(folder / limit) for limit in limits)
        most = min((limit for limit in found if limit is not None), default=UNLIMITED)
        taken = _number(folder / used)
        if taken is not None and most < UNLIMITED:
            # Files that were read or written count as used, but give way, were it the second time.
            names = (f"{prefix}inactive_file", f"{prefix}active_file")
            cached = sum(_statistic(folder / "memory.stat", name) for name in names)
            return most - max(0, taken - cached)
    return None


def _statistic(path: Path, name: str) -> int:
    pairs = (line.split() for line in _lines(path))
    return next((int(words[1]) for words in pairs if words[:1] == [name]), 0)


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None


def _lines(path: Path) -> list[str]:
    """Return the lines of a file, none where it cannot be read."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
