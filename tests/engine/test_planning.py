"""What is touched to plan a million windows and to look at one of them: counted, not timed."""

from collections import Counter

import pytest
import zarr

import napari_superpixels as nsp
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.plan import make_plan
from napari_superpixels.engine.tasks import layout_of
from napari_superpixels.io.source import Source
from napari_superpixels.testing.fake import Fake
from napari_superpixels.tiling.windows import Windows, Windows1D

WINDOW = 64


@pytest.fixture
def counted(monkeypatch):
    """Counts what is asked of windows along an axis, of windows, and of the image."""
    calls = Counter()

    def watch(owner, name):
        real = getattr(owner, name)

        def call(*given):
            calls[f"{owner.__name__}.{name}"] += 1
            return real(*given)

        monkeypatch.setattr(owner, name, call)

    watch(Windows1D, "core")
    watch(Windows1D, "read")
    watch(Windows, "at")
    watch(Source, "read")
    return calls


def plan_of(folder, edge):
    """Plan an image of that many windows along each side, none of whose chunks are there."""
    path = folder / f"{edge}.zarr"
    shape = (edge * WINDOW, edge * WINDOW)
    zarr.create_array(path, shape=shape, chunks=(512, 512), dtype="u1")
    return make_plan(nsp.open(path, axes="yx"), Fake(step=16), window=WINDOW)


def test_planning_touches_each_side_of_the_grid_and_not_its_windows(counted, tmp_path):
    plan = plan_of(tmp_path, 1000)
    assert len(plan.windows) == plan.tiles == 10**6
    facts = (plan.hash, plan.cost, str(plan), layout_of(plan).level_shapes)
    assert all(facts)
    lazy_labels(plan)
    assert not counted["Windows.at"]
    assert not counted["Source.read"]
    assert counted["Windows1D.core"] + counted["Windows1D.read"] <= 20 * 1000


def test_a_view_costs_the_same_in_a_large_image_as_in_a_small_one(counted, tmp_path):
    costs = []
    for edge in (4, 1000):
        labels = lazy_labels(plan_of(tmp_path, edge))
        counted.clear()
        middle = edge // 2 * WINDOW
        part = labels[middle : middle + 2 * WINDOW, middle : middle + WINDOW]
        graph = part.__dask_optimize__(part.dask, part.__dask_keys__())
        part.compute(scheduler="synchronous")
        costs.append((dict(counted), len(graph)))
    assert costs[0] == costs[1]
    touched, tasks = costs[1]
    assert touched["Source.read"] == 2
    assert touched["Windows.at"] <= 2 * 3
    assert tasks <= 2 * 4
