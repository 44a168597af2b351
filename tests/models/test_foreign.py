"""Networks of others: whole and in windows, what their files and cards tell, what is refused."""

import json
import pickle

import numpy as np
import pytest
import torch

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.models.foreign import _align
from napari_superpixels.models.registry import weights_files
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.foreign import (
    CLASSES,
    rewritten,
    unet,
    write_card,
    write_pt2,
    write_script,
)

SHAPE = (150, 203)
TRUE_HALO = 15
"""Of the network, counted by hand: from the last of a coarse pixel to the first that sees it."""


@pytest.fixture(scope="module")
def image():
    return nsp.open(noise((*SHAPE, 3)), axes="yxs", rgb=True)


@pytest.fixture(scope="module")
def whole(image):
    """What the network itself says of the image, in one piece, with its sides filled up."""
    samples = torch.from_numpy(noise((*SHAPE, 3))).permute(2, 0, 1)[None].float() / 255
    sides = (0, -SHAPE[1] % 8, 0, -SHAPE[0] % 8)
    filled = torch.nn.functional.pad((samples - 0.5) / 0.25, sides, mode="replicate")
    with torch.inference_mode():
        scores = unet()(filled)[0, :, : SHAPE[0], : SHAPE[1]]
    return scores.argmax(dim=0).numpy() + 1


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_pt2(tmp_path_factory.mktemp("byo") / "unet.pt2", unet())


@pytest.fixture
def pt2(written, tmp_path):
    """A copy that a test may spoil."""
    path = tmp_path / written.name
    path.write_bytes(written.read_bytes())
    write_card(path, 3)
    return path


def test_a_program_runs_as_it_does_alone_in_windows_of_any_size(written, image, whole, tmp_path):
    method = nsp.Segment(weights=str(written))
    assert (method.step, method.exact, method.patches) == (8, True, None)
    found = [
        np.asarray(nsp.run(nsp.plan(image, method, window=w), tmp_path / f"{w}.zarr").labels)
        for w in (64, 256)
    ]
    np.testing.assert_array_equal(*found)
    np.testing.assert_array_equal(found[0], whole)
    assert set(np.unique(whole)) == {1, 2, 3}


def test_a_script_gives_the_same(tmp_path, image, whole):
    path = write_script(tmp_path / "unet.pt", unet(), halo=20)
    method = nsp.Segment(weights=str(path))
    assert (method.facts.halo_px, method.facts.exact) == (24, True)  # of whole cells
    found = np.asarray(nsp.run(nsp.plan(image, method, window=64), tmp_path / "out.zarr").labels)
    np.testing.assert_array_equal(found, whole)


def test_one_size_becomes_that_of_the_windows(tmp_path, image, whole):
    """Parts of them are laid side by side: the first window sees the image's edge, too."""
    path = write_pt2(tmp_path / "fixed.pt2", unet(), edge=96)
    method = nsp.Segment(weights=str(path))
    assert (method.patches.edge * method.step, method.facts.halo_px) == (96, 16)
    found = [
        np.asarray(nsp.run(nsp.plan(image, method, window=w), tmp_path / f"{w}.zarr").labels)
        for w in (96, 256)
    ]
    np.testing.assert_array_equal(*found)
    inner = np.s_[: SHAPE[0] - 24, : SHAPE[1] - 24]  # at the other edges, 8 px are 0 or repeated
    np.testing.assert_array_equal(found[0][inner], whole[inner])
    write_card(path, 3, shape=64)
    with pytest.raises(InputError, match=r"tells the shape 64 x 64, but .* takes 96 x 96"):
        nsp.Segment(weights=str(path))


@pytest.mark.parametrize(
    ("stride", "edge", "align"),
    [(1, 388, 4), (1, 188, 4), (1, 254, 2), (1, 97, 1), (4, 96, 4), (4, 256, 8), (32, 64, 32)],
)
def test_sizes_with_few_divisors_are_cut_finely(stride, edge, align):
    assert _align(stride, edge, 1) == align


def test_a_classic_size_has_a_core(tmp_path):
    """Of 188 px, whose divisors from 8 on are 47, 94 and itself."""
    path = write_script(tmp_path / "unet.pt", unet(), shape=188, halo=48, stride=4)
    facts = nsp.Segment(weights=str(path)).facts
    assert (facts.align_px, facts.halo_px, facts.edge_px) == (4, 48, 188)


@pytest.mark.parametrize(("edge", "stride"), [(96, 32), (64, 64), (188, 4)])
def test_images_of_one_size_that_are_blended_overlap_by_a_quarter(tmp_path, edge, stride):
    path = write_script(tmp_path / "unet.pt", unet(), shape=edge, halo="whole", stride=stride)
    method = nsp.Segment(weights=str(path), exact=False)
    assert method.patches.edge * method.step == edge
    assert abs(method.patches.overlap * method.step - edge / 4) < method.step


