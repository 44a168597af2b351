"""The settings of segmentation: what files of weights tell, and what is refused in a sentence."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.models import weights as weights_module
from napari_superpixels.models.dense import best
from napari_superpixels.models.dense_outputs import Classes, Map, Probabilities
from napari_superpixels.models.registry import (
    DENSE,
    METHODS,
    is_learned,
    make_method,
    network_of,
    weights_files,
)
from napari_superpixels.models.safetensors import unpack
from napari_superpixels.models.views import View, cell_px, views_of
from napari_superpixels.models.weights import methods_of
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.weights import write_random_segmentation, write_random_weights


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_random_segmentation(tmp_path_factory.mktemp("weights"), "HCFPN")


@pytest.fixture
def weights(written, tmp_path):
    """A copy that a test may spoil."""
    for path in (written, written.with_suffix(".json")):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path / written.name


def rewritten(weights, **changes):
    """The same numbers with another block; a value of None takes a key out."""
    block = weights_module.read_card(weights)["config"] | changes
    block = {key: value for key, value in block.items() if value is not None}
    arrays, _ = unpack(weights.read_bytes())
    weights_module.save(weights, "segmentation", block, arrays)
    return str(weights)


def classes(*ids, colour="#102030"):
    return [{"id": i, "name": f"c{i}", "colour": colour} for i in ids]


def test_a_card_tells_everything(weights):
    method = nsp.Segment(weights=str(weights))
    assert (method.step, method.halo_cells, method.align_cells) == (32, 10, 1)
    assert method.fixed_windows
    assert method.exact
    assert isinstance(method.output, Classes)
    assert [one.name for one in method.output.legend] == ["class 1", "class 2", "class 3"]
    assert isinstance(nsp.Segment(weights=str(weights), probabilities=True).output, Probabilities)
    again = make_method("segment", {"weights": str(weights), "digest": method.digest})
    assert again == method
    assert pickle.loads(pickle.dumps(method)) == method
    assert list(weights_files(method)) == [weights.name, weights.with_suffix(".json").name]


def test_ids_are_those_of_the_card(weights):
    """Wide ones take 16 bits; a pixel's id is that of its channel."""
    image = nsp.open(noise((40, 50, 3)), axes="yxs", rgb=True)
    plain = nsp.superpixels(image, nsp.Segment(weights=str(weights))).compute()
    other = nsp.Segment(weights=rewritten(weights, classes=classes(7, 40000, 9)))
    found = nsp.superpixels(image, other).compute()
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, np.array([0, 7, 40000, 9])[plain])


@pytest.mark.parametrize("count", [3, 70, 300])
def test_of_equal_scores_the_first_class_is_taken(count):
    scores = torch.from_numpy(np.random.default_rng(count).integers(0, 4, (count, 5, 7))).float()
    np.testing.assert_array_equal(best(scores), scores.numpy().argmax(axis=0))


@pytest.mark.parametrize("ordinal", [True, False])
def test_a_network_of_numbers_gives_a_map(tmp_path, ordinal):
    cut = {"bins": 6, "lowest": 0.0, "highest": 4.0}
    told = {"output": "map", "unit": "px", "classes": []}
    told |= {"discretisation": cut} if ordinal else {}
    path = write_random_segmentation(tmp_path, "HCFCN-32", **told)
    method = nsp.Segment(weights=str(path))
    assert method.output == Map("HCFCN-32", "px", (0.0, 4.0) if ordinal else None)
    mask = np.ones((40, 50), bool)
    mask[3] = False
    source = nsp.open(noise((40, 50, 3)), axes="yxs", rgb=True, mask=mask)
    found = nsp.superpixels(source, method).compute()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(found), ~mask)
    if ordinal:
        assert np.unique(found[mask]).size <= 6
        assert 0 <= np.nanmin(found) <= np.nanmax(found) <= 4
    with pytest.raises(InputError, match="gives numbers, not classes"):
        nsp.Segment(weights=str(path), probabilities=True)


