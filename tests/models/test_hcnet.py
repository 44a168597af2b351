"""The clusters of segmentation networks as a method: strides, windows, refusals."""

import json

import numpy as np
import pytest
import torch

import napari_superpixels as nsp
from napari_superpixels.engine.plan import make_plan
from napari_superpixels.errors import InputError
from napari_superpixels.models.hcnet import strides_of
from napari_superpixels.models.learned import load
from napari_superpixels.models.registry import make_method, weights_files, weights_licence
from napari_superpixels.models.weights import find, save
from napari_superpixels.networks.decoding import nearest_clusters
from napari_superpixels.networks.normalisation import Normalisation
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.logits import difference, raw_logits
from napari_superpixels.testing.weights import write_random_segmentation, write_random_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Files of random weights by network."""
    folder = tmp_path_factory.mktemp("weights")
    names = ("HCFCN-32", "HCFPN", "HCDeepLabv3", "FCN-32", "AtrousFCN")
    files = {name: str(write_random_segmentation(folder, name)) for name in names}
    fine = folder / "fine"
    fine.mkdir()
    backbone = {"level": 4, "downsampling": "deformable"}
    files["fine"] = str(write_random_segmentation(fine, backbone=backbone))
    return files


def opened(image):
    return nsp.open(image, axes="yxs", rgb=True)


@pytest.mark.parametrize(
    ("name", "strides"),
    [("HCFCN-32", (16, 32)), ("HCFPN", (16, 32)), ("fine", (4, 8, 16, 32))],
)
def test_a_network_has_the_strides_of_the_stages_that_it_watches(weights, name, strides):
    assert strides_of(weights[name]) == strides
    for step in strides:
        assert nsp.Hcnet(weights=weights[name], step=step).step == step


@pytest.mark.parametrize(
    ("name", "step", "told"),
    [
        ("HCFCN-32", 8, r"step is 8, but .* clusters at 16 and 32 px; give e.g. step=16"),
        ("HCFCN-32", 20, r"step is 20, but .* 16 and 32 px"),
        ("fine", 2, r"step is 2, but .* 4, 8, 16 and 32 px"),
        ("fine", 2.5, r"step is 2.5, but it must be a whole number"),
        ("FCN-32", 16, r"'FCN-32' has no clusters; give weights of an HC network"),
        ("AtrousFCN", 16, r"'AtrousFCN' has no clusters"),
    ],
)
def test_other_strides_are_refused_in_a_sentence(weights, name, step, told):
    with pytest.raises(InputError, match=told) as caught:
        nsp.Hcnet(weights=weights[name], step=step)
    assert "\n" not in str(caught.value)


def test_weights_that_are_none_of_an_hc_network_are_refused(weights, tmp_path):
    other = str(write_random_weights(tmp_path, "hcssn"))
    for given, told in (
        ("", "none come with hcnet"),
        (other, "are for 'hcssn', not for 'segment' or 'hcnet'"),
        ("nowhere", "train hcfcn-cpu"),
        (str(tmp_path / "theirs.pt"), "There are no weights"),
    ):
        with pytest.raises(InputError, match=told):
            nsp.Hcnet(weights=given)
    with pytest.raises(InputError, match="SHA-256"):
        nsp.Hcnet(weights=weights["HCFPN"], digest="0" * 64)
    image, method = nsp.open(noise((2, 40, 40)), axes="cyx"), nsp.Hcnet(weights=weights["HCFPN"])
    with pytest.raises(InputError, match="2 channels, but the weights"):
        nsp.plan(image, method).cost  # noqa: B018 - asks the model


@pytest.mark.parametrize(("name", "step"), [("HCFCN-32", 32), ("fine", 16), ("HCDeepLabv3", 16)])
def test_windows_do_not_show(weights, name, step):
    """Two clusterings in a row, deformable downsampling, and under a head that is not exact."""
    method = nsp.Hcnet(weights=weights[name], step=step)
    long = step * (2 * method.halo_cells + 14) + 5
    source = opened(noise((2 * step + 3, long, 3)))
    whole = make_plan(source, method, window=4096)
    tiled = make_plan(source, method, window=5 * step)
    assert len(tiled.windows) > 3
    found, expected = raw_logits(tiled), raw_logits(whole)
    assert difference(found, expected).allowed
    assert (found.argmax(axis=0) != 4).any()


def test_labels_are_the_clusters_of_the_network(weights):
    """Where connectivity changes nothing: here, of the raw assignment, all pixels."""
    image = noise((64, 96, 3))
    method = nsp.Hcnet(weights=weights["HCFCN-32"], step=16)
    k = raw_logits(make_plan(opened(image), method)).argmax(axis=0)
    row, column = (np.arange(n) // 16 for n in k.shape)
    network = load(find(weights["HCFCN-32"], "segmentation"))
    seen = Normalisation(method.trained.mean, method.trained.std)
    pixels = torch.from_numpy(np.moveaxis(image, -1, 0) / np.float32(255))[None]
    with torch.inference_mode():
        clusters = nearest_clusters(network.backbone(seen(pixels)).decoding.logits[8])
    expected = np.kron(clusters[0].numpy(), np.ones((8, 8), int))
    places = (row[:, None] + k // 3 - 1) * 6 + column + k % 3 - 1
    np.testing.assert_array_equal(places, expected)


def test_the_strides_are_superpixels_of_several_sizes(weights):
    image, counts = noise((96, 128, 3)), []
    for step in strides_of(weights["fine"]):
        labels = nsp.superpixels(image, "hcnet", step=step, weights=weights["fine"], axes="yxs")
        found = np.unique(labels.compute())
        assert found[0] > 0
        assert found[-1] <= 96 * 128 // step**2
        counts.append(len(found))
    assert counts == sorted(counts, reverse=True)


def test_settings_come_back_from_what_a_plan_keeps(weights, tmp_path):
    """Named otherwise, moved, or altered weights are told apart by their hash."""
    method = nsp.Hcnet(weights=weights["HCFPN"], step=np.int64(32))
    kept = {"step": method.step, "weights": method.weights, "digest": method.digest}
    assert make_method("hcnet", json.loads(json.dumps(kept))) == method
    assert [name.rpartition(".")[2] for name in weights_files(method)] == ["safetensors", "json"]
    assert weights_licence(method) == ""
    card = find(weights["HCFPN"], "segmentation")
    path = tmp_path / "licensed.safetensors"
    save(path, card.network, card.config, card.read(), licence="CC0")
    assert weights_licence(nsp.Hcnet(weights=str(path))) == "CC0"


def test_a_run_writes_what_a_view_shows(weights, tmp_path):
    source = opened(noise((150, 170, 3)))
    plan = nsp.plan(source, nsp.Hcnet(weights=weights["HCFCN-32"], step=32))
    result = nsp.run(plan, tmp_path / "out.zarr")
    np.testing.assert_array_equal(result.labels[:], nsp.superpixels(source, plan.method).compute())