def test_a_preview_shows_what_a_run_writes(written, image, whole):
    lazy = nsp.superpixels(image, nsp.Segment(weights=str(written)))
    np.testing.assert_array_equal(lazy[40:90, 100:160].compute(), whole[40:90, 100:160])


def test_the_measured_halo_is_what_the_layers_see(written):
    from napari_superpixels.models.foreign import find
    from napari_superpixels.models.learned import load
    from napari_superpixels.networks.measured import agrees, measured_halo

    network = load(find(str(written)))
    with torch.inference_mode():
        halo = measured_halo(network, 3, 4)
        assert halo == TRUE_HALO
        assert agrees(network, 3, 8, halo)
        assert not agrees(network, 3, 8, 0)


@pytest.mark.parametrize("option", ["aligned", "pooled"])
def test_what_depends_on_all_is_found_out(tmp_path, option):
    """One by the pixel that changes all, one because a window says something else."""
    path = write_script(tmp_path / "unet.pt", unet(**{option: True}))
    with pytest.raises(InputError, match="averages over all that it sees"):
        nsp.Segment(weights=str(path))
    assert nsp.Segment(weights=str(path), exact=False, patch=64).patches.edge == 8
    write_card(path, 3, halo=20)
    with pytest.raises(InputError, match="something else of a window with the halo of 20 px"):
        nsp.Segment(weights=str(path))


def test_windows_do_not_show_where_a_network_looks_past_a_gap(tmp_path, image):
    """Its halo, measured in a short image, would be 0."""
    network = torch.nn.Conv2d(3, 3, 3, padding=96, dilation=96).eval()
    path = write_script(tmp_path / "dilated.pt", network, stride=1)
    method = nsp.Segment(weights=str(path))
    assert method.facts.halo_px == 96
    found = [nsp.superpixels(image, method, window=w).compute(scheduler="sync") for w in (40, 4096)]
    np.testing.assert_array_equal(*found)
    write_card(path, 3, stride=1, halo=8)
    with pytest.raises(InputError, match="something else of a window with the halo of 8 px"):
        nsp.Segment(weights=str(path))


def test_probabilities_are_taken_as_they_come(tmp_path, image):
    """A network of one channel gives that of the second of two classes."""
    network = torch.nn.Sequential(unet(scores=1), torch.nn.Sigmoid())
    told = {"output": "probabilities", "classes": CLASSES[:2], "halo": 20}
    path = write_script(tmp_path / "unet.pt", network, **told)
    shares = nsp.superpixels(image, nsp.Segment(weights=str(path), probabilities=True)).compute()
    with torch.inference_mode():
        seen = torch.from_numpy(noise((*SHAPE, 3))).permute(2, 0, 1)[None].float() / 255
        own = network((seen[..., :144, :200] - 0.5) / 0.25)[0, 0].numpy()
    np.testing.assert_allclose(shares[1, :120, :176], own[:120, :176], atol=2e-3)
    np.testing.assert_allclose(shares.astype(np.float32).sum(axis=0), 1, atol=2e-3)


def test_numbers_have_a_unit(tmp_path, image):
    told = {"output": "map", "classes": None, "unit": "um", "halo": 20}
    path = write_script(tmp_path / "unet.pt", unet(scores=1), **told)
    method = nsp.Segment(weights=str(path))
    assert (method.output.unit, method.output.name) == ("um", "unet")
    assert nsp.superpixels(image, method).compute().dtype == np.float32


def test_settings_travel(written):
    method = nsp.Segment(weights=str(written))
    assert pickle.loads(pickle.dumps(method)) == method
    assert list(weights_files(method)) == ["unet.pt2", "unet.pt2.card.json"]


def test_a_card_may_be_toml(pt2):
    card = pt2.with_name("unet.pt2.card.json")
    told = json.loads(card.read_text())
    card.unlink()
    classes = [f'{{id={c["id"]}, name="{c["name"]}", colour="{c["colour"]}"}}' for c in CLASSES]
    text = f'channels = 3\noutput = "classes"\nstride = {told["stride"]}\nhalo = 20\n'
    card.with_suffix(".toml").write_text(f"{text}classes = [{', '.join(classes)}]\n")
    assert nsp.Segment(weights=str(pt2)).trained.mean == (0, 0, 0)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"channels": 4}, "takes 3 channels, but its card tells 4 channels; repair the card"),
        ({"channels": 1}, "takes 3 channels, but its card tells 1 channel; repair the card"),
        ({"classes": CLASSES[:1]}, "gives 3 channels, but its card tells 1 class; list one for"),
        ({"stride": 3}, "sides that are multiples of 4, but its card tells stride 3; tell a mult"),
        ({"halo": "much"}, 'tells halo as "much", .*, 0 to 65536, "measure" or "whole"; repair it'),
        ({"halo": 3}, "something else of a window with the halo of 3 px"),
    ],
)
def test_a_card_that_does_not_fit_is_told_in_a_sentence(pt2, told, sentence):
    write_card(pt2, **{"channels": 3} | told)
    with pytest.raises(InputError, match=sentence):
        nsp.Segment(weights=str(pt2))


