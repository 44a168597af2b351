"""Methods by name under both protocols."""

import numpy as np
import pytest
import torch
from skimage.data import astronaut

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.evaluation.baselines import felzenszwalb
from napari_superpixels.evaluation.methods import PROTOCOLS, named, step_for
from napari_superpixels.evaluation.networks import (
    clustered_labels,
    grid_shape,
    resized_as_8_bit,
    resized_labels,
    sampled_labels,
)
from napari_superpixels.labels.merge import merge_small
from napari_superpixels.labels.metrics import count_superpixels
from napari_superpixels.models.grid_network import Scn
from napari_superpixels.models.learned import load
from napari_superpixels.models.ssn import Ssn
from napari_superpixels.models.weights import find
from napari_superpixels.networks import grid, ssn
from napari_superpixels.testing.weights import write_random_segmentation, write_random_weights

PHOTOGRAPH = np.ascontiguousarray(astronaut()[100:196, 150:278])


@pytest.fixture
def weights(tmp_path):
    """Files of random weights by method."""
    return {name: str(write_random_weights(tmp_path, name)) for name in ("ssn", "scn")}


@pytest.mark.parametrize(
    ("shape", "target", "step"), [((321, 481), 100, 39), ((321, 481), 300, 23), ((8, 8), 99, 2)]
)
def test_steps_give_about_the_wanted_number(shape, target, step):
    assert abs(step_for(shape, target) - step) <= 1


