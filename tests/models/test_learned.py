"""Settings of the learned methods, samples, and what they refuse."""

import pickle
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.io import imread

import napari_superpixels as nsp
from napari_superpixels.engine.plan import make_plan
from napari_superpixels.errors import InputError
from napari_superpixels.models import grid_network, learned, ssn
from napari_superpixels.models.protocol import ImageFacts
from napari_superpixels.models.statistics import Statistics
from napari_superpixels.models.weights import SHIPPED, read_card, write_card
from napari_superpixels.networks.association import soft_slic
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.weights import write_random_weights

PLAIN = Statistics((0.0,) * 4, (1.0,) * 4, (0.0,) * 4, (1.0,) * 4, 0.0, 1.0)
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
    with pytest.raises(InputError, match=f"no weights '{name}', neither in this"):
        nsp.superpixels(noise((32, 32, 3)), name)


def test_lazy_arrays_and_runs_use_the_same_windows(scn):
    image = np.broadcast_to(np.uint8(0), (3000, 4000, 3))
    plan = nsp.plan(image, "scn", weights=scn)
    lazy = nsp.superpixels(image, "scn", weights=scn)
    edge = nsp.Scn(weights=scn).window_px
    assert lazy.chunks[0][0] == lazy.chunks[1][0] == edge == plan.core_px[0] == plan.core_px[1]
    shapes = {window.read.shape for window in plan.windows}
    assert shapes == {(86, 86)}


def test_settings_are_checked_and_made_plain(scn):
    method = nsp.Scn(step=np.int64(10), weights=scn)
    assert asdict(method) == {
        "step": 10,
        "weights": scn,
        "digest": method.digest,
        "config": (),
    }
    assert len(method.digest) == 64
    assert nsp.Scn(**asdict(method)) == method
    assert pickle.loads(pickle.dumps(method)) == method
    for step in (1, 2.5, 1000, True):
        with pytest.raises(InputError, match="whole number of pixels"):
            nsp.Scn(step=step, weights=scn)
    with pytest.raises(InputError, match="SHA-256"):
        nsp.Scn(weights=scn, digest="0" * 64)


def test_the_place_of_weights_is_no_part_of_a_plan(folder, tmp_path, monkeypatch):
    image = noise((32, 32, 3))
    path = write_random_weights(folder, "scn", 21)
    elsewhere = tmp_path / "copy.safetensors"
    elsewhere.write_bytes(path.read_bytes())
    elsewhere.with_suffix(".json").write_bytes(path.with_suffix(".json").read_bytes())
    monkeypatch.chdir(tmp_path)
    plans = [nsp.plan(image, "scn", weights=name) for name in (str(path), elsewhere.name)]
    assert plans[0].hash == plans[1].hash
    assert plans[1].provenance()["method"]["settings"]["weights"] == str(elsewhere)
    assert "digest" not in str(plans[0])


def test_the_card_is_read_once(folder):
    """An edit during a run changes neither the halo nor the network."""
    path = write_random_weights(folder, "ainet", 22, attention=True)
    method = nsp.Ainet(weights=str(path))
    path.with_suffix(".json").unlink()
    assert method.network_halo == 12
    assert dict(method.model(RGB, None).weights.config) == {"attention": True}


def test_another_config_in_the_card_is_another_plan_and_refused(folder):
    path = write_random_weights(folder, "ainet", 23)
    image = noise((32, 32, 3))
    whole = nsp.plan(image, "ainet", weights=str(path)).hash
    for square in ("pixel", "foo"):
        write_card(path, read_card(path) | {"config": {"square": square}})
        assert nsp.plan(image, "ainet", weights=str(path)).hash != whole
        with pytest.raises(InputError, match="the card was altered"):
            nsp.superpixels(image, "ainet", weights=str(path)).compute()


def test_a_config_with_which_there_is_no_network_is_refused(folder):
    from napari_superpixels.models import weights

    path = folder / "square.safetensors"
    weights.save(path, "ainet", {"square": "foo"}, {"a": np.zeros(1, np.float16)})
    with pytest.raises(InputError, match=r"do not fit ainet with .*'foo'"):
        learned.load(weights.find(str(path), "ainet"))


@pytest.mark.parametrize("name", ["scn", "ainet", "pcnet"])
def test_windows_of_any_step_need_about_the_same_memory(folder, name):
    """Whatever a halo in cells makes of large cells, a window's core adds little."""
    weights = str(write_random_weights(folder, name))
    image = nsp.open(np.broadcast_to(np.uint8(0), (3, 60_000, 60_000)), axes="cyx", rgb=True)
    needed = {}
    for step in (2, 3, 4, 8, 12, 16, 24, 39, 64, 118):
        plan = nsp.plan(image, name, step=step, weights=weights)
        needed[step] = plan.cost.total
    usual = needed[16]
    assert max(needed[step] for step in needed if step < 16) < 1.1 * usual
    if name != "pcnet":  # its halo of 29 cells is most of a window of large cells
        assert max(needed.values()) < 2.2 * usual


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
    from napari_superpixels.networks import grid, pcnet
    from napari_superpixels.networks import scn as scn_network

    assert grid_network.Pcnet.align_cells == pcnet.Pcnet.align_cells
    assert grid_network.Scn.align_cells == scn_network.Scn.align_cells
    assert grid_network.CELL == grid.CELL


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


def test_a_wrong_number_of_channels_is_refused(folder):
    four = ImageFacts(channels=4, dtype=np.dtype(np.uint8), rgb=False)
    with pytest.raises(InputError, match=r"4 channels, but these weights of scn take 2"):
        learned.Samples.of("scn", four, PLAIN, 2)
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


@pytest.mark.parametrize("name", ["scn", "ainet", "pcnet", "ssn", "hcssn"])
def test_two_channels_are_taken_by_every_method(folder, name):
    weights = str(write_random_weights(folder, name, 13))
    image = noise((2, 40, 40)).astype(np.uint16)
    labels = nsp.superpixels(image, name, axes="cyx", weights=weights).compute()
    assert labels.shape == (40, 40)
    assert 1 <= labels.max() <= 9


def test_the_third_of_two_channels_is_their_mean():
    facts = ImageFacts(channels=2, dtype=np.dtype(np.uint16), rgb=False)
    statistics = Statistics((0.0,) * 2, (255.0,) * 2, (0.0,) * 2, (255.0,) * 2, 0.0, 255.0)
    samples = learned.Samples.of("scn", facts, statistics, 3)
    found = samples(np.array([[[0, 51]], [[102, 51]]], np.uint16), None)
    np.testing.assert_allclose(found[:, 0] * 255, [[0, 51], [102, 51], [51, 51]], atol=1e-4)


def test_only_learned_methods_project_many_channels(scn):
    """The others pay nothing for it, and neither does it change their plan."""
    image = noise((6, 40, 50))
    source = nsp.open(image, axes="cyx")
    plan = nsp.plan(source, "slic")
    assert plan.statistics.projection is None
    projected = nsp.plan(source, "scn", weights=scn).statistics
    assert projected.projection is not None
    assert replace(plan, statistics=projected).hash == plan.hash
    assert "projection" not in plan.provenance()["statistics"]
    bare = make_plan(source, nsp.Scn(weights=scn), statistics=plan.statistics)
    assert bare.deferred, "statistics without a projection are not enough"


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
    whole = model.features(tile, None, tile.wanted, Bands(None, 1, lambda: None)).numpy()
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
