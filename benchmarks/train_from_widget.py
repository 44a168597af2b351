"""Training from the widget on one image, measured on others: shipped weights beside the new ones.

A napari window is opened with one annotated image; the panel *Train* trains on it from the shipped
weights, as a person would, with what is proposed but for the options. Then both are measured on
other images of the same size and type, as the software labels an image, and compared at equal
counts. A timer that wants to fire every few milliseconds tells the longest stall of the main thread
meanwhile.

    xvfb-run -a -s "-screen 0 1280x1024x24 +extension GLX" \
        python benchmarks/train_from_widget.py nuclei --image NAME

The folder holds NAME.png and NAME.labels.png for each image.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from skimage.io import imread, imsave

from napari_superpixels.evaluation import benchmark, hardware
from napari_superpixels.evaluation.bsds import read_sample
from napari_superpixels.evaluation.comparison import Comparison, summary
from napari_superpixels.evaluation.methods import named
from napari_superpixels.evaluation.tables import markdown
from napari_superpixels.models.weights import FOLDER_VARIABLE, own_path
from napari_superpixels.training.pairs import Pair, find_pairs

PLUGIN = "napari-superpixels"
NAME = "from the widget"
BEAT_MS = 10
"""How often the main thread is asked whether it is there, and how fine its stalls are known."""
IDLE_SECONDS = 20.0
"""How long the stalls of a window that does nothing are measured, to compare with."""
PATIENCE = 6 * 3600.0
"""Seconds after which something that must happen counts as failed."""


class Window:
    """A napari window with both panels, one image and its labels."""

    def __init__(self, image: Path, labels: Path) -> None:
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1240, 820)
        self.viewer.add_image(imread(image), name=image.stem)
        self.viewer.add_labels(imread(labels).astype(np.int32), name="nuclei", opacity=0.4)
        add = self.viewer.window.add_plugin_dock_widget
        (_, self.superpixels), (_, self.panel) = add(PLUGIN, "Superpixels"), add(PLUGIN, "Train")
        self.until(lambda: self.superpixels.ready and self.panel.settled)
        self.longest, self._last = 0.0, time.perf_counter()
        self.timer = QTimer()
        self.timer.setInterval(BEAT_MS)
        self.timer.timeout.connect(self._beat)

    def until(self, condition: Callable[[], Any]) -> None:
        """Let the window live until something holds."""
        end = time.perf_counter() + PATIENCE
        while not condition():
            QApplication.processEvents()
            time.sleep(BEAT_MS / 2000)
            if time.perf_counter() > end:
                sys.exit(f"In vain waited; the panel says: {self.panel.sentence}")

    def train(self, given: argparse.Namespace) -> None:
        """Press Train, wait for the weights, and keep a picture of the middle of it."""
        panel, steps = self.panel, given.steps
        panel.method.value, panel.steps.value = given.method, steps
        if given.crop:
            panel.crop.value = given.crop
        self.superpixels.method.value = given.method
        panel.weights.value = NAME
        self.until(lambda: panel.settled)
        print(panel.sentence, flush=True)
        begin = self._last = time.perf_counter()
        self.timer.start()
        self.until(lambda: time.perf_counter() > begin + IDLE_SECONDS)
        idle, self.longest = self.longest, 0.0
        begin = self._last = time.perf_counter()
        panel.train()
        self.until(lambda: f"step {steps // 2 + 1} of" in panel.sentence or not panel.training)
        self.shot(given.picture)
        self.until(lambda: not panel.training)
        self.timer.stop()
        print(panel.sentence)
        seconds, stall = time.perf_counter() - begin, 1000 * self.longest
        print(f"{seconds:.0f} s; longest stall {stall:.0f} ms, idle before {1000 * idle:.0f} ms")
        weights = self.superpixels.parameter("weights")
        self.until(lambda: NAME in weights.list.choices)
        weights.value = NAME

    def shot(self, path: Path) -> None:
        """Save what is on screen; that it stalls is no fault of the panel."""
        longest = self.longest
        imsave(path, self.viewer.screenshot(canvas_only=False, flash=False)[..., :3])
        self._last, self.longest = time.perf_counter(), longest

    def _beat(self) -> None:
        now = time.perf_counter()
        self.longest, self._last = max(self.longest, now - self._last), now


def others(pairs: Sequence[Pair], name: str, count: int) -> list[Pair]:
    """Return other images of the size and type of one, spread evenly over the folder."""
    (mine,) = (pair for pair in pairs if pair.name == name)
    kind = (mine.shape, mine.image.channels, mine.image.dtype)
    same = [
        pair
        for pair in pairs
        if pair is not mine and (pair.shape, pair.image.channels, pair.image.dtype) == kind
    ]
    if len(same) < count:
        sys.exit(f"There are {len(same)} other images like {name}, but {count} are asked for.")
    return [same[i * len(same) // count] for i in range(count)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the arguments, train, measure and print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--image", required=True, help="the name of the one to learn from")
    parser.add_argument("--method", default="ssn")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--crop", type=int, help="in pixels; as proposed by default")
    parser.add_argument("--others", type=int, default=12)
    parser.add_argument("--counts", type=int, nargs="+", default=[150, 300, 600])
    parser.add_argument("--picture", type=Path, default=Path("train_from_widget.png"))
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as settings:
        # Before the first window: a user's settings and weights are left alone.
        os.environ["NAPARI_CONFIG"] = str(Path(settings) / "settings.yaml")
        os.environ[FOLDER_VARIABLE] = str(Path(settings) / "weights")
        compare(given)


def compare(given: argparse.Namespace) -> None:
    """Train, measure and print."""
    pairs = find_pairs(given.folder)
    chosen = others(pairs, given.image, given.others)
    image = given.folder / f"{given.image}.png"
    window = Window(image, image.with_suffix(".labels.png"))
    window.train(given)
    window.viewer.close()
    assert own_path(NAME).is_file(), "the panel said so"
    methods = {
        "shipped": named(given.method, "ours"),
        "new": named(given.method, "ours", {"weights": NAME}),
    }
    samples = [read_sample(pair) for pair in chosen]
    rows = benchmark.run(methods, samples, given.counts, reference="shipped")
    print(f"{len(chosen)} other images of {chosen[0].shape[0]} x {chosen[0].shape[1]} pixels:")
    print(markdown(*summary(Comparison(rows), "shipped")))
    print(hardware.description(("numpy", "torch")))


if __name__ == "__main__":
    main()
