"""Recipes: the papers' numbers, finite losses, and networks that learn."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from skimage.io import imsave
from torch import nn

from napari_superpixels.errors import InputError
from napari_superpixels.networks.grid import MEAN_RGB
from napari_superpixels.training.data import Crops, TrainingSet
from napari_superpixels.training.loop import Running, train
from napari_superpixels.training.objectives import SsnLoss, grid_logits, ssn_logits
from napari_superpixels.training.pairs import find_pairs
from napari_superpixels.training.recipe import Cosine
from napari_superpixels.training.recipes import MEAN_COLOUR, RECIPES, recipe
from napari_superpixels.training.validate import Validation

SMALL = 128
"""Side of the crops here, in pixels."""


@pytest.fixture
def noise(folder):
    """Batches of the size of a recipe's crops."""
    image = np.random.default_rng(0).integers(0, 255, (160, 160, 3), dtype=np.uint8)
    place = folder / "large"
    place.mkdir()
    imsave(place / "noise.png", image, check_contrast=False)
    labels = np.random.default_rng(1).integers(0, 3, (160, 160))
    labels[:, :80] += 10
    np.savez(place / "noise.npz", segmentations=labels[None])
    return TrainingSet(find_pairs(place), seed=0)


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_has_finite_losses_and_gradients_for_all_it_learns(name, noise):
    made = recipe(name)
    crops = [replace(each, size=SMALL, scales=(1.0, 1.0)) for each in made.crops]
    batches = tuple(noise.batch(0, 1, each) for each in crops)
    torch.manual_seed(0)
    network = made.network().train()
    terms = made.loss(network, batches, made.steps - 1, np.random.default_rng(0))
    assert all(bool(term.isfinite()) for term in terms.values())
    assert all(float(term.detach()) >= 0 for key, term in terms.items() if key == "label")
    torch.stack(list(terms.values())).sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{key} learns nothing"
        assert bool(parameter.grad.isfinite().all()), key


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_can_be_validated(name, noise):
    made = recipe(name)
    network = made.network().eval()
    assert isinstance(network, nn.Module)
    with torch.no_grad():
        logits = made.logits(network, torch.rand(1, 3, 2 * made.align, 64) * 255)
    assert logits.shape == (1, 9, 2 * made.align, 64)
    scores = Validation.of(noise.pairs)(network, made)
    assert 0 < scores["asa"] <= 1


def test_the_papers_numbers():
    ssn, scn = recipe("ssn"), recipe("scn")
    assert (ssn.batch, ssn.steps, ssn.rate(0, 1), ssn.loss.iterations) == (8, 500_000, 1e-4, 5)
    assert ssn.crops == (Crops(size=200, scales=(0.75, 3.0), flips="x"),)
    assert (scn.batch, scn.steps) == (4, 300_000)
    # The decay beside 0.005 times a sum over 208 x 208 pixels; our loss is their mean.
    assert scn.weight_decay * 0.005 * 208**2 == pytest.approx(4e-4)
    assert recipe("pcnet").weight_decay * 0.005 * 512**2 == pytest.approx(4e-4)
    assert [scn.rate(step, scn.steps) for step in (0, 200_000)] == [5e-5, 2.5e-5]
    assert scn.crops == (Crops(size=208),)
    ainet, pcnet, hcssn = recipe("ainet"), recipe("pcnet"), recipe("hcssn")
    assert (ainet.batch, ainet.steps, ainet.crops[0].jitter) == (16, 4000 * 68, True)
    assert ainet.loss.begin == 3000 * 68
    assert (pcnet.batch, pcnet.steps, len(pcnet.crops)) == (8, 4000, 2)
    assert [pcnet.rate(step, 4000) for step in (0, 2000)] == [5e-5, 5e-6]
    assert (hcssn.step, hcssn.crops, hcssn.steps) == (16, (Crops(size=208, flips="x"),), 300_000)


def test_another_number_of_steps_moves_what_happens_on_the_way():
    short = recipe("ainet").lasting(4000)
    assert (short.steps, short.loss.begin) == (4000, 3000)
    assert [short.rate(step, 4000) for step in (1999, 2000)] == [4e-5, 2e-5]
    falling = recipe("ssn-cpu").lasting(10)
    assert falling.rate(10, 10) == pytest.approx(1e-5)


