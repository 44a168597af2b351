"""Tiled equals whole for the networks that see a bounded part: choices, bits, halo, nodata."""

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.engine.plan import make_plan
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.dense import raw_scores
from napari_superpixels.testing.logits import difference
from napari_superpixels.testing.short_halo import ShortHalo
from napari_superpixels.testing.weights import write_random_segmentation

NETWORKS = {
    "FCN-32": {},
    "AtrousFCN": {},
    "HCFCN-32": {},
    "FPN": {},
    "HCFPN": {},
    "atrous FPN": {"backbone": {"form": "atrous"}},
}
LAST_BITS = 5e-6
"""Of the largest score: what the order of sums changes."""


@pytest.fixture(scope="module", params=NETWORKS)
def method(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    name = request.param.replace("atrous ", "")
    weights = write_random_segmentation(folder, name, **NETWORKS[request.param])
    return nsp.Segment(weights=str(weights))


def strip(method, *, turned=False, seed=0):
    """An image that is long enough to be cut, and cheap."""
    image = noise((35, 2 * method.halo_cells * method.step + 293, 3), seed)
    return np.swapaxes(image, 0, 1).copy() if turned else image


def opened(image, **options):
    return nsp.open(image, axes="yxs", rgb=True, **options)


def core_px(method):
    return 4 * method.step if method.step == 32 else 32 * method.step


def apart(one, other):
    """The largest difference of two arrays of scores, of the largest score."""
    return float(np.abs(one - other).max() / np.abs(other).max())


def test_windows_do_not_show(method):
    for turned in (False, True):
        source = opened(strip(method, turned=turned))
        whole = raw_scores(make_plan(source, method, window=4096))
        plan = make_plan(source, method, window=core_px(method))
        assert len(plan.windows) > 3
        tiled = raw_scores(plan)
        assert difference(tiled, whole).allowed
        assert apart(tiled, whole) < LAST_BITS


def test_a_short_halo_shows(method):
    source = opened(strip(method))
    whole = raw_scores(make_plan(source, method, window=4096))
    full, short, shorter = (
        apart(
            raw_scores(make_plan(source, ShortHalo(method, missing=cells), window=core_px(method))),
            whole,
        )
        for cells in (0, 2, 8)
    )
    assert short > 1.5 * full + 1e-6
    assert shorter > 1e-4


def test_the_same_plan_gives_the_same_bits(method):
    plan = make_plan(opened(strip(method)), method, window=core_px(method))
    np.testing.assert_array_equal(raw_scores(plan), raw_scores(plan))


def test_a_copy_that_starts_at_another_cell_agrees(method):
    image, start = strip(method, seed=3), 3 * method.step
    far = method.halo_cells * method.step
    whole, part = (
        raw_scores(make_plan(opened(each), method, window=4096))
        for each in (image, image[:, start:])
    )
    assert difference(part[..., far:], whole[..., start + far :]).allowed
    assert apart(part[..., far:], whole[..., start + far :]) < LAST_BITS


def test_a_pixel_has_no_influence_beyond_the_halo(method):
    """And none under a mask, wherever."""
    image, far = strip(method), method.halo_cells * method.step
    changed = image.copy()
    changed[:, 7] = 255 - changed[:, 7]
    step = method.step
    plans = (make_plan(opened(each), method, window=4096) for each in (image, changed))
    one, two = map(raw_scores, plans)
    np.testing.assert_array_equal(one[..., step + far :], two[..., step + far :])
    assert (one[..., :step] != two[..., :step]).any()
    mask = np.ones(image.shape[:2], bool)
    mask[:, 7] = False
    under, over = (
        nsp.superpixels(opened(each, mask=mask), method).compute() for each in (image, changed)
    )
    np.testing.assert_array_equal(under, over)
    np.testing.assert_array_equal(under == 0, ~mask)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (17, 16), (33, 65)])
def test_any_size_from_one_pixel_up(method, shape):
    image = noise((*shape, 3))
    ids = nsp.superpixels(opened(image), method).compute()
    assert ids.shape == shape
    assert ids.dtype == np.uint8
    assert set(np.unique(ids)) <= {1, 2, 3}
