"""What a live view shows of networks: at the finest level their windows, and so their labels."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from napari_superpixels import api
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.live_levels import label_levels
from napari_superpixels.models.grid_network import GridModel
from napari_superpixels.testing.weights import write_random_segmentation, write_random_weights

STEP = 16
PART = {"y": (20, 150), "x": (48, 200)}
IMAGE = np.random.default_rng(3).integers(0, 255, (171, 237, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def weights_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")

    def of(name):
        if name == "hcnet":
            return str(write_random_segmentation(folder))
        return str(write_random_weights(folder, name))

    return of


def seen(view, level):
    """All of a level, when it is made."""
    level[...]
    assert view.wait(300)
    assert not view.status().failed
    return level[...]


@pytest.mark.parametrize(
    ("name", "region"),
    [("scn", None), ("scn", PART), ("ainet", PART), ("ssn", PART), ("hcnet", PART)],
)
def test_the_finest_level_is_what_a_run_writes(live, weights_of, name, region):
    """Labels of random weights hang on every bit, so nothing but the same windows will do."""
    source = api.open(IMAGE, mask=np.arange(237) % 61 > np.zeros((171, 1)))
    plan = api.plan(source, name, weights=weights_of(name), step=STEP, window=96, region=region)
    expected = np.zeros(IMAGE.shape[:2], plan.dtype)
    expected[plan.pixels.slices] = lazy_labels(plan).compute()
    view = live(plan)
    np.testing.assert_array_equal(seen(view, view.labels[0]), expected)


def test_a_tile_reads_what_a_window_reads(live, weights_of):
    """The network gets arrays of one shape, the same as in a run; at the image's ends too."""
    plan = api.plan(api.open(IMAGE), "scn", weights=weights_of("scn"), step=STEP, window=64)
    shapes, logits = [], GridModel.associate

    def recorded(self, tile, valid, pulse):
        shapes.append((tile.pixels.shape, tile.pixels.tobytes()))
        return logits(self, tile, valid, pulse)

    with mock.patch.object(GridModel, "associate", recorded):
        lazy_labels(plan).compute(scheduler="synchronous")
        ran, shapes = shapes, []
        view = live(plan)
        seen(view, view.labels[0])
    assert len(ran) == len(plan.windows) == 12
    assert set(shapes) == set(ran)


def test_windows_are_those_of_a_run_when_nobody_chooses(weights_of):
    image = np.zeros((1500, 1100, 3), np.uint8)
    plan = api.plan(api.open(image), "scn", weights=weights_of("scn"), step=STEP)
    finest = label_levels(plan)[0]
    assert finest.grid.edge == plan.core_px == (1024, 1024)


@pytest.mark.parametrize(
    ("name", "step", "kinds"),
    [
        ("scn", 16, ["exact", "cells", "cells"]),
        ("scn", 32, ["exact", "approximate", "cells"]),
        ("ssn", 16, ["exact", "approximate", "cells"]),
        ("hcnet", 32, ["exact", "approximate", "cells"]),
    ],
)
def test_coarser_levels_run_a_network_where_cells_have_its_size(weights_of, name, step, kinds):
    image = np.zeros((900, 700, 3), np.uint8)
    source = api.open([image, image[::2, ::2], image[::4, ::4]], axes="yxs")
    plan = api.plan(source, name, weights=weights_of(name), step=step)
    assert [level.kind for level in label_levels(plan)][:3] == kinds


@pytest.mark.parametrize("name", ["scn", "hcnet"])
def test_a_coarser_level_is_nearly_the_finest(live, weights_of, name):
    """Of an image of flat squares, where it matters little how a cell is seen."""
    small = np.random.default_rng(5).integers(0, 255, (7, 10, 3), dtype=np.uint8)
    image = small.repeat(64, axis=0).repeat(64, axis=1)
    source = api.open([image, image[::2, ::2], image[::4, ::4]], axes="yxs")
    plan = replace(api.plan(source, name, weights=weights_of(name), step=32), core=(8, 8))
    view = live(plan)
    assert view.labels[1].kind == "approximate"
    coarse, fine = seen(view, view.labels[1]), seen(view, view.labels[0])
    assert (coarse == fine[::2, ::2]).mean() > 0.6
