"""A cluster of processes on this machine, which can be killed one by one."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

SCHEDULER = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--dashboard-address=:0"]
WORKER = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-dashboard", "--no-nanny"]
START_SECONDS = 120.0
"""How long processes may take to start, on a busy machine."""


class Processes:
    """A scheduler and its workers.

    Parameters
    ----------
    folder
        Where they may leave files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = _free_port()
        self.scheduler = self._start([*SCHEDULER, "--host", "127.0.0.1", "--port", str(self._port)])
        self.workers: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """Where the scheduler listens."""
        return f"tcp://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what is left."""
        for process in [*self.workers, self.scheduler]:
            kill(process)

    def add_worker(self, threads: int = 1, **environment: str) -> subprocess.Popen[bytes]:
        """Start one worker more; it is not waited for."""
        options = ["--nthreads", str(threads), "--local-directory", str(self._folder)]
        process = self._start([*WORKER, self.address, *options], environment)
        self.workers.append(process)
        return process

    def kill_scheduler(self) -> None:
        """Kill the scheduler as `kill -9` does."""
        kill(self.scheduler)

    @contextmanager
    def client(self, workers: int) -> "Iterator[Any]":
        """Connect, when there are so many workers."""
        from distributed import Client

        with Client(self.address, timeout=START_SECONDS, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=START_SECONDS)
            yield client

    def _start(
        self, command: list[str], environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | (environment or {}),
        )


@contextmanager
def local_cluster(workers: int = 2, threads: int = 1) -> Iterator[Processes]:
    """Start a scheduler and workers; they are killed at the end."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        Processes(Path(folder)) as processes,
    ):
        for _ in range(workers):
            processes.add_worker(threads)
        yield processes


def kill(process: "subprocess.Popen[Any]") -> None:
    """Kill a process as `kill -9` does, and wait until it is gone."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()


def do_nothing(_name: str) -> tuple[()]:
    """Be a super-tile that takes no step; here, for workers must be able to import it."""
    return ()


def different_files(one: Path, other: Path) -> list[str]:
    """Return the names of files that two folders do not share with equal bytes."""
    contents = [
        {path.relative_to(root).as_posix(): path.read_bytes() for path in _files(root)}
        for root in (one, other)
    ]
    names = contents[0].keys() | contents[1].keys()
    return sorted(name for name in names if contents[0].get(name) != contents[1].get(name))


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def wait_until(reached: Any, seconds: float = START_SECONDS) -> None:
    """Wait until a function says true; fail after some time."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.02)
