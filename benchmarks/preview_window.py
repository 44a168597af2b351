"""Previewing a very large image in a real window: the main thread's longest stall, the first tile.

The image is that of `preview.py`, opened with our reader and drawn by napari; the panel previews it
while the view jumps, zooms, pans and the step changes. Measured on the main thread by a timer that
wants to fire every millisecond: the longest time in which it did not, the window's own drawing and
napari's reading of the image included. The first tile counts when it is drawn.

    python benchmarks/preview_window.py
    xvfb-run -a -s "-screen 0 1280x1024x24 +extension GLX" python benchmarks/preview_window.py
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import napari
import numpy as np
from preview import SLIDE, disk_bytes, write_pyramid
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_superpixels.evaluation import hardware
from napari_superpixels.evaluation.mosaic import read_image
from napari_superpixels.evaluation.tables import markdown

PLUGIN = "napari-superpixels"
PATIENCE = 120.0
"""Seconds after which something that must happen counts as failed."""
REST = 0.3
"""Seconds for which the window goes on after each act, so that what it left behind counts too."""


@dataclass(eq=False)
class Pulse:
    """The longest times between two beats of a timer on the main thread, by act."""

    gaps: list[float] = field(default_factory=list)
    last: float = field(default_factory=time.perf_counter)

    def beat(self) -> None:
        """Note how long the main thread was away."""
        now = time.perf_counter()
        self.gaps.append(now - self.last)
        self.last = now

    def longest(self) -> float:
        """Return the longest gap since the last call, in seconds."""
        self.beat()
        longest, self.gaps = max(self.gaps), []
        return longest


class Window:
    """A napari window with the image and the panel."""

    def __init__(self, image: Path) -> None:
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1280, 1000)
        self.viewer.open(image, plugin=PLUGIN)
        _, self.panel = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Superpixels")
        self.panel.step.value = 16
        self.panel.boundaries.value = False
        self.until(lambda: self.panel.ready)
        self.pulse, self.timer = Pulse(), QTimer()
        self.timer.setInterval(1)
        self.timer.timeout.connect(self.pulse.beat)

    def until(self, condition: Callable[[], Any]) -> None:
        """Let the window live until something holds."""
        end = time.perf_counter() + PATIENCE
        while not condition():
            QApplication.processEvents()
            time.sleep(0.0005)
            if time.perf_counter() > end:
                sys.exit(f"In vain waited; the panel says: {self.panel.sentence}")

    def rest(self) -> None:
        """Let the window go on for a moment."""
        end = time.perf_counter() + REST
        self.until(lambda: time.perf_counter() > end)

    def preview(self) -> None:
        """Press Preview and wait for all of it, so that all after it is warm."""
        self.panel.preview()
        self.until(lambda: len(self.viewer.layers) == 2)
        self.rest()
        self.until(self.complete)

    @property
    def layer(self) -> Any:
        """The preview."""
        return self.viewer.layers[1]

    def complete(self) -> bool:
        """Whether all tiles of the view are there."""
        return "tiles" not in self.panel.sentence

    def view(self) -> tuple[str, int, tuple[int, ...]]:
        """Return what the preview shows and where: name, level and corners."""
        layer = self.layer
        return layer.name, layer.data_level, tuple(layer.corner_pixels.ravel().tolist())

    def shown(self) -> bool:
        """Whether a part of what is on screen has labels."""
        (top, left), (bottom, right) = self.layer.corner_pixels
        seen = self.layer.data[self.layer.data_level][top : bottom + 1, left : right + 1]
        return bool(np.any(seen))

    def act(self, act: Callable[[], None]) -> tuple[float, float, float]:
        """Do something; return seconds to the first tile drawn, to all, and the longest stall."""
        drawn: list[float] = []

        def note(_: Any = None) -> None:
            if not drawn and self.view() != before and self.shown():
                drawn.append(time.perf_counter())

        before = self.view()
        self.pulse.longest()
        self.timer.start()
        begin = time.perf_counter()
        self.layer.events.set_data.connect(note)
        act()
        self.until(lambda: drawn)
        self.until(self.complete)
        whole = time.perf_counter() - begin
        self.layer.events.set_data.disconnect(note)
        self.rest()
        self.timer.stop()
        return drawn[0] - begin, whole, self.pulse.longest()

    def look_at(self, centre: Sequence[float], zoom: float) -> None:
        """Move the view."""
        camera = self.viewer.scene.camera if hasattr(self.viewer, "scene") else self.viewer.camera
        camera.center, camera.zoom = tuple(centre), zoom


def jumps(window: Window, size: int, zoom: float, places: int) -> list[tuple[float, float, float]]:
    """Look at places that nobody has looked at."""
    rng = np.random.default_rng(round(1000 * zoom))
    centres = rng.uniform(0.1 * size, 0.9 * size, (places, 2))
    return [window.act(lambda c=c: window.look_at(c, zoom)) for c in centres]


def pans(window: Window, size: int, places: int) -> list[tuple[float, float, float]]:
    """Go on by half a screen each time."""
    start = np.array([0.31 * size, 0.42 * size])
    window.act(lambda: window.look_at(start, 1.0))
    return [
        window.act(lambda k=k: window.look_at(start + np.array((0, 400 * k)), 1.0))
        for k in range(1, places + 1)
    ]


def steps(window: Window, places: int) -> list[tuple[float, float, float]]:
    """Change the step; what is on screen is planned and computed anew."""

    def change(step: int) -> None:
        before = window.layer.name
        window.panel.step.value = step
        window.until(lambda: window.layer.name != before)

    return [window.act(lambda k=k: change(17 + k)) for k in range(places)]


def row(name: str, figures: list[tuple[float, float, float]]) -> list[str]:
    """Return medians and worst of some acts."""
    first, whole, stall = map(np.array, zip(*figures, strict=True))
    return [
        name,
        str(len(figures)),
        f"{np.median(first):.2f}",
        f"{first.max():.2f}",
        f"{np.median(whole):.2f}",
        f"{1e3 * np.median(stall):.0f}",
        f"{1e3 * stall.max():.0f}",
    ]


HEADER = ["act", "times", "first tile s", "slowest s", "whole view s", "stall ms", "longest ms"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=100_000, help="edge of the image, in pixels")
    parser.add_argument("--places", type=int, default=10)
    parser.add_argument("--folder", help="where the image stays; else it is removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(options.folder or scratch) / f"slide-{options.size}.zarr"
        if not path.exists():
            write_pyramid(path, read_image(SLIDE), options.size)
        window = Window(path)
        window.preview()
        jumps(window, options.size, 1.0, 2)  # napari compiles its own colour cast on first use
        rows = [
            row("jump, full resolution", jumps(window, options.size, 1.0, options.places)),
            row("jump, 4 x out", jumps(window, options.size, 0.25, options.places)),
            row("jump, 32 x out", jumps(window, options.size, 1 / 32, options.places)),
            row("pan by half a screen", pans(window, options.size, options.places)),
            row("another step", steps(window, options.places)),
        ]
        window.viewer.close()
        size = f"{options.size} x {options.size} RGB, {disk_bytes(path) / 1e6:.0f} MB on disk"
    print(f"{hardware.description(('numpy', 'numba', 'zarr', 'napari'))}\n")
    print(f"{size}.\n")
    print(markdown(HEADER, rows))


if __name__ == "__main__":
    main()
