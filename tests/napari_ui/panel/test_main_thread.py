"""Nothing is read and nothing computed on the main thread, whatever is pressed."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.engine import live_levels, measure, tile
from napari_superpixels.io import source as source_module


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[int]]:
    """Which threads read images, and which computed, by what they did."""
    seen: dict[str, set[int]] = {"read": set(), "compute": set()}

    def recorded(owner: Any, name: str, what: str) -> None:
        original = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            seen[what].add(threading.get_ident())
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    recorded(source_module.Source, "read", "read")
    recorded(source_module.Source, "samples", "read")
    recorded(tile, "assign", "compute")
    recorded(live_levels, "assign", "compute")
    recorded(measure, "measure", "compute")
    return seen


def test_previews_and_runs_leave_the_main_thread_alone(
    panel: Any, viewer: Any, until: Any, threads: dict[str, set[int]], tmp_path: Path
) -> None:
    image = np.asarray(np.random.default_rng(0).integers(0, 4000, (600, 600)), np.uint16)
    viewer.add_image(image, name="cells")
    panel.boundaries.value = True
    panel.preview()
    until(lambda: len(viewer.layers) == 3)
    layer = viewer.layers[1]
    until(lambda: np.asarray(layer.data[0][:64, :64]).all())
    panel.step.value = 12
    until(lambda: "12px" in layer.name)
    until(lambda: np.asarray(layer.data[0][:64, :64]).all())
    panel.run()
    until(lambda: not panel.running)
    assert list(tmp_path.glob("*.zarr"))
    assert threads["read"]
    assert threads["compute"]
    assert threading.get_ident() not in threads["read"] | threads["compute"]


def test_the_recording_itself_sees_the_main_thread(threads: dict[str, set[int]]) -> None:
    nsp.superpixels(np.zeros((64, 64, 3), np.uint8), axes="yxs").compute(scheduler="sync")
    assert threading.get_ident() in threads["read"]
