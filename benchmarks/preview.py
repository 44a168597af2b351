"""Looking at a preview of a very large image: when something is there, and what asking costs.

The image is an OME-Zarr pyramid of 100 000 x 100 000 RGB pixels: a square of a real slide over and
over, its chunks links to a few files, so that it takes a few MB of disk. Decoding and computing do
not know that; but files come from the page cache, so a slow disk would come on top.

Measured without a window: the first tile and all tiles of a screen after asking for a place that
nobody has looked at; what `__getitem__` takes for a screen, before and after its tiles are there;
and the longest pause that another thread of Python notices meanwhile.

    python benchmarks/preview.py
    python benchmarks/preview.py --size 20000 --steps 16 --methods slic ssn_pix
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

import napari_superpixels as nsp
from napari_superpixels.engine.live import LiveLevel, LiveView
from napari_superpixels.engine.plan import Plan
from napari_superpixels.engine.warm import warm_up
from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.mosaic import read_image
from napari_superpixels.evaluation.tables import markdown

SLIDE = nsp.sample_path("slide")
CHUNK_PX = 512
SQUARE_PX = 2048
"""What is repeated; a power of two, so that squares of all levels fit chunks."""
COARSEST_PX = 256
SCREEN = (1024, 1280)
"""Pixels along y and x."""
POLL_SECONDS = 0.001


def write_pyramid(path: Path, image: NDArray[np.uint8], size: int) -> None:
    """Write the image, shape (Y, X, 3), over and over as an OME-Zarr of that many pixels."""
    square = image[:SQUARE_PX, :SQUARE_PX].transpose(2, 0, 1)
    assert square.shape == (3, SQUARE_PX, SQUARE_PX), "give a larger image"
    root = zarr.create_group(path, zarr_format=3)
    datasets, level, length = [], 0, size
    while level == 0 or length > COARSEST_PX:
        write_level(path, level, length, square)
        scale = [1.0, size / length, size / length]
        transformation = {"type": "scale", "scale": scale}
        datasets.append({"path": str(level), "coordinateTransformations": [transformation]})
        square = halved(square)
        level, length = level + 1, -(-length // 2)
    names = (("c", "channel"), ("y", "space"), ("x", "space"))
    axes = [{"name": name, "type": kind} for name, kind in names]
    multiscales = [{"axes": axes, "datasets": datasets}]
    colours = [{"color": colour, "label": colour} for colour in ("FF0000", "00FF00", "0000FF")]
    root.attrs["ome"] = {
        "version": "0.5",
        "multiscales": multiscales,
        "omero": {"channels": colours},
    }


def halved(square: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the means of blocks of 2 x 2; of what is smaller than a chunk, side by side."""
    blocks = square.reshape(3, square.shape[1] // 2, 2, square.shape[2] // 2, 2)
    half = blocks.mean(axis=(2, 4)).astype(np.uint8)
    return np.tile(half, (1, 2, 2)) if half.shape[1] < CHUNK_PX else half


def write_level(path: Path, level: int, length: int, square: NDArray[np.uint8]) -> None:
    """Write the chunks of one square, and link all others to them."""
    array = zarr.create_array(
        path / str(level),
        shape=(3, length, length),
        chunks=(3, CHUNK_PX, CHUNK_PX),
        dtype=np.uint8,
    )
    part = min(length, square.shape[1])
    array[:, :part, :part] = square[:, :part, :part]
    chunks, own = -(-length // CHUNK_PX), -(-part // CHUNK_PX)
    folder = path / str(level) / "c" / "0"
    for row in range(chunks):
        (folder / str(row)).mkdir(exist_ok=True)
        for column in range(chunks):
            if row >= own or column >= own:
                first = folder / str(row % own) / str(column % own)
                os.link(first, folder / str(row) / str(column))


def disk_bytes(path: Path) -> int:
    """Return what the files of a folder hold, each counted once."""
    files = {entry.stat().st_ino: entry.stat().st_size for entry in path.rglob("*")}
    return sum(files.values())


@dataclass(eq=False)
class Pause:
    """The longest time in which a thread that wants to run every millisecond did not."""

    seconds: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Measure until stopped."""
        last = time.perf_counter()
        while not self._stop.wait(POLL_SECONDS):
            now = time.perf_counter()
            self.seconds, last = max(self.seconds, now - last - POLL_SECONDS), now

    @contextmanager
    def measured(self) -> Iterator["Pause"]:
        """Measure while a block runs."""
        thread = threading.Thread(target=self.watch)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()


@dataclass(slots=True)
class Looks:
    """What looking at some places took, in seconds."""

    first: list[float] = field(default_factory=list)
    """Until the first tile of a screen was there."""
    screen: list[float] = field(default_factory=list)
    """Until all were."""
    asking: list[float] = field(default_factory=list)
    """`__getitem__` where nothing is there yet."""
    showing: list[float] = field(default_factory=list)
    """`__getitem__` where all is there."""
    tiles: list[int] = field(default_factory=list)
    """Tiles of a screen."""


class Viewer:
    """Looks at a level of a live view as a window would, in this thread."""

    def __init__(self, plan: Plan) -> None:
        self.changed = threading.Event()
        self.view = LiveView(plan, on_change=self.changed.set)

    def look(self, number: int, corner: tuple[int, int], looks: Looks) -> None:
        """Look at a screen from a corner on, at labels and boundaries, until all is there."""
        place = tuple(slice(c, c + n) for c, n in zip(corner, SCREEN, strict=True))
        levels = self.view.labels[number], self.view.boundaries[number]
        before = self.view.status().done
        self.changed.clear()
        begin = time.perf_counter()
        looks.asking += [seconds_of(level, place) for level in levels]
        if self.view.status().waiting or self.changed.is_set():
            self.changed.wait()
        looks.first.append(time.perf_counter() - begin)
        self.view.wait()
        looks.screen.append(time.perf_counter() - begin)
        looks.showing += [seconds_of(level, place) for level in levels]
        looks.tiles.append(self.view.status().done - before)


def seconds_of(level: LiveLevel, place: tuple[slice, ...]) -> float:
    """Return what asking for a place takes."""
    begin = time.perf_counter()
    level[place]
    return time.perf_counter() - begin


def rows_of(path: Path, method: str, step: int, places: int) -> Iterator[list[Any]]:
    """Look at random places of every level that is computed."""
    plan = nsp.plan(nsp.open(path, rgb=True), method, step=step)
    warm_up(plan.method, plan.facts)
    viewer, rng = Viewer(plan), np.random.default_rng(0)
    for number, level in enumerate(viewer.view.labels):
        if level.kind == "cells" and number + 1 < len(viewer.view.labels):
            continue  # all alike: the last stands for them
        looks = Looks()
        with Pause().measured() as pause:
            for _ in range(places):
                corner = [int(rng.integers(0, max(1, n - m))) for n, m in zip(level.shape, SCREEN)]
                viewer.look(number, (corner[0], corner[1]), looks)
        yield [
            f"{method}, step {step}",
            f"{number}: {level.kind}",
            f"{np.median(looks.tiles):.0f}",
            f"{np.median(looks.first):.2f}",
            f"{max(looks.first):.2f}",
            f"{np.median(looks.screen):.2f}",
            f"{1e3 * max(looks.asking):.1f}",
            f"{1e3 * np.median(looks.showing):.1f}",
            f"{1e3 * max(looks.showing):.1f}",
            f"{1e3 * pause.seconds:.0f}",
        ]
    viewer.view.close()


HEADER = ["method", "level", "tiles a screen", "first tile s", "slowest s", "whole screen s"]
HEADER += ["asking ms, slowest", "showing ms", "slowest ms", "longest pause ms"]


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=100_000, help="edge of the image, in pixels")
    parser.add_argument("--methods", nargs="+", default=["slic"])
    parser.add_argument("--steps", nargs="+", type=int, default=[16, 32, 64])
    parser.add_argument("--places", type=int, default=10, help="screens looked at a level")
    parser.add_argument("--image", default=SLIDE, help="what the image is made of")
    parser.add_argument("--folder", help="where the image stays; else it is removed")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = arguments(sys.argv[1:] if given is None else given)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(options.folder or scratch) / f"slide-{options.size}.zarr"
        if not path.exists():
            write_pyramid(path, read_image(options.image), options.size)
        rows = [
            row
            for method in options.methods
            for step in options.steps
            for row in rows_of(path, method, step, options.places)
        ]
        size = f"{options.size} x {options.size} RGB, {disk_bytes(path) / 1e6:.0f} MB on disk"
    print(f"{hardware.description(('numpy', 'numba', 'zarr'))}\n")
    print(f"{size}; screens of {SCREEN[1]} x {SCREEN[0]}.\n")
    print(markdown(HEADER, rows))


if __name__ == "__main__":
    main()