def test_short_recipes_differ_in_size_alone():
    short, paper = recipe("ssn-cpu"), recipe("ssn")
    assert short.network.make is paper.network
    assert short.loss == paper.loss
    assert short.crops == (replace(paper.crops[0], size=160),)


def test_names_may_be_written_as_those_of_methods():
    assert recipe("SCN_CPU") == recipe("scn-cpu")
    with pytest.raises(InputError, match="slic needs no training"):
        recipe("slic")
    with pytest.raises(InputError, match="ssn_pix needs no training"):
        recipe("ssn_pix")


def test_grid_networks_see_their_mean_where_there_is_no_data():
    for name in ("scn", "ainet-cpu", "pcnet"):
        assert {crops.blank for crops in recipe(name).crops} == {MEAN_COLOUR}
    assert recipe("ssn").crops[0].blank == (0,)
    assert [value / 255 for value in MEAN_COLOUR] == pytest.approx(MEAN_RGB, abs=1 / 500)


def test_an_unknown_recipe_is_refused():
    with pytest.raises(InputError, match="'sns'; choose one of ssn,"):
        recipe("sns")


def textures(place):
    """One annotated image: two textures of one mean, which colour and position cannot tell."""
    rng = np.random.default_rng(0)
    y, x = np.indices((234, 273))
    rows, columns = (y + 18 * np.sin(x / 23)) // 52, (x + 15 * np.cos(y / 17)) // 61
    region = (rows + 2 * columns).astype(int) % 2
    stripes = np.where((x + y) // 3 % 2, 150, 90)
    specks = 120 + np.where(rng.random(y.shape) < 0.5, -12, 12)
    grey = np.where(region, stripes, specks) + rng.normal(0, 4, y.shape)
    image = np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    imsave(place / "textures.png", image, check_contrast=False)
    np.savez(place / "textures.npz", segmentations=region[None])
    return find_pairs(place)


LEARNING = {
    "ssn-cpu": {"loss": SsnLoss((39, 39)), "logits": partial(ssn_logits, step=(39, 39))},
    "hcssn-cpu": {"loss": SsnLoss((39, 39)), "logits": partial(ssn_logits, step=(39, 39))},
    "scn-cpu": {"logits": partial(grid_logits, step=(39, 39)), "align": 39},
    "ainet-cpu": {"logits": partial(grid_logits, step=(39, 39)), "align": 39},
    "pcnet": {"logits": partial(grid_logits, step=(39, 39)), "align": 39},
}


@pytest.mark.parametrize("name", list(LEARNING))
def test_a_network_learns_one_image_in_a_few_steps(name, tmp_path):
    """Within 20 steps, ASA at cells of 39 pixels is .02 above the untrained network's."""
    pairs = textures(tmp_path)
    size = 117 if "ssn" in name else 192
    made = replace(recipe(name), step=39, batch=1, steps=20, rate=Cosine(2e-3, 2e-4))
    crops = tuple(Crops(size=size, at_border=each.at_border) for each in made.crops)
    made = replace(made, crops=crops, **LEARNING[name])
    data, validation = TrainingSet(pairs, seed=0), Validation.of(pairs)
    torch.manual_seed(0)
    untrained = validation(recipe(name.removesuffix("-cpu")).network(), made)
    running = Running(validate_every=10)
    trained = train(made, data, tmp_path / "out", validation=validation, running=running).scores
    assert trained["asa"] >= untrained["asa"] + 0.02


def test_boundaries_count_from_their_step_on(noise):
    made = recipe("ainet-cpu")
    batches = (noise.batch(0, 1, Crops(size=SMALL)),)
    network = made.network().train()
    terms = [
        made.loss(network, batches, step, np.random.default_rng(0))["boundary"]
        for step in (made.loss.begin - 1, made.loss.begin)
    ]
    assert float(terms[0].detach()) == 0.0
    assert float(terms[1].detach()) > 0.0


def test_short_sampling_networks_begin_with_weights_that_are_felt():
    torch.manual_seed(0)
    wide, narrow = recipe("ssn-cpu").network(), recipe("ssn").network()
    spreads = [float(n.network.scale1[0][0].weight.detach().std()) for n in (wide, narrow)]
    assert spreads[0] > 0.1
    assert spreads[1] < 0.002
