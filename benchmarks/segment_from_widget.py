"""Segmentation from the window, as a person would: paint, train, preview, run, cancel, go on.

A napari window is opened with a slide; three small regions are painted with napari's own brush, on
both sides of borders; the panel *Train* trains HCFCN with ResNet-18 on them; the panel *Segment*
previews its weights and runs them over the slide; that run is cancelled, and goes on. A picture is
kept of each stage, to be looked at, and what is written is compared with a run that nobody
interrupted; then its objects are numbered in windows of several sizes.

    xvfb-run -a -s "-screen 0 1280x1024x24 +extension GLX" \
        python benchmarks/segment_from_widget.py SLIDE --pictures FOLDER
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtWidgets import QApplication
from skimage.io import imsave

import napari_superpixels as nsp
from napari_superpixels.evaluation import hardware
from napari_superpixels.models.weights import FOLDER_VARIABLE

PLUGIN = "napari-superpixels"
NAME = "painted"
CLASSES = "glass=1,stroma=2,epidermis=3"
STROKES = {
    1: [((1640, 800), (1800, 765))],
    2: [((1640, 890), (1800, 870)), ((1760, 1010), (1900, 1010)), ((2600, 1500), (2720, 1500))],
    3: [((1760, 1120), (1900, 1120)), ((2580, 1620), (2700, 1600))],
}
"""Ends of strokes of the brush, (y, x) of the CMU-1 region in pixels, by label: in three regions on
both sides of a border."""
BRUSH_PX = 50
WINDOWS_PX = (256, 700, 4096)
"""In which objects are numbered, to compare their ids."""
WAIT_SECONDS = 1800.0
"""After which something that must happen counts as failed."""


class Window:
    """A napari window with both panels and a slide."""

    def __init__(self, slide: Path, pictures: Path) -> None:
        self.pictures = pictures
        pictures.mkdir(parents=True, exist_ok=True)
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1260, 980)
        (self.image, *_) = self.viewer.open(slide, plugin=PLUGIN)
        add = self.viewer.window.add_plugin_dock_widget
        (dock, self.segment), (other, self.panel) = add(PLUGIN, "Segment"), add(PLUGIN, "Train")
        self.viewer.window._qt_window.tabifyDockWidget(dock, other)
        self.docks = {"Segment": dock, "Train": other}
        self.until(lambda: self.segment.ready and self.panel.settled)

    def until(self, condition: Callable[[], Any]) -> None:
        """Let the window live until something holds."""
        end = time.perf_counter() + WAIT_SECONDS
        while not condition():
            QApplication.processEvents()
            time.sleep(0.005)
            if time.perf_counter() > end:
                sys.exit(f"In vain waited: {self.panel.sentence} {self.segment.sentence}")

    def shot(self, name: str, panel: str) -> None:
        """Keep a picture of the window, with one of the panels in front."""
        self.docks[panel].raise_()
        end = time.perf_counter() + 1.0
        self.until(lambda: time.perf_counter() > end)
        seen = self.viewer.screenshot(canvas_only=False, flash=False)[..., :3]
        imsave(self.pictures / f"{name}.png", seen, check_contrast=False)

    def paint(self) -> None:
        """Paint the strokes into a new label layer."""
        height, width = self.image.level_shapes[0][:2] if self.image.rgb else (0, 0)
        self.labels = self.viewer.add_labels(
            np.zeros((height, width), np.uint8),
            name="regions",
            scale=self.image.scale[-2:],
            units=self.image.units[-2:],
        )
        self.labels.brush_size = BRUSH_PX
        for label, strokes in STROKES.items():
            for start, end in strokes:
                for part in np.linspace(0, 1, 8):
                    place = np.array(start) + part * (np.array(end) - start)
                    self.labels.paint(tuple(place), label)

    def train(self, method: str, steps: int) -> float:
        """Press Train and wait for the weights; return the seconds."""
        panel = self.panel
        panel.method.value, panel.steps.value = method, steps
        panel.classes.value, panel.weights.value = CLASSES, NAME
        self.until(lambda: panel.settled)
        print(panel.sentence, flush=True)
        begin = time.perf_counter()
        panel.train()
        self.until(lambda: f"step {steps // 2} of" in panel.sentence or not panel.training)
        self.shot("1-train", "Train")
        self.until(lambda: not panel.training)
        print(panel.sentence, flush=True)
        return time.perf_counter() - begin

    def preview(self) -> None:
        """Look at the classes of the part that the view shows."""
        segment = self.segment
        weights = segment.parameter("weights")
        self.until(lambda: NAME in weights.list.choices)
        weights.value = NAME
        self.labels.visible = False
        camera = getattr(self.viewer, "scene", self.viewer).camera
        camera.zoom, camera.center = 0.9 / 0.499, (0, 1250 * 0.499, 600)
        self.until(lambda: segment.settled)
        segment.preview()
        self.until(lambda: segment.sentence == "Preview: exact, as a run gives it.")
        self.shot("2-preview", "Segment")
        print(segment.sentence, flush=True)

    def run(self, folder: Path) -> tuple[float, np.ndarray]:
        """Run, cancel in the middle, go on; return the seconds of both and the classes."""
        segment = self.segment
        segment.folder.value = folder
        segment.output.value = "classes"
        begin = time.perf_counter()
        segment.run()
        self.until(lambda: " of " in segment.sentence)
        segment.cancel()
        self.until(lambda: not segment.running)
        self.shot("3-cancelled", "Segment")
        print(segment.sentence, flush=True)
        before = set(self.viewer.layers)
        segment.run()
        self.until(lambda: not segment.running)
        print(segment.sentence, flush=True)
        (layer,) = set(self.viewer.layers) - before
        self.viewer.reset_view()
        self.shot("4-run", "Segment")
        return time.perf_counter() - begin, np.asarray(
            layer.data[0] if layer.multiscale else layer.data
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the arguments, and do it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slide", type=Path)
    parser.add_argument("--method", default="hcfcn")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--pictures", type=Path, default=Path("segment_from_widget"))
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        # Before the first window: a user's settings and weights are left alone.
        os.environ["NAPARI_CONFIG"] = str(Path(scratch) / "settings.yaml")
        os.environ[FOLDER_VARIABLE] = str(Path(scratch) / "weights")
        window = Window(given.slide, given.pictures)
        window.paint()
        print(f"Training took {window.train(given.method, given.steps):.0f} s.")
        window.preview()
        seconds, classes = window.run(Path(scratch))
        print(f"Cancelled and gone on with, the run took {seconds:.0f} s.")
        shutil.rmtree(Path(scratch) / "classes.zarr")
        _, again = whole(window, Path(scratch))
        print(f"Pixels that differ from an uninterrupted run: {np.count_nonzero(classes != again)}")
        counts = np.bincount(classes.ravel(), minlength=4) / classes.size
        print("Shares of unlabelled, glass, stroma, epidermis:", counts.round(3).tolist())
        print(objects(Path(scratch)))
        print(hardware.description(("torch",)))
        window.viewer.close()


def whole(window: Window, folder: Path) -> tuple[float, np.ndarray]:
    """Run without interruption under another name."""
    segment = window.segment
    segment.output.value = "whole"
    before = set(window.viewer.layers)
    begin = time.perf_counter()
    segment.run()
    window.until(lambda: not segment.running)
    (layer,) = set(window.viewer.layers) - before
    data = layer.data[0] if layer.multiscale else layer.data
    return time.perf_counter() - begin, np.asarray(data)


def objects(folder: Path) -> str:
    """Number the objects of the classes in windows of several sizes; return how they compare."""
    found = [
        nsp.instances(folder / "whole.zarr", folder / f"objects-{edge}.zarr", window=edge)
        for edge in WINDOWS_PX
    ]
    first, *others = (np.asarray(one.labels) for one in found)
    differ = sum(int(np.count_nonzero(first != other)) for other in others)
    return f"{found[0].count} objects in windows of {WINDOWS_PX} px; {differ} ids differ"


if __name__ == "__main__":
    main()
