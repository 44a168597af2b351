"""Use the plugin in a real window as a person would, and save the pictures of this documentation.

    python docs/pictures.py FOLDER [--only slide scene channels train stack] [--stack SECTIONS]

Each story opens an image, previews, zooms, pans, changes the step, runs, cancels and runs again,
and fails where what should be on screen is not. It has settings of its own, and leaves none.
`--stack` names a folder with the sections of a stack as PNG files; without it that story is left
out.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from imageio.v3 import imread, imwrite
from qtpy.QtWidgets import QApplication
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label

from napari_superpixels.models.weights import FOLDER_VARIABLE

PLUGIN = "napari-superpixels"
SIZE = (1240, 820)
PATIENCE = 300.0
"""Seconds that anything may take before the story ends with an error."""


class Person:
    """Somebody in front of a napari window with the Superpixels panel open."""

    def __init__(self, out: Path, results: Path) -> None:
        self.out, self.results = out, results
        self.viewer = napari.Viewer(title="napari")
        self.viewer.window.resize(*SIZE)
        _, self.panel = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Superpixels")
        self.panel.boundaries.value = False
        self.panel.unit.value = "px"
        self.panel.method.value = "slic"
        self.panel.folder.value = results
        self.until(lambda: self.panel.ready, "the kernels are ready")

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Let the window live until something holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            QApplication.processEvents()
            time.sleep(0.005)
            if time.monotonic() > end:
                sys.exit(f"In vain waited until {what}; the panel says: {self.panel.sentence}")

    def look(self, seconds: float = 0.5) -> None:
        """Let the window draw."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.005)

    def zoom(self, factor: float, centre: tuple[float, float]) -> None:
        """Zoom to a place, given in pixels of the first layer."""
        layer = self.viewer.layers[0]
        place = layer.data_to_world((*self.viewer.dims.current_step[: layer.ndim - 2], *centre))
        camera = getattr(self.viewer, "scene", self.viewer).camera  # `scene` since napari 0.9
        camera.center = (0, *place[-2:])
        camera.zoom = factor / layer.scale[-1]
        self.look()

    def preview(self) -> Any:
        """Press Preview and wait until all that is visible is there."""
        before = len(self.viewer.layers)
        self.panel.preview()
        self.until(lambda: len(self.viewer.layers) > before, "the preview is there")
        self.seen()
        return next(layer for layer in self.viewer.layers if "(preview)" in layer.name)

    def seen(self) -> None:
        """Wait until the panel says that what is shown is all there."""
        self.look()
        self.until(lambda: "tiles" not in self.panel.sentence, "all tiles are there")
        self.look()

    def run(self) -> Any:
        """Press Run, wait for the end, and return the labels; boundaries lie above them."""
        before = set(self.viewer.layers)
        self.panel.run()
        self.until(lambda: not self.panel.running, "the run is done")
        labels, *borders = (layer for layer in self.viewer.layers if layer not in before)
        expected = [f"{labels.name} boundaries"] * self.panel.boundaries.value
        assert [layer.name for layer in borders] == expected, f"there came {labels}, {borders}"
        self.look()
        return labels

    def begin_and_cancel(self) -> None:
        """Press Run, and Cancel while it computes; what is done is kept."""
        before = list(self.viewer.layers)
        self.panel.run()
        self.until(lambda: "tiles" in self.panel.sentence, "the run computes")
        self.panel.cancel()
        self.until(lambda: not self.panel.running, "the run is cancelled")
        assert list(self.viewer.layers) == before, "a cancelled run gave layers"
        assert list(self.results.glob("*.partial")), "a cancelled run left nothing to go on with"

    def shot(self, name: str) -> None:
        """Save what is on screen."""
        self.look()
        picture = self.viewer.screenshot(canvas_only=False, flash=False)
        imwrite(self.out / f"{name}.jpg", picture[..., :3], quality=90)

    def leave(self) -> None:
        """Close the window."""
        self.viewer.close()


def check_colourful(person: Person) -> None:
    """Fail where the canvas shows fewer colours than superpixels need."""
    canvas = person.viewer.screenshot(canvas_only=True, flash=False)
    colours = len(np.unique(canvas[::4, ::4, :3].reshape(-1, 3), axis=0))
    assert colours > 50, f"there are only {colours} colours on screen"


def slide(person: Person) -> None:
    """A slide: preview, zoom, pan, another step, boundaries, run, cancel, run again."""
    viewer, panel = person.viewer, person.panel
    viewer.open_sample(PLUGIN, "slide")
    person.shot("slide-open")
    panel.step.value = 16
    layer = person.preview()
    person.zoom(1.0, (700, 900))
    person.seen()
    check_colourful(person)
    person.shot("slide-preview")
    person.zoom(1.0, (900, 1300))
    person.seen()
    panel.step.value = 24
    person.until(lambda: "24" in layer.name, "the preview has the new step")
    person.seen()
    layer.opacity = 0.25
    panel.boundaries.value = True
    person.seen()
    person.zoom(2.5, (900, 1300))
    person.seen()
    person.shot("slide-boundaries")
    person.begin_and_cancel()
    labels = person.run()
    assert labels.visible
    assert len(list(person.results.iterdir())) == 1, "the run did not go on with what was done"
    panel.stop_preview()
    labels.opacity = 0.5
    person.zoom(0.8, (700, 900))
    person.look(5)  # until napari takes the note of the cancelled run away
    person.shot("slide-run")


