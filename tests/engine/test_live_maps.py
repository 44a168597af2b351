"""The live view of numbers: those of a run, NaN where nothing is known yet, and no boundaries."""

import threading
from unittest import mock

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.engine import live_dense
from napari_superpixels.engine.lazy import lazy_labels
from napari_superpixels.engine.live_dense import Range
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.gate import gated
from napari_superpixels.testing.weights import write_random_segmentation

SECONDS = 120
CUT = {"bins": 12, "lowest": 0.0, "highest": 9.0}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of networks that say any number, and one of twelve; and of one that sees patches."""
    folder = tmp_path_factory.mktemp("weights")
    told = {"output": "map", "unit": "px", "classes": []}
    ordinal = {"discretisation": CUT}
    return {
        "any": write_random_segmentation(folder, "HCFPN", seed=1, **told),
        "ordinal": write_random_segmentation(folder, "HCFPN", seed=2, **told, **ordinal),
        "pooled": write_random_segmentation(folder, "HCPSPNet", **told, **ordinal),
    }


def plan_of(weights, source=None, **options):
    mask = np.ones((90, 330), bool)
    mask[:20, :30] = False
    if source is None:
        source = nsp.open(noise((2, 3, 90, 330), 3), axes="zcyx", rgb=True, mask=mask)
    return nsp.plan(source, nsp.Segment(weights=str(weights), **options), window=96)


@pytest.fixture
def short(monkeypatch):
    """Levels down to a short one."""
    monkeypatch.setattr("napari_superpixels.engine.live_levels.COARSEST_PX", 30)


def seen(level, view, part=...):
    level[part]
    assert view.wait(SECONDS)
    assert view.status().failed == 0
    return level[part]


@pytest.mark.parametrize("name", ["any", "ordinal", "pooled"])
def test_full_size_is_what_a_run_writes(live, weights, name):
    options = {"exact": False, "patch": 128} if name == "pooled" else {}
    plan = plan_of(weights[name], **options)
    view = live(plan)
    found, expected = seen(view.labels[0], view), lazy_labels(plan).compute()
    assert found.dtype == expected.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    assert np.isnan(found[:, :20, :30]).all()
    assert np.isfinite(found[:, 20:]).all()
    assert view.boundaries == ()


def test_zoomed_out_every_second_and_fourth_pixel_is_shown(live, weights, short):
    plan = plan_of(weights["any"])
    view, whole = live(plan), lazy_labels(plan).compute()
    for number in (1, 2):
        level = view.labels[number]
        assert level.kind == "approximate"
        rows, columns = (
            np.minimum((2 * np.arange(count) + 1) * size // (2 * count), size - 1)
            for count, size in zip(level.shape[1:], whole.shape[1:], strict=True)
        )
        np.testing.assert_array_equal(seen(level, view), whole[:, rows][:, :, columns])


def test_farther_out_nothing_is_computed(live, weights, short):
    view = live(plan_of(weights["ordinal"]))
    assert [level.kind for level in view.labels[3:]] == ["blank", "blank"]
    for level in view.labels[3:]:
        assert np.isnan(seen(level, view)).all()
    assert np.isnan(np.asarray(view.labels[-1])).all()
    assert view.status().done == 0
    assert view.span == (0.0, 9.0), "the card tells it"


def test_what_is_not_there_yet_is_nan(live, weights):
    source, gate = gated(nsp.open(noise((70, 90, 3)), axes="yxs", rgb=True))
    view = live(plan_of(weights["any"], source))
    try:
        assert np.isnan(view.labels[0][...]).all()
        assert view.status().waiting > 0
        assert view.span is None
    finally:
        gate.opened.set()
    assert np.isfinite(seen(view.labels[0], view)).all()


def test_a_region_is_shown_alone(live, weights):
    whole = plan_of(weights["any"])
    region = {"z": (1, 2), "y": (0, 64), "x": (96, 200)}
    plan = nsp.plan(whole.source, whole.method, window=96, region=region)
    view = live(plan)
    expected = np.full((2, 90, 330), np.nan, np.float32)
    expected[1, :64, 96:224] = lazy_labels(plan).compute()[0]
    np.testing.assert_array_equal(seen(view.labels[0], view), expected)


def test_nothing_is_computed_where_it_is_asked_for(live, weights):
    threads, label_window = set(), live_dense.label_window

    def recorded(*args, **options):
        threads.add(threading.current_thread().name)
        return label_window(*args, **options)

    with mock.patch.object(live_dense, "label_window", recorded):
        view = live(plan_of(weights["any"]))
        seen(view.labels[0], view, (0,))
    assert threads == {"napari-superpixels-live"}


def test_the_range_of_numbers_is_that_of_what_was_made(live, weights):
    view = live(plan_of(weights["any"]))
    first = seen(view.labels[0], view, (0, slice(30, 40), slice(0, 10)))
    low, high = view.span
    assert low < np.median(first) < high
    found = seen(view.labels[0], view)
    assert view.span[0] <= low < high <= view.span[1]
    inside = (found >= view.span[0]) & (found <= view.span[1])
    assert 0.9 < inside[np.isfinite(found)].mean() < 1


def test_ranges_leave_out_what_is_no_number():
    seen = Range()
    seen.widen(np.full((3, 3), np.nan, np.float32))
    assert seen.span is None
    seen.widen(np.array([1, np.nan, np.inf], np.float32))
    assert seen.span == (1, 1)
    seen.widen(np.array([[-2.0, -2]]))
    assert seen.span == (-2, 1)
    seen.widen(np.zeros((5, 5)))
    assert seen.span == (-2, 1)


def test_classes_have_no_range(live, tmp_path):
    view = live(plan_of(write_random_segmentation(tmp_path, "HCFPN")))
    seen(view.labels[0], view)
    assert view.span is None
    assert len(view.boundaries) == len(view.labels)
