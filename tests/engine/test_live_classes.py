"""The live view of classes: those of a run at full size, every n-th of them where zoomed out."""

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.errors import InputError
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
    part = (1, slice(10, 80), slice(40, 300))
    ids, edges = seen(view.labels[0], view, part), view.boundaries[0][part]
    expected = np.zeros_like(edges)
    expected[:-1] |= ids[1:] != ids[:-1]
    expected[:, :-1] |= ids[:, 1:] != ids[:, :-1]
    np.testing.assert_array_equal(edges, expected)
    assert 0 < edges.mean() < 1


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