def test_grey_stands_for_all_channels_and_other_counts_are_refused(weights):
    method = nsp.Segment(weights=str(weights))
    grey = noise((40, 50))
    one, three = (
        nsp.superpixels(nsp.open(image, **options), method).compute()
        for image, options in (
            (grey, {"axes": "yx"}),
            (np.stack([grey] * 3, axis=-1), {"axes": "yxs", "rgb": True}),
        )
    )
    assert one.shape == three.shape
    for channels in (2, 5):
        image = nsp.open(noise((channels, 40, 50)), axes="cyx")
        with pytest.raises(InputError, match=rf"has {channels} channels, but .* take 3"):
            nsp.plan(image, method).cost  # noqa: B018 - asks the model


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {},
            r"No weights are given, and none come with segment; give a .safetensors, .*\.pt2, "
            r".*\.pt, .* or \.zip file.*--weights nuclei",
        ),
        ({"weights": "nowhere.safetensors"}, "There are no weights 'nowhere.safetensors'"),
        ({"weights": "unknown"}, "train some with 'napari-superpixels train hcfcn-cpu'"),
        ({"weights": "model.pth"}, "no network 'model.pth'; check the name of the file"),
        ({"weights": "model.pkl"}, "no weights 'model.pkl'; check the name of the file"),
        ({"weights": 7}, "The weights are 7"),
        ({"exact": "yes"}, "exact is 'yes', but it must be True or False"),
        ({"flips": "z"}, "flips is 'z'"),
        ({"flips": 3}, "flips is 3"),
        ({"scales": ()}, r"scales is \(\)"),
        ({"scales": (0.3,)}, "multiples of 0.25"),
        ({"scales": (8,)}, "from 0.25 to 4"),
        ({"scales": "big"}, "scales is 'big'"),
        ({"decoding": "firm"}, "decoding is 'firm'.*give 'soft' or 'hard'"),
        ({"patch": 10}, "patch is 10, but it must be a whole number of pixels, 64 to 8192"),
        ({"patch": "all"}, "patch is 'all'"),
        ({"digest": "0" * 64}, "have the SHA-256"),
    ],
)
def test_settings_that_cannot_be_used(weights, settings, sentence):
    given = {"weights": str(weights)} | settings if settings else {}
    with pytest.raises(InputError, match=sentence):
        nsp.Segment(**given)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"classes": classes()}, "tell 0 classes apart"),
        ({"classes": classes(*range(1, 65537))}, "tell 65536 classes apart, but ids"),
        ({"classes": classes(1, 1, 2)}, "numbers its classes 1, 1, 2"),
        ({"classes": classes(0, 1, 2)}, "a number of its own from 1 to 65535"),
        ({"classes": classes(1, 2, 70000)}, "a number of its own from 1 to 65535"),
        ({"classes": classes(1, 2, 3, colour="red")}, "the colour 'red'"),
        ({"classes": None}, "no 'classes'"),
        ({"output": "words"}, "output 'words'"),
        ({"head": None}, "no 'head'"),
        ({"backbone": None}, "no 'backbone'"),
        ({"backbone": {"backbone": "vgg"}}, "No backbone 'vgg' of a network is known"),
        ({"head": "unet"}, "No head 'unet' of a network is known"),
        ({"normalisation": {"mean": [0.5], "std": [1.0]}}, r"mean \[0.5\], std \[1\], which"),
        ({"normalisation": {"mean": [0.5] * 3, "std": [0.0] * 3}}, "spreads that are not 0"),
    ],
)
def test_cards_that_cannot_be_used(weights, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        nsp.Segment(weights=rewritten(weights, **changes))


def test_weights_of_another_network(tmp_path):
    other = write_random_weights(tmp_path, "scn")
    with pytest.raises(InputError, match="are for 'scn', not for 'segment' or 'hcnet'"):
        nsp.Segment(weights=str(other))
    with pytest.raises(InputError, match="are for 'segment' or 'hcnet', not for 'scn'"):
        nsp.Scn(weights=str(write_random_segmentation(tmp_path)))


def test_numbers_of_another_architecture(weights):
    method = nsp.Segment(weights=rewritten(weights, head="fcn"))
    plan = nsp.plan(nsp.open(noise((40, 50, 3)), axes="yxs", rgb=True), method)
    with pytest.raises(InputError, match="do not fit segmentation"):
        plan.model.prepare()


def test_a_missing_or_altered_card(weights):
    card = weights.with_suffix(".json")
    told = json.loads(card.read_text())
    card.unlink()
    with pytest.raises(InputError, match="have no card"):
        nsp.Segment(weights=str(weights))
    told["config"]["classes"][0]["id"] = 9  # which the file does not say
    card.write_text(json.dumps(told))
    plan = nsp.plan(
        nsp.open(noise((40, 50, 3)), axes="yxs", rgb=True), "segment", weights=str(weights)
    )
    with pytest.raises(InputError, match="the card was altered"):
        plan.model.prepare()


def test_networks_that_pool_are_refused_in_exact_mode(tmp_path):
    path = str(write_random_segmentation(tmp_path, "HCDeepLabv3"))
    with pytest.raises(
        InputError, match=r"averages over all that it sees.* exact=False \(--no-exact\)"
    ):
        nsp.Segment(weights=path)
    method = nsp.Segment(weights=path, exact=False)
    assert not method.fixed_windows
    assert (method.align_cells, method.halo_cells) == (24, 32)


def test_an_exact_network_stays_exact(weights):
    """Nothing is blended where nothing must be: one plan, and one hash."""
    image = nsp.open(noise((40, 50, 3)), axes="yxs", rgb=True)
    plans = [
        nsp.plan(image, nsp.Segment(weights=str(weights), exact=exact, patch=patch))
        for exact, patch in ((True, 1024), (False, 512))
    ]
    assert plans[0].hash == plans[1].hash


def test_patches_are_told_only_where_there_are_some(weights, tmp_path):
    image = nsp.open(noise((40, 50, 3)), axes="yxs", rgb=True)
    exact = str(nsp.plan(image, nsp.Segment(weights=str(weights), patch=512)))
    assert "patch=" not in exact
    assert "decoding=soft" in exact
    path = str(write_random_segmentation(tmp_path, "PSPNet"))
    blended = str(nsp.plan(image, nsp.Segment(weights=path, exact=False, patch=512)))
    assert "patch=512" in blended
    assert "decoding=" not in blended
    assert "another patch (--patch) gives another result: with a" in " ".join(blended.split())


@pytest.mark.parametrize("name", ["FPN", "AtrousFCN"])
def test_hard_decoding_needs_clusters(tmp_path, name):
    path = str(write_random_segmentation(tmp_path, name))
    with pytest.raises(InputError, match=r"has no clusters to come back by; .*--decoding soft"):
        nsp.Segment(weights=path, decoding="hard")
    assert nsp.Segment(weights=path, decoding="soft").idle == {"patch", "decoding"}


def test_methods_of_a_network_are_those_that_say_so():
    networks = {}
    for name in sorted(METHODS | DENSE):
        if is_learned(name):
            networks.setdefault(network_of(name), set()).add(name)
    told = {name: set(methods_of(name).replace("'", "").split(" or ")) for name in networks}
    assert told == networks


def test_weights_given_to_a_method_without_any_name_those_that_take_them(weights):
    ours = "choose 'segment' or 'hcnet', which"
    for given, told in ((str(weights), ours), ("a.pt2", "choose 'segment', which")):
        with pytest.raises(InputError, match=f"slic takes no weights.*{told}"):
            make_method("slic", {"weights": given})


def test_views_of_a_network():
    assert views_of("", (1.0,)) == (View((), 1),)
    assert [view.flipped for view in views_of("yx", (1.0,))] == [(), (-2,), (-1,), (-2, -1)]
    assert len(views_of("x", (0.5, 1.0, 2.0))) == 6
    assert cell_px(32, views_of("", (0.75, 1.5))) == 128
    assert views_of("", (0.5,))[0].reach(320) > 640
