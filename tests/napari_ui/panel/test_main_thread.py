"""Nothing is read, hashed, opened or computed on the main thread, whatever is pressed.

What napari reads to draw an image layer that it was given is napari's own and not counted.
"""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Layer
from qtpy.QtGui import QGuiApplication

import napari_superpixels as nsp
from napari_superpixels.engine import live_boundaries, live_levels, measure, run, tile, warm  # noqa: F401 - to be recorded
from napari_superpixels.io import _formats, _identity, label_output, opening, source
from napari_superpixels.kernels import slic
from napari_superpixels.napari_ui import (
    finished,
    lazy_pixels,
    reader,
    resolve,
    script,
    widget,  # noqa: F401 - to be recorded
)

FUNCTIONS = (
    opening.open_source,
    _formats.find_image,
    _identity.hash_of_array,
    _identity.hash_of_files,
    resolve.resolve,
    script.script_for,
    warm.warm_up,
    measure.measure,
    run.run_plan,
    tile.assign,
    slic.cluster,
    label_output.open_labels,
    finished.finished_layer,
)
READ = "Source.read"
NEVER = {"file": set(), "memory": {"hash_of_files"}}
"""What there is no occasion for."""


class Threads(dict[str, set[int]]):
    """By what was called, which threads called it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__({one.__name__: set() for one in FUNCTIONS} | {READ: set()})
        self._patch, self._drawing = monkeypatch, threading.local()
        for function in FUNCTIONS:
            self._everywhere(function)
        self._method(source.Source, "read", READ)
        self._as_napari(lazy_pixels._BlockReader, "at")

    def _everywhere(self, function: Callable[..., Any]) -> None:
        """Record a function in every module that holds it, under whatever name."""
        recorded = self._recorded(function, function.__name__)
        modules = [m for name, m in sys.modules.items() if name.startswith("napari_superpixels")]
        for module in modules:
            for name in [name for name, value in vars(module).items() if value is function]:
                self._patch.setattr(module, name, recorded)

    def _method(self, owner: type, name: str, what: str) -> None:
        self._patch.setattr(owner, name, self._recorded(getattr(owner, name), what))

    def _recorded(self, function: Callable[..., Any], what: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not getattr(self._drawing, "on", False):
                self[what].add(threading.get_ident())
            return function(*args, **kwargs)

        return call

    def _as_napari(self, owner: type, name: str) -> None:
        """Do not count what goes through a method: the blocks that napari draws."""
        method = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._drawing.on = True
            try:
                return method(*args, **kwargs)
            finally:
                self._drawing.on = False

        self._patch.setattr(owner, name, call)


def _image() -> np.ndarray:
    return np.asarray(np.random.default_rng(0).integers(0, 4000, (2, 600, 600)), np.uint16)


def _from_file(viewer: Any, folder: Path) -> None:
    path, metadata = folder / "cells.ome.tif", {"axes": "CYX", "PhysicalSizeX": 0.5}
    tifffile.imwrite(path, _image(), metadata=metadata, tile=(256, 256))
    for data in reader.read(str(path)):
        viewer.add_layer(Layer.create(*data))


def _from_memory(viewer: Any, folder: Path) -> None:
    for number, channel in enumerate(_image()):
        viewer.add_image(channel, name=f"cells {number}")


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_whatever_is_pressed_leaves_the_main_thread_alone(
    panel: Any,
    viewer: Any,
    until: Any,
    tmp_path: Path,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    {"file": _from_file, "memory": _from_memory}[kind](viewer, tmp_path)
    images = list(viewer.layers)
    threads = Threads(monkeypatch)
    panel.images.value = images
    panel.mask.value = viewer.add_labels(np.ones((600, 600), np.uint8), scale=images[0].scale[-2:])
    panel.boundaries.value = True
    before = list(viewer.layers)
    panel.preview()
    until(lambda: len(viewer.layers) == len(before) + 2)
    layer, _ = (one for one in viewer.layers if one not in before)
    until(lambda: np.asarray(layer.data[0][:64, :64]).all())
    panel.step.value = 12
    until(lambda: "12px" in layer.name)
    until(lambda: np.asarray(layer.data[0][:64, :64]).all())
    QGuiApplication.clipboard().clear()
    panel.copy_script()
    until(lambda: "nsp.run(" in QGuiApplication.clipboard().text())
    panel.run()
    until(lambda: not panel.running)
    assert len(list(tmp_path.glob("*.zarr"))) == 1
    borders = viewer.layers[-1]
    until(lambda: np.asarray(borders.data[0][:64, :64]).any())
    not_called = {what for what, which in threads.items() if not which}
    assert not_called == NEVER[kind]
    here = threading.get_ident()
    assert [what for what, which in threads.items() if here in which] == []


def test_the_recording_itself_sees_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = Threads(monkeypatch)
    plan = nsp.plan(np.zeros((64, 64, 3), np.uint8), "slic", step=8)
    nsp.superpixels(plan.source, "slic", step=8).compute(scheduler="sync")
    here = threading.get_ident()
    for what in ("open_source", "find_image", "hash_of_array", "assign", "cluster", READ):
        assert here in threads[what], what