def test_of_the_steps_that_there_are_the_nearest_is_taken():
    wanted = {1: 32, 64: 32, 150: 32, 170: 16, 999: 16}
    assert {each: step_for((256, 256), each, (16, 32)) for each in wanted} == wanted


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_segmentation_network_gives_the_strides_that_it_has(tmp_path, protocol):
    weights = str(write_random_segmentation(tmp_path))
    run = named("hcnet", protocol, {"weights": weights})
    for target, step in ((1, 32), (12, 32), (48, 16), (500, 16)):
        labels = run(PHOTOGRAPH, target)
        method = nsp.Hcnet(weights=weights, step=step)
        merged = merge_small(clustered_labels(PHOTOGRAPH, method), target=96 * 128 // step**2)
        ours = nsp.superpixels(PHOTOGRAPH, method, axes="yxs").compute()
        assert np.array_equal(labels, merged if protocol == "papers" else ours)
    with pytest.raises(InputError, match="none come with hcnet"):
        named("hcnet", protocol)


@pytest.mark.parametrize("name", ["slic", "ssn_pix"])
def test_our_protocol_is_what_the_software_writes(name):
    labels = named(name, "ours")(PHOTOGRAPH, 48)
    again = nsp.superpixels(PHOTOGRAPH, name, step=16, axes="yxs").compute()
    assert np.array_equal(labels, again)


@pytest.mark.parametrize("name", ["slic", "ssn", "scn"])
def test_the_papers_protocol_merges_small_pieces(name, weights):
    given = {"weights": weights[name]} if name in weights else {}
    papers, ours = (named(name, protocol, given)(PHOTOGRAPH, 48) for protocol in PROTOCOLS)
    assert papers.shape == ours.shape == PHOTOGRAPH.shape[:2]
    assert count_superpixels(ours) <= 6 * 8
    smallest = np.bincount(papers.ravel()).min()
    assert smallest >= int(0.06 * PHOTOGRAPH.shape[0] * PHOTOGRAPH.shape[1] / 48)


def test_a_sampling_network_is_the_float_one_on_the_whole_image(weights):
    method = Ssn(step=16, weights=weights["ssn"])
    network = load(find(weights["ssn"], "ssn"))
    image = torch.from_numpy(PHOTOGRAPH / np.float32(255)).permute(2, 0, 1)[None]
    with torch.no_grad():
        codes = network.associate(ssn.normalise(image), (16, 16), 10)[0].argmax(dim=0).numpy()
    labels = sampled_labels(PHOTOGRAPH, method).astype(int) - 1
    y, x = np.indices(codes.shape) // 16
    assert np.array_equal(labels // 8, y + codes // 3 - 1)
    assert np.array_equal(labels % 8, x + codes % 3 - 1)


def test_a_grid_network_at_its_own_step_needs_no_resizing(weights):
    method = Scn(step=16, weights=weights["scn"])
    labels, cells = resized_labels(PHOTOGRAPH, method, 48)
    network = load(find(weights["scn"], "scn"))
    image = torch.from_numpy(PHOTOGRAPH / np.float32(255)).permute(2, 0, 1)[None]
    with torch.no_grad():
        codes = network.associate(grid.normalise(image))[0].argmax(dim=0).numpy()
    y, x = np.indices(codes.shape) // 16
    assert cells == 48
    assert np.array_equal(labels.astype(int) - 1, (y + codes // 3 - 1) * 8 + x + codes % 3 - 1)


@pytest.mark.parametrize("target", [12, 200])
def test_a_grid_network_sees_an_image_of_the_wanted_size(weights, target):
    labels, cells = resized_labels(PHOTOGRAPH, Scn(weights=weights["scn"]), target)
    assert labels.shape == PHOTOGRAPH.shape[:2]
    assert abs(cells - target) <= 0.15 * target
    assert cells / 3 < count_superpixels(labels) <= cells


@pytest.mark.parametrize("size", [(96, 128), (160, 208), (48, 80), (112, 64)])
def test_images_are_resized_to_8_bits_as_with_opencv(size):
    cv2 = pytest.importorskip("cv2")
    ours = resized_as_8_bit(PHOTOGRAPH, size)[0].permute(1, 2, 0).numpy() * 255
    theirs = cv2.resize(PHOTOGRAPH, size[::-1], interpolation=cv2.INTER_CUBIC)
    off = np.abs(ours - theirs)
    assert off.max() < 1.001
    assert np.mean(off > 0.001) < 0.02


def test_a_resized_image_has_8_bits():
    values = resized_as_8_bit(PHOTOGRAPH, (160, 208)).numpy() * 255
    assert np.allclose(values, np.rint(values), atol=1e-3)
    assert (values.min(), values.max()) >= (0, 250)
    assert values.max() <= 255


def test_the_papers_grids():
    """480 s x 320 s pixels for s = .6, 1 and 1.6 have these numbers of cells in the papers."""
    assert [grid_shape((321, 481), k) for k in (216, 600, 1536)] == [(12, 18), (20, 30), (32, 48)]


def test_scikit_images_clean_up_is_replaced_for_the_papers():
    papers, ours = (named("skimage", protocol)(PHOTOGRAPH, 48) for protocol in PROTOCOLS)
    assert not np.array_equal(papers, ours)
    assert np.array_equal(
        papers, merge_small(named("skimage-raw", "ours")(PHOTOGRAPH, 48), target=48)
    )


@pytest.mark.parametrize("target", [10, 60])
def test_felzenszwalb_comes_near_the_wanted_number(target):
    assert 0.6 * target <= count_superpixels(felzenszwalb(PHOTOGRAPH, target)) <= 1.5 * target


@pytest.mark.parametrize(
    ("name", "protocol", "told"),
    [("watershed", "ours", "no method 'watershed'"), ("slic", "theirs", "no protocol 'theirs'")],
)
def test_unknown_names_are_refused(name, protocol, told):
    with pytest.raises(InputError, match=told):
        named(name, protocol)


def test_weights_that_are_missing_are_told_before_anything_runs():
    with pytest.raises(InputError, match="no weights"):
        named("ssn", "papers", {"weights": "nowhere"})


def test_networks_stay_loaded_while_methods_take_turns(tmp_path):
    """With fewer places than methods, each turn would read and build every network anew."""
    found = [
        find(str(write_random_weights(tmp_path, name)), name)
        for name in ("ssn", "hcssn", "scn", "ainet", "pcnet")
    ]
    first = [load(each) for each in found]
    assert all(load(each) is network for each, network in zip(found, first, strict=True))
