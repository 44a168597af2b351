"""The live view of classes: those of a run at full size, every n-th of them where zoomed out."""

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.errors import InputError
from napari_superpixels.labels.boundaries import find_boundaries
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.foreign import unet, write_pt2
from napari_superpixels.testing.weights import write_random_segmentation

SECONDS = 120


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return str(write_random_segmentation(tmp_path_factory.mktemp("weights"), "HCFPN"))


@pytest.fixture(scope="module")
def plan(weights):
    image = noise((2, 3, 90, 330), 3)
    mask = np.ones((90, 330), bool)
    mask[:20, :30] = False
    source = nsp.open(image, axes="zcyx", rgb=True, mask=mask)
    return nsp.plan(source, nsp.Segment(weights=weights), window=96)


@pytest.fixture
def view(live, plan, monkeypatch):
    monkeypatch.setattr("napari_superpixels.engine.live_levels.COARSEST_PX", 30)
    return live(plan)


def seen(level, view, part=...):
    level[part]
    assert view.wait(SECONDS)
    assert view.status().failed == 0
    return level[part]


def test_full_size_is_what_a_run_writes(view, plan):
    found = seen(view.labels[0], view)
    np.testing.assert_array_equal(found, lazy_labels(plan).compute())
    assert found.dtype == np.uint8
    assert view.labels[0].kind == "exact"


def test_zoomed_out_every_second_and_fourth_pixel_is_shown(view, plan):
    whole = lazy_labels(plan).compute()
    for number, factor in ((1, 2), (2, 4)):
        level = view.labels[number]
        assert level.kind == "approximate"
        found = seen(level, view)
        rows, columns = (
            np.minimum((2 * np.arange(count) + 1) * size // (2 * count), size - 1)
            for count, size in zip(level.shape[1:], whole.shape[1:], strict=True)
        )
        np.testing.assert_array_equal(found, whole[:, rows][:, :, columns])
        assert abs(whole.shape[2] / level.shape[2] - factor) < 0.1


def test_farther_out_nothing_is_computed(view):
    kinds = [level.kind for level in view.labels]
    assert kinds == ["exact", "approximate", "approximate", "blank", "blank"]
    for level in view.labels[3:]:
        assert not seen(level, view).any()
    assert view.status().done == 0


def test_boundaries_lie_between_classes(view):
    whole = seen(view.labels[0], view)
    expected = np.stack([find_boundaries(plane) for plane in whole])
    np.testing.assert_array_equal(seen(view.boundaries[0], view), expected)
    assert 0 < expected.mean() < 1


@pytest.mark.parametrize("level", [0, 1, 2])
def test_boundaries_do_not_depend_on_what_is_looked_at(view, level):
    """Those in the last row and column of a piece too; every row of the piece counts once."""
    edges = view.boundaries[level]
    whole = seen(edges, view)
    height, width = whole.shape[1:]
    lost = 0
    for y, x in ((height // 2, width // 3), (height // 3, width // 2), (height, width)):
        part = (1, slice(3, y), slice(1, x))
        found = edges[part]
        np.testing.assert_array_equal(found, whole[part])
        lost += found[-1].sum() + found[:, -1].sum()
    assert lost, "there are boundaries along the sides of pieces"
    np.testing.assert_array_equal(edges[1, ::-2, 5:9], whole[1, ::-2, 5:9])


def test_a_piece_asks_for_the_pixels_behind_it(live, plan):
    """Else its last column would stay without boundaries, or with false ones, for good."""
    view = live(plan)
    edge = view.labels[0]._view.levels[0].grid.edge
    part = (0, slice(0, edge[0]), slice(0, edge[1]))
    piece = seen(view.boundaries[0], view, part)
    whole = seen(view.boundaries[0], view)
    np.testing.assert_array_equal(piece, whole[part])


def test_a_region_is_shown_alone(live, plan):
    region = {"z": (1, 2), "y": (0, 64), "x": (96, 200)}
    cropped = nsp.plan(plan.source, plan.method, window=96, region=region)
    view = live(cropped)
    found = seen(view.labels[0], view)
    expected = np.zeros_like(found)
    expected[1, :64, 96:224] = lazy_labels(cropped).compute()[0]
    np.testing.assert_array_equal(found, expected)


def test_probabilities_and_numbers_are_refused_in_a_sentence(live, plan, weights):
    method = nsp.Segment(weights=weights, probabilities=True)
    with pytest.raises(InputError, match="not the probabilities that segment gives here; run"):
        live(nsp.plan(plan.source, method))


def test_a_network_of_somebody_else_is_previewed_as_it_runs(live, tmp_path):
    method = nsp.Segment(weights=str(write_pt2(tmp_path / "unet.pt2", unet())))
    source = nsp.open(noise((90, 130, 3)), axes="yxs", rgb=True)
    plan = nsp.plan(source, method, window=64)
    view = live(plan)
    written = nsp.run(plan, tmp_path / "out.zarr")
    np.testing.assert_array_equal(seen(view.labels[0], view), np.asarray(written.labels))
