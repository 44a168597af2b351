"""What averages: patches of networks that pool, mirrored images, sizes; the same in any windows."""

import numpy as np
import pytest
import torch

import napari_superpixels as nsp
from napari_superpixels.engine.plan import make_plan
from napari_superpixels.models.learned import load
from napari_superpixels.models.patches import Patches
from napari_superpixels.models.weights import find
from napari_superpixels.networks.normalisation import Normalisation
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.dense import raw_scores
from napari_superpixels.testing.weights import write_random_segmentation


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return {name: str(write_random_segmentation(folder, name)) for name in ("HCPSPNet", "HCFPN")}


@pytest.fixture
def source():
    return nsp.open(noise((70, 410, 3)), axes="yxs", rgb=True)


def shares(source, window, **settings):
    method = nsp.Segment(probabilities=True, **settings)
    return nsp.superpixels(source, method, window=window).compute()


@pytest.mark.parametrize("views", [{}, {"flips": "yx", "scales": (0.5, 1)}])
def test_windows_of_a_network_that_pools_do_not_show(weights, source, views):
    """Not even in the last bits: each patch is computed alone, whoever asks."""
    settings = {"weights": weights["HCPSPNet"], "exact": False, "patch": 128, **views}
    whole = shares(source, 4096, **settings)
    np.testing.assert_array_equal(shares(source, 64, **settings), whole)
    np.testing.assert_array_equal(shares(source, (33, 200), **settings), whole)
    region = {"x": (128, 256), "y": (0, 64)}
    part = nsp.superpixels(source, nsp.Segment(probabilities=True, **settings), region=region)
    np.testing.assert_array_equal(part.compute(), whole[:, :64, 128:256])


def test_a_patch_is_computed_alone(weights, source):
    """The blend of the patches that cover a pixel, made here one by one."""
    settings = {"weights": weights["HCPSPNet"], "exact": False, "patch": 128}
    method = nsp.Segment(**settings, probabilities=True)
    image = np.asarray(source.read(0, make_plan(source, method).pixels).pixels)
    image = np.moveaxis(np.pad(image, ((0, 0), (0, 26), (0, 6)), mode="edge"), 0, -1)
    total, weight = np.zeros((3, 96, 416)), np.zeros((96, 416))
    ramp = method.patches.weights(128, 32).astype(float)
    rows = method.patches.weights(96, 32).astype(float)
    for start in (0, 96, 192, 288):
        patch = nsp.open(image[:, start : start + 128], axes="yxs", rgb=True)
        found = nsp.superpixels(patch, method).compute().astype(float)
        blend = rows[:, None] * ramp
        total[..., start : start + 128] += found * blend
        weight[:, start : start + 128] += blend
    expected = (total / weight)[:, :70, :410]
    np.testing.assert_allclose(shares(source, None, **settings), expected, atol=2e-3)


def test_patches_cover_an_axis_and_end_with_it():
    patches = Patches(edge=8, overlap=3)

    def spans(cells, *, goes_on):
        return [(side.start, side.stop) for side in patches.along(cells, goes_on=goes_on)]

    every = [(0, 8), (5, 13), (10, 18), (15, 23), (20, 28)]
    assert spans(30, goes_on=True) == every
    assert spans(30, goes_on=False) == [*every, (22, 30)]
    assert spans(6, goes_on=False) == [(0, 6)]


def test_weights_of_a_patch_rise_over_the_overlap_and_are_never_zero():
    weights = Patches(edge=8, overlap=3).weights(16, 2)
    assert (weights > 0).all()
    np.testing.assert_array_equal(weights, weights[::-1])
    np.testing.assert_array_equal(weights[6:10], 1)
    assert (np.diff(weights[:6]) > 0).all()
    both = weights[:6] + weights[10:]
    np.testing.assert_allclose(both, 1, atol=1e-6)  # neighbours sum to 1


def test_mirrored_views_are_averaged(weights):
    """The mean of what the network says of images that were mirrored by hand."""
    image = noise((64, 96, 3))
    views = [(), (0,), (1,), (0, 1)]
    each = [
        np.flip(
            shares(nsp.open(np.flip(image, axes).copy(), axes="yxs", rgb=True), None,
                   weights=weights["HCFPN"]).astype(float),
            [axis + 1 for axis in axes],
        )
        for axes in views
    ]  # fmt: skip
    found = shares(
        nsp.open(image, axes="yxs", rgb=True), None, weights=weights["HCFPN"], flips="xy"
    )
    np.testing.assert_allclose(found, np.mean(each, axis=0), atol=2e-3)
    assert np.abs(each[0] - each[1]).max() > 0.01, "the comparison cannot fail"


@pytest.mark.parametrize(
    "views",
    [
        {"flips": "x"},
        {"scales": (0.5, 1, 1.25)},
        {"scales": 2},
        {"decoding": "hard"},
        {"decoding": "hard", "flips": "y"},
    ],
)
def test_windows_of_views_do_not_show(weights, views):
    method = nsp.Segment(weights=weights["HCFPN"], **views)
    image = noise((35, 2 * method.halo_cells * method.step + 293, 3))
    source = nsp.open(image, axes="yxs", rgb=True)
    whole = raw_scores(make_plan(source, method, window=4096))
    plan = make_plan(source, method, window=160)
    assert len(plan.windows) > 3
    tiled = raw_scores(plan)
    differs = tiled.argmax(axis=0) != whole.argmax(axis=0)
    assert not differs.any()
    assert np.abs(tiled - whole).max() < 5e-6


def test_hard_decoding_is_that_of_the_network(weights, source):
    method = nsp.Segment(weights=weights["HCFPN"], decoding="hard")
    image = noise((64, 96, 3))
    found = raw_scores(make_plan(nsp.open(image, axes="yxs", rgb=True), method))
    network = load(find(weights["HCFPN"], "segmentation"))
    seen = Normalisation(method.trained.mean, method.trained.std)
    pixels = torch.from_numpy(np.moveaxis(image, -1, 0) / np.float32(255))[None]
    with torch.inference_mode():
        soft, hard = (network(seen(pixels), each)[0].numpy() for each in ("soft", "hard"))
    # Called on its own, a network adds up in another order, by its threads: last bits may differ.
    bound = 5e-6 * np.abs(hard).max()
    assert np.abs(found - hard).max() < bound
    assert np.abs(soft - hard).max() > 50 * bound, "the comparison cannot fail"
    plans = [nsp.plan(source, nsp.Segment(weights=weights["HCFPN"])), nsp.plan(source, method)]
    assert plans[0].hash != plans[1].hash


def test_views_are_part_of_the_plan(weights, source):
    plans = [
        nsp.plan(source, nsp.Segment(weights=weights["HCFPN"], **views))
        for views in ({}, {"flips": "x"}, {"scales": (1, 2)}, {"probabilities": True})
    ]
    assert len({plan.hash for plan in plans}) == 4
    assert [plan.lattice.step for plan in plans] == [(32, 32)] * 4
    quarter = nsp.plan(source, nsp.Segment(weights=weights["HCFPN"], scales=(0.75, 1)))
    assert quarter.lattice.step == (128, 128)
