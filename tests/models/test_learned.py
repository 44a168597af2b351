"""Settings of the learned methods, samples, and what they refuse."""

import pickle
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.io import imread

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.models import grid_network, learned, ssn
from napari_superpixels.models.protocol import ImageFacts
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.models.weights import SHIPPED
from napari_superpixels.networks.association import soft_slic
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.weights import write_random_weights

RGB = ImageFacts(channels=3, dtype=np.dtype(np.uint8), rgb=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def scn(folder) -> str:
    return str(write_random_weights(folder, "scn"))


def test_a_method_runs_by_name_tiled_and_lazily(scn):
    image = noise((90, 75, 3))
    labels = nsp.superpixels(image, "scn", step=16, weights=scn)
    assert labels.dtype == np.uint32
    assert labels.shape == (90, 75)
    found = labels.compute()
    assert found.min() >= 1
    assert found.max() <= 6 * 5


@pytest.mark.parametrize("name", ["scn", "ainet", "pcnet", "ssn", "hcssn"])
def test_without_weights_a_method_says_so(name):
    if (SHIPPED / f"{name}.safetensors").exists():
        pytest.skip("this version ships weights for it")
    with pytest.raises(InputError, match=f"no weights '{name}' in this version; train some"):
        nsp.superpixels(noise((32, 32, 3)), name)


def test_lazy_arrays_and_runs_use_the_same_windows(scn):
    image = np.broadcast_to(np.uint8(0), (3000, 4000, 3))
    plan = nsp.plan(image, "scn", weights=scn)
    lazy = nsp.superpixels(image, "scn", weights=scn)
    edge = nsp.Scn.window_px
    assert lazy.chunks[0][0] == lazy.chunks[1][0] == edge == plan.core_px[0] == plan.core_px[1]
    shapes = {window.read.shape for window in plan.windows}
    assert shapes == {(86, 86)}


def test_settings_are_checked_and_made_plain(scn):
    method = nsp.Scn(step=np.int64(10), weights=scn)
    assert asdict(method) == {"step": 10, "weights": scn, "digest": method.digest}
    assert len(method.digest) == 64
    assert nsp.Scn(**asdict(method)) == method
    assert pickle.loads(pickle.dumps(method)) == method
    for step in (1, 2.5, 1000, True):
        with pytest.raises(InputError, match="whole number of pixels"):
            nsp.Scn(step=step, weights=scn)
    with pytest.raises(InputError, match="SHA-256"):
        nsp.Scn(weights=scn, digest="0" * 64)


def test_other_weights_are_another_plan(folder):
    image = noise((32, 32, 3))
    hashes = set()
    for seed in (5, 6):
        path = folder / "same-name.safetensors"
        write_random_weights(folder, "scn", seed).replace(path)
        (folder / f"scn-{seed}.json").replace(path.with_suffix(".json"))
        hashes.add(nsp.plan(image, "scn", weights=str(path)).hash)
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("network", "halos"),
    [
        ("scn", {16: 5, 2: 6, 39: 5}),
        ("ainet", {16: 7}),
        ("pcnet", {16: 23}),
    ],
)
def test_the_halo_is_the_networks_and_that_of_connectivity(folder, network, halos):
    weights = str(write_random_weights(folder, network))
    for step, halo in halos.items():
        method = learned_method(network)(step=step, weights=weights)
        assert (method.network_halo, method.halo_cells) == (halo, halo + 5)


def learned_method(name: str) -> type:
    return {"scn": nsp.Scn, "ainet": nsp.Ainet, "pcnet": nsp.Pcnet}[name]


def test_attention_reaches_farther(folder):
    weights = str(write_random_weights(folder, "ainet", 7, attention=True))
    assert nsp.Ainet(weights=weights).network_halo == 12


def test_alignment_is_that_of_the_network():
    from napari_superpixels.networks import pcnet
    from napari_superpixels.networks import scn as scn_network

    assert grid_network.Pcnet.align_cells == pcnet.Pcnet.align_cells
    assert grid_network.Scn.align_cells == scn_network.Scn.align_cells


def test_blocks_are_whole_cells_and_strides_near_256_px(folder):
    weights = str(write_random_weights(folder, "ssn"))
    for step in (2, 3, 16, 39, 100):
        edge = nsp.Ssn(step=step, weights=weights).align_cells * step
        assert edge % 4 == 0
        assert edge % step == 0
        assert 160 <= edge <= 512


def test_absolute_positions_are_refused_in_tiles(folder):
    weights = str(write_random_weights(folder, "ssn", 8, position="absolute"))
    with pytest.raises(InputError, match="positions in the whole image"):
        nsp.Ssn(weights=weights).model(RGB, None)


def test_a_wrong_number_of_channels_is_refused(scn, folder):
    with pytest.raises(InputError, match=r"2 channels, but these weights of scn take 3"):
        nsp.superpixels(np.zeros((2, 40, 40), np.uint8), "scn", axes="cyx", weights=scn).compute()
    other = str(write_random_weights(folder, "scn", 11, channels=2))
    with pytest.raises(InputError, match=r"5 channels, but these weights of scn take 2"):
        nsp.superpixels(np.zeros((5, 40, 40), np.uint8), "scn", axes="cyx", weights=other).compute()


