"""napari for tests: settings of its own, and plugins that are on the main thread or fail."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

# Before napari's settings are imported: tests neither read nor write those of a person.
SETTINGS = tempfile.TemporaryDirectory(prefix="napari-settings-")
os.environ["NAPARI_CONFIG"] = str(Path(SETTINGS.name) / "settings.yaml")
os.environ["NAPARI_ENSURE_PLUGIN_MAIN_THREAD"] = "1"


@pytest.fixture
def rng():
    return np.random.default_rng(20240229)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Finished runs, made once: of an RGB picture, of a stack with spacing, of a part of one."""
    import tifffile

    import napari_superpixels as nsp

    folder = tmp_path_factory.mktemp("runs")
    stack = np.random.default_rng(3).integers(0, 4000, (2, 3, 60, 80), dtype=np.uint16)
    facts = {
        "axes": "TZYX",
        "PhysicalSizeZ": 0.05,
        "PhysicalSizeY": 0.004,
        "PhysicalSizeX": 0.004,
        "TimeIncrement": 2.0,
        "TimeIncrementUnit": "s",
    }
    tifffile.imwrite(folder / "cells.ome.tif", stack, metadata=facts)
    picture = nsp.plan(nsp.sample_path("histology"), nsp.Slic(step=16))
    whole = nsp.plan(folder / "cells.ome.tif", nsp.Slic(step=8))
    region = {"t": (1, 2), "z": (1, 3), "y": (16, 48), "x": (24, 80)}
    part = nsp.plan(folder / "cells.ome.tif", nsp.Slic(step=8), region=region)
    plans = {"picture": picture, "stack": whole, "part": part}
    return {name: nsp.run(plan, folder / f"{name}.zarr") for name, plan in plans.items()}


@pytest.fixture
def plugins():
    """napari's plugins, as a viewer finds them."""
    from npe2 import PluginManager

    manager = PluginManager.instance()
    manager.discover()
    return manager
