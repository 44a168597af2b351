"""A cluster and parts that lose processes at random moments, for real, in a loop.

In each round one process is killed with `kill -9` when some, but not all, super-tiles are done: a
worker (another one joins), the scheduler (the run is resumed in this process), the client (resumed
on the cluster), or a part (started again). All files of the output must equal those of a run that
nobody disturbed.

    python benchmarks/cluster_faults.py --loops 20 --seed 0
"""

import argparse
import logging
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr

import napari_superpixels as nsp
from napari_superpixels.engine.events import Event, TileDone
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.errors import IncompleteRunError
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.testing.local_cluster import (
    Processes,
    different_files,
    kill,
    local_cluster,
    wait_until,
)

SETTINGS = {"step": 8, "iterations": 1, "window": 64}
CLIENT = """
import sys
import napari_superpixels as nsp
from distributed import Client
image, out, address, step, iterations, window = sys.argv[1:4] + list(map(int, sys.argv[4:]))
plan = nsp.plan(image, step=step, iterations=iterations, window=window)
with Client(address, set_as_default=False) as client:
    nsp.run(plan, out, client=client)
"""
PART = """
import sys
import napari_superpixels as nsp
image, out, number, step, iterations, window = sys.argv[1:3] + list(map(int, sys.argv[3:]))
plan = nsp.plan(image, step=step, iterations=iterations, window=window)
nsp.run(plan, out, part=(number, 2), workers=1)
"""


@dataclass(frozen=True)
class Round:
    """One output that is disturbed once."""

    plan: Plan
    image: Path
    out: Path
    moment: int
    """How many super-tiles are done when it happens."""

    def done(self) -> int:
        """Return how many are done."""
        return len(RunState(partial_path(self.out)).done())

    def start(self, code: str, *words: object) -> "subprocess.Popen[bytes]":
        """Start a process that works on the output."""
        given = [self.image, self.out, *words, *SETTINGS.values()]
        command = [sys.executable, "-c", code, *map(str, given)]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def at_the_moment(self, action: Callable[[], object]) -> Callable[[Event], None]:
        """Return a listener that acts when so many are done."""
        left = self.moment

        def listen(event: Event) -> None:
            nonlocal left
            left -= isinstance(event, TileDone)
            if not left:
                left = -1
                action()

        return listen


def lose_worker(one: Round, cluster: Processes) -> None:
    """Kill a worker; another one joins."""

    def act() -> None:
        kill(cluster.workers[-1])
        cluster.add_worker()

    with cluster.client(workers=1) as client:
        nsp.run(one.plan, one.out, client=client, listener=one.at_the_moment(act))


def lose_scheduler(one: Round, _cluster: Processes) -> None:
    """Kill a scheduler of its own, and resume here."""
    with local_cluster(workers=1) as own, own.client(workers=1) as client:
        said = "it went on"
        try:
            listener = one.at_the_moment(own.kill_scheduler)
            nsp.run(one.plan, one.out, client=client, listener=listener)
        except IncompleteRunError as error:
            said = str(error)
        if "is gone; what is done is kept" not in said:
            raise AssertionError(said)
    nsp.resume(one.out)


def lose_client(one: Round, cluster: Processes) -> None:
    """Kill the client, and resume on the cluster."""
    process = one.start(CLIENT, cluster.address)
    wait_until(lambda: one.done() >= one.moment)
    kill(process)
    with cluster.client(workers=1) as client:
        nsp.resume(one.out, client=client)


def lose_part(one: Round, _cluster: Processes) -> None:
    """Kill the first of two parts, and start it again."""
    process = one.start(PART, 1)
    wait_until(lambda: one.done() >= max(1, one.moment // 2))
    kill(process)
    for number in (1, 2):
        if one.start(PART, number).wait():
            raise AssertionError("a part failed")
    nsp.finish(one.out)


FAULTS = {
    "kill -9 of the worker": lose_worker,
    "kill -9 of the scheduler": lose_scheduler,
    "kill -9 of the client": lose_client,
    "kill -9 of a part": lose_part,
}


def write_image(path: Path) -> None:
    """Write an image of 10 x 8 windows, of noise."""
    image = zarr.create_array(path, shape=(640, 512), chunks=(64, 64), dtype="u1")
    image[:] = np.random.default_rng(0).integers(0, 99, image.shape)


def rounds(loops: int, seed: int, folder: Path) -> list[list[str]]:
    """Disturb so many outputs in each way; return what came of it."""
    image, undisturbed = folder / "in.zarr", folder / "whole" / "out.zarr"
    write_image(image)
    plan, dice = nsp.plan(image, **SETTINGS), random.Random(seed)
    undisturbed.parent.mkdir()
    nsp.run(plan, undisturbed)
    rows = []
    with local_cluster(workers=1) as cluster:
        for name, fault in FAULTS.items():
            moments, equal = [], 0
            for loop in range(loops):
                place = folder / f"{fault.__name__}-{loop}"
                place.mkdir()
                moments.append(dice.randrange(1, plan.tiles - 4))
                one = Round(plan, image, place / "out.zarr", moments[-1])
                fault(one, cluster)
                equal += not different_files(undisturbed, one.out)
            span = f"{min(moments)} to {max(moments)} of {plan.tiles}"
            rows.append([name, str(loops), span, f"{equal} of {loops} equal"])
    return rows


def main(given: Sequence[str] | None = None) -> None:
    """Print the table; fail where a file differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loops", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(sys.argv[1:] if given is None else given)
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    for name in ("client", "batched", "comm"):  # which tell of every process that is lost
        logging.getLogger(f"distributed.{name}").setLevel(logging.CRITICAL + 1)
    with tempfile.TemporaryDirectory() as scratch:
        rows = rounds(options.loops, options.seed, Path(scratch))
    print(f"{hardware.description(('numpy', 'numba', 'zarr', 'distributed'))}\n")
    print(markdown(["fault", "loops", "tiles done then", "files"], rows))
    if any(row[3] != f"{options.loops} of {options.loops} equal" for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