def test_many_channels_are_projected_by_whole_image_components(scn):
    """Three colours hidden in six channels with noise come back, up to a turn."""
    rng = np.random.default_rng(0)
    hidden = rng.random((3, 50, 60))
    mixed = np.einsum("cd,dyx->cyx", rng.random((6, 3)), hidden)
    image = (mixed * 1000).astype(np.uint16)
    source = nsp.open(image, axes="cyx")
    plan = nsp.plan(source, "scn", weights=scn)
    assert plan.statistics is not None
    assert plan.statistics.projection is not None
    samples = plan.model.samples
    assert samples.projection == plan.statistics.projection
    found = samples(image, None).reshape(3, -1)
    assert found.shape == (3, 3000)
    assert (found.min(), found.max()) == (0, 1)
    inner = ((found > 0) & (found < 1)).all(axis=0)
    design = np.vstack([hidden.reshape(3, -1)[:, inner], np.ones(inner.sum())])
    _, residual, *_ = np.linalg.lstsq(design.T, found[:, inner].T, rcond=None)
    assert (residual / inner.sum() < 1e-3).all()
    part = samples(image[:, 7:20, 3:9], None)
    np.testing.assert_array_equal(part, found.reshape(3, 50, 60)[:, 7:20, 3:9])
    whole = nsp.superpixels(image, "scn", axes="cyx", weights=scn).compute()
    assert whole.shape == (50, 60)


def test_complex_samples_are_refused(scn):
    facts = ImageFacts(channels=3, dtype=np.dtype(np.complex64), rgb=True)
    with pytest.raises(InputError, match="complex64, but scn needs real numbers"):
        nsp.Scn(weights=scn).model(facts, None)


def test_weights_for_other_layers_are_refused(folder):
    from napari_superpixels.models import weights

    path = folder / "short.safetensors"
    weights.save(path, "scn", {"channels": 3}, {"head.bias": np.zeros(9, np.float16)})
    with pytest.raises(InputError, match="do not fit scn"):
        nsp.superpixels(noise((32, 32, 3)), "scn", weights=str(path)).compute()


def test_grey_images_stand_for_all_channels_and_other_types_are_stretched():
    facts = ImageFacts(channels=1, dtype=np.dtype(np.uint16), rgb=False)
    statistics = Statistics((100.0,), (300.0,), (0.0,), (400.0,), 100.0, 300.0)
    samples = learned.Samples.of("scn", facts, statistics, 3)
    pixels = np.array([[[100, 200, 300, 400]]], np.uint16)
    valid = np.array([[True, True, True, False]])
    found = samples(pixels, valid)
    assert found.shape == (3, 1, 4)
    np.testing.assert_allclose(found[1, 0], [0, 128 / 255, 1, 0], atol=1e-6)
    plain = learned.Samples.of("scn", RGB, None, 3)
    np.testing.assert_allclose(plain(np.full((3, 1, 1), 51, np.uint8), None), 0.2, atol=1e-7)


def test_weights_trained_for_other_channels_take_them(folder):
    weights = str(write_random_weights(folder, "scn", 9, channels=2))
    labels = nsp.superpixels(noise((2, 40, 40)), "scn", axes="cyx", weights=weights).compute()
    assert labels.max() <= 9


def test_integer_clustering_is_that_of_the_differentiable_operator(folder, samples):
    """The labels of a real image differ from those of plain float in few pixels."""
    from napari_superpixels.evaluation.ours import whole_tile
    from napari_superpixels.kernels.bands import Bands
    from napari_superpixels.models.weights import find
    from napari_superpixels.networks.ssn import Ssn, normalise, positions

    image = np.ascontiguousarray(imread(samples / "nuclei-histology.png")[:208, :176, :3])
    weights = str(write_random_weights(folder, "ssn", 3))
    model = nsp.Ssn(weights=weights).model(RGB, None)
    assert isinstance(model, ssn.SsnModel)
    tile = whole_tile(image, 16)
    whole = model.features(tile, None, tile.wanted, Bands(None, 1, lambda: None))
    network = learned.load(find(weights, "ssn"))
    assert isinstance(network, Ssn)
    pixels = normalise(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)
    features = network.learned(pixels, (16, 16))[0].numpy()
    color = ssn.Scale.of(dict(model.weights.config)).quanta.color
    learned_part = np.clip(features[:15] / 0.26 - 40, -40, 40)
    expected = np.concatenate((learned_part, features[15:] / 0.26))
    assert abs(whole / color - expected).max() <= 0.5 / color + 1e-3
    clipped = torch.from_numpy(np.concatenate((learned_part + 40, features[15:] / 0.26)) * 0.26)
    full = torch.cat((clipped[None], positions(pixels, (16, 16))), 1)
    logits = soft_slic(full.float(), (16, 16), 10).logits[0].numpy()
    wanted = logits.argmax(axis=0)
    found = raw_codes(model, tile)
    assert (found == wanted).mean() > 0.98


def raw_codes(model, tile):
    """The choices before connectivity."""
    from unittest import mock

    def first(result, wanted, threads, bands):
        return result.codes(wanted, bands)

    with mock.patch.object(ssn.clustering, "connected", first):
        return model(tile, pulse=lambda: None)


def test_planning_imports_no_torch(scn):
    code = (
        "import sys, numpy as np, napari_superpixels as nsp\n"
        f"plan = nsp.plan(np.zeros((64, 64, 3), np.uint8), 'scn', weights={scn!r})\n"
        "str(plan), plan.hash, plan.cost, nsp.Ssn, nsp.Pcnet\n"
        "assert 'torch' not in sys.modules, 'torch'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