@pytest.mark.parametrize(("given", "told"), [(2, 3), (1, 3), (1, 1), (4, 2)])
@pytest.mark.parametrize("output", ["classes", "probabilities"])
def test_the_channels_of_a_network_are_counted_as_they_are(tmp_path, given, told, output):
    classes = [c | {"id": n} for n, c in enumerate(CLASSES[:told], 1)]
    path = write_script(
        tmp_path / "unet.pt", unet(scores=given), classes=classes, output=output, halo=20
    )
    if given == told:
        assert nsp.Segment(weights=str(path)).trained.scores == told
        return
    channels = f"{given} channel{'s' * (given > 1)}"
    with pytest.raises(InputError, match=f"gives {channels}, but its card tells {told} classes; "):
        nsp.Segment(weights=str(path))


def test_a_map_of_more_than_one_channel_is_told(tmp_path):
    path = write_script(tmp_path / "unet.pt", unet(), output="map", classes=None, halo=20)
    with pytest.raises(InputError, match="gives 3 channels, but a map has one; export it so"):
        nsp.Segment(weights=str(path))


def test_a_network_of_several_images_at_once_is_told(tmp_path):
    path = tmp_path / "unet.pt2"
    torch.export.save(torch.export.export(unet(), (torch.zeros(2, 3, 64, 64),)), path)
    write_card(path, 3)
    with pytest.raises(InputError, match=r"takes 2 images at once, but one is given .*; export"):
        nsp.Segment(weights=str(path))


def test_a_plan_tells_the_patches_of_a_network_of_one_size(tmp_path, image):
    path = write_pt2(tmp_path / "fixed.pt2", unet(), edge=96)
    fixed = str(nsp.plan(image, nsp.Segment(weights=str(path))))
    assert "cells; the network sees patches of 96 x 96 px" in " ".join(fixed.split())
    free = nsp.plan(image, "slic", step=16)
    assert "patches" not in str(free)


def test_a_network_without_a_card_is_told(pt2):
    pt2.with_name("unet.pt2.card.json").unlink()
    with pytest.raises(InputError, match=r"no card unet.pt2.card.json beside it"):
        nsp.Segment(weights=str(pt2))


@pytest.mark.parametrize("name", ["a.pt2", "a.pt", "a.torchscript"])
def test_what_is_no_network_is_told(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"no network at all")
    write_card(path, 3)
    with pytest.raises(InputError, match=r"no program of torch.export|no TorchScript|a pickle"):
        nsp.Segment(weights=str(path))


def test_a_pickle_is_never_opened(tmp_path):
    path = tmp_path / "unet.pt"
    torch.save(unet(), path)
    write_card(path, 3)
    with pytest.raises(InputError, match="are a pickle, which may run any code"):
        nsp.Segment(weights=str(path))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (b'"use_pickle": false', b'"use_pickle": true', "holds a pickle"),
        (b"torch.ops.aten.relu.default", b"torch.os.system", "runs 'torch.os.system'"),
        (b"torch.ops.aten.relu.default", b"torch.ops.aten.from_file", "which is no operation"),
        (b"Symbol(", b"print(", "no expression of numbers"),
    ],
)
def test_a_program_that_would_run_code_is_refused(pt2, old, new, sentence):
    rewritten(pt2, lambda _, content: content.replace(old, new))
    with pytest.raises(InputError, match=sentence):
        nsp.Segment(weights=str(pt2))


def test_the_example_in_a_program_is_never_unpickled(pt2):
    class Harmful:
        def __reduce__(self):
            return (exec, ("raise SystemExit('ran')",))

    content = pickle.dumps(Harmful())
    rewritten(pt2, lambda name, old: content if name.endswith("model.pt") else old)
    assert nsp.Segment(weights=str(pt2)).exact


def test_an_image_that_is_too_small_for_the_halo_is_told(tmp_path):
    path = write_script(tmp_path / "unet.pt", unet(), shape=32)
    with pytest.raises(InputError, match="leaves no core"):
        nsp.Segment(weights=str(path))
    write_card(path, 3, shape=[32, 64], halo=20)
    with pytest.raises(InputError, match="the sides must be equal"):
        nsp.Segment(weights=str(path))
    write_card(path, 3, shape=64, halo=20)
    with pytest.raises(InputError, match="images of one size"):
        nsp.Segment(weights=str(path), scales=(0.5, 1))


def test_other_channels_of_an_image_are_refused(written):
    image = nsp.open(noise((5, 40, 50)), axes="cyx")
    with pytest.raises(InputError, match=r"has 5 channels, but .* take 3"):
        nsp.plan(image, nsp.Segment(weights=str(written))).cost  # noqa: B018 - asks the model
