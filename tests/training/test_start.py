"""Beginning with other weights: which layers are taken, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_superpixels.errors import InputError
from napari_superpixels.models.weights import save
from napari_superpixels.networks.ainet import Ainet
from napari_superpixels.networks.hcssn import Hcssn
from napari_superpixels.networks.scn import Scn
from napari_superpixels.networks.ssn import Ssn
from napari_superpixels.training.export import half
from napari_superpixels.training.loop import Run, Running, train
from napari_superpixels.training.recipes import recipe
from napari_superpixels.training.start import GENTLER, starting_from


def saved(folder, name, network):
    path = folder / f"{name}-weights.safetensors"
    save(path, name, network.config, half(network.state_dict()))
    return str(path)


def made(recipe_, seed=5):
    torch.manual_seed(seed)
    return recipe_.network().state_dict()


def equal(one, other, names):
    return all(torch.equal(one[name].half(), other[name].half()) for name in names)


@pytest.fixture
def ssn(tmp_path):
    torch.manual_seed(1)
    network = Ssn()
    return network.state_dict(), saved(tmp_path, "ssn", network)


def test_the_same_network_takes_every_layer(ssn):
    given, path = ssn
    started = starting_from(recipe("ssn-cpu"), path)
    assert equal(made(started), given, given)
    assert len(started.start) == 64


def test_what_is_trained_on_learns_more_gently(ssn):
    _, path = ssn
    gentle, full = starting_from(recipe("ssn-cpu"), path).rate, recipe("ssn-cpu").rate
    assert gentle(0, 9) == pytest.approx(GENTLER * full(0, 9))
    assert gentle(9, 9) == pytest.approx(GENTLER * full(9, 9))
    assert starting_from(recipe("hcssn-cpu"), path).rate == recipe("hcssn-cpu").rate


def test_a_network_of_the_family_takes_the_layers_it_has(ssn):
    given, path = ssn
    state = made(starting_from(recipe("hcssn"), path))
    fresh = made(recipe("hcssn"))
    own = state.keys() - given.keys()
    assert equal(state, given, given)
    assert own == {
        f"network.cluster{n}.{part}.weight" for n in (1, 2) for part in ("fine", "coarse")
    }
    assert equal(state, fresh, own)


def test_ainet_and_pcnet_begin_with_scn(tmp_path):
    torch.manual_seed(2)
    network = Scn()
    path = saved(tmp_path, "scn", network)
    given = network.state_dict()
    for name in ("ainet", "pcnet"):
        state = made(starting_from(recipe(name), path))
        taken = [n for n in given if n.startswith(("encoder.", "decoder."))]
        assert taken
        assert equal(state, given, [n for n in taken if n in state])
        assert all(n in state for n in taken if n.startswith("encoder."))


def test_shipped_weights_go_by_name():
    state = made(starting_from(recipe("hcssn"), "ssn"))
    assert state["network.output_conv.0.bias"].abs().sum() > 0


def test_weights_that_share_nothing_are_refused(tmp_path):
    path = saved(tmp_path, "ssn", Ssn())
    started = starting_from(recipe("scn"), path)
    with pytest.raises(InputError, match="share no layer with scn; give weights of the method"):
        started.network()


def test_weights_of_another_meaning_are_refused(tmp_path):
    """The layers agree, but the network's inputs or masks do not."""
    path = saved(tmp_path, "ssn", Ssn(position="absolute"))
    with pytest.raises(InputError, match=r"position 'absolute'.*position 'cell'"):
        starting_from(recipe("ssn-cpu"), path).network()
    path = saved(tmp_path, "ainet", Ainet(square="pixel"))
    with pytest.raises(InputError, match="square 'pixel'"):
        starting_from(recipe("ainet"), path).network()


def test_a_head_of_the_same_name_is_not_taken_from_another_network(tmp_path):
    """SCN's reads the decoder, AINet's what was implanted."""
    torch.manual_seed(2)
    network = Scn()
    state = made(starting_from(recipe("ainet"), saved(tmp_path, "scn", network)))
    fresh = made(recipe("ainet"))
    assert torch.equal(state["head.weight"], fresh["head.weight"])
    own = made(starting_from(recipe("scn"), saved(tmp_path, "scn", network)))
    assert equal(own, network.state_dict(), ["head.weight"])


def test_weights_that_are_not_there_are_refused():
    with pytest.raises(InputError, match="There are no weights 'absent'"):
        starting_from(recipe("scn"), "absent")


def test_a_training_that_began_otherwise_cannot_be_resumed(ssn, tiny, data, tmp_path):
    _, path = ssn
    train(tiny, data, tmp_path / "out", running=Running(save_every=1))
    digest = starting_from(recipe("ssn"), path).start
    with pytest.raises(InputError, match="has start ''"):
        train(replace(tiny, start=digest, steps=9), data, tmp_path / "out", resume=True)


def test_training_changes_what_it_began_with(tmp_path, data):
    network = Hcssn()
    started = starting_from(recipe("hcssn-cpu"), saved(tmp_path, "hcssn", network))
    crops = tuple(replace(c, size=32, scales=(1.0, 1.0)) for c in started.crops)
    run = Run(replace(started, crops=crops, batch=1), data, tmp_path, None, Running())
    before = {n: t.clone() for n, t in run.network.state_dict().items()}
    run._advance(run._read(0))
    after = run.network.state_dict()
    assert not np.array_equal(
        before["network.output_conv.0.weight"], after["network.output_conv.0.weight"]
    )