def scene(person: Person) -> None:
    """A satellite scene: three bands as channels, in its place on Earth."""
    viewer, panel = person.viewer, person.panel
    viewer.open_sample(PLUGIN, "scene")
    panel.images.value = list(viewer.layers)
    panel.step.value = 12
    person.preview()
    person.zoom(2.0, (390, 390))
    person.seen()
    person.shot("scene-preview")
    panel.stop_preview()
    labels = person.run()
    labels.opacity = 0.5
    person.shot("scene-run")


def channels(person: Person) -> None:
    """Two layers on one grid are the two channels of one image."""
    viewer, panel = person.viewer, person.panel
    viewer.open_sample(PLUGIN, "scene")
    viewer.layers.pop(0)
    viewer.layers[0].colormap, viewer.layers[1].colormap = "green", "magenta"
    panel.images.value = list(viewer.layers)
    panel.step.value = 16
    layer = person.preview()
    layer.opacity = 0.4
    panel.boundaries.value = True
    person.zoom(3.0, (300, 420))
    person.seen()
    person.shot("channels-preview")
    panel.stop_preview()
    labels = person.run()
    labels.opacity = 0.4
    person.shot("channels-run")


def stack(person: Person, sections: Path) -> None:
    """A stack: every section has superpixels of its own."""
    viewer, panel = person.viewer, person.panel
    planes = np.stack([imread(path) for path in sorted(sections.glob("*.png"))])
    image = viewer.add_image(planes, name="sections", scale=(50, 4.6, 4.6))
    image.units = ("nm", "nm", "nm")
    panel.step.value = 20
    layer = person.preview()
    layer.opacity = 0.3
    panel.boundaries.value = True
    person.zoom(1.3, (500, 500))
    viewer.dims.set_current_step(0, 4)
    person.seen()
    person.shot("stack-preview")
    panel.stop_preview()
    labels = person.run()
    labels.opacity = 0.4
    viewer.dims.set_current_step(0, 7)
    person.shot("stack-run")


def train(person: Person) -> None:
    """Nuclei that are labelled by a threshold teach a network; the other panel has it at once."""
    viewer = person.viewer
    viewer.open_sample(PLUGIN, "histology")
    (image,) = viewer.layers
    pixels = np.asarray(image.data[0] if image.multiscale else image.data)
    nuclei = label(gaussian(pixels[..., 0], 2) < threshold_otsu(pixels[..., 0]) / 255)
    labels = viewer.add_labels(nuclei, name="nuclei", opacity=0.4, scale=image.scale[-2:])
    labels.units = image.units[-2:]
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    panel.method.value, panel.steps.value, panel.crop.value = "ssn", 12, 80
    panel.weights.value = "my nuclei"
    person.until(lambda: panel.settled, "the labels are looked at")
    panel.train()
    person.until(lambda: "step 9" in panel.sentence, "some steps are done")
    person.shot("train")
    panel.stop()
    person.until(lambda: not panel.training, "the weights are kept")
    person.panel.method.value = "ssn"
    offered = person.panel.parameter("weights").list
    person.until(lambda: "my nuclei" in offered.choices, "the weights can be chosen")


def tell(name: str, story: Callable[[Person], None], out: Path) -> None:
    """Tell one story in a window of its own."""
    with tempfile.TemporaryDirectory() as results:
        person = Person(out, Path(results))
        try:
            story(person)
        finally:
            person.leave()
    print(f"{name}: done")


STORIES = {"slide": slide, "scene": scene, "channels": channels, "train": train}


def main() -> None:
    """Take the arguments and tell the stories."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=[*STORIES, "stack"])
    parser.add_argument("--stack", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as settings:
        # napari reads it when its settings are asked for first, that is by the first window.
        os.environ["NAPARI_CONFIG"] = str(Path(settings) / "settings.yaml")
        os.environ[FOLDER_VARIABLE] = str(Path(settings) / "weights")
        tell_all(given)


def tell_all(given: argparse.Namespace) -> None:
    """Tell the stories that were asked for."""
    stories: dict[str, Callable[[Person], None]] = dict(STORIES)
    if given.stack is not None:
        stories["stack"] = lambda person: stack(person, given.stack)
    for name in given.only:
        if name in stories:
            tell(name, stories[name], given.folder)


if __name__ == "__main__":
    main()
