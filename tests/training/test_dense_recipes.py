"""Recipes of segmentation networks: the paper's numbers, and losses that reach every layer."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_superpixels.errors import InputError
from napari_superpixels.networks.segmentation import PUBLISHED
from napari_superpixels.training.classes import classified, parsed
from napari_superpixels.training.data import TrainingSet
from napari_superpixels.training.dense_recipes import DENSE, PAPERS, hcfcn
from napari_superpixels.training.encoder import Encoder
from napari_superpixels.training.pairs import find_pairs
from napari_superpixels.training.recipes import recipe

TWO = parsed("ground=1+7,disc=*")


@pytest.fixture
def scenes(folder):
    return TrainingSet(classified(find_pairs(folder), TWO), seed=3, void=0)


def small(made, size=32, **changes):
    crops = tuple(replace(each, size=size, scales=(1.0, 1.0)) for each in made.crops)
    return replace(made.telling(TWO), crops=crops, batch=2, **changes)


def test_there_is_one_for_each_network_of_the_paper():
    names = {name.lower().removesuffix("-32") for name in PUBLISHED}
    assert set(PAPERS) == names
    distances = {"dorn", "hcdorn"}
    assert set(DENSE) == {name + end for name in names | distances for end in ("", "-cpu")}
    for name in names:
        published = next(n for n in PUBLISHED if n.lower().removesuffix("-32") == name)
        config = recipe(f"{name}-cpu").network().config
        assert PUBLISHED[published].items() <= config.items()
        assert config["backbone"] == "resnet18"


def test_the_papers_numbers():
    made = recipe("hcfcn")
    assert (made.batch, made.steps, made.optimiser.momentum) == (16, 50_000, 0.9)
    assert [made.rate(step, 50_000) for step in (0, 25_000)] == [0.01, 0.01 * 0.5**0.9]
    (crops,) = made.crops
    assert (crops.size, crops.scales, crops.flips) == (1024, (0.5, 2.0), "x")
    assert crops.spread is None
    assert made.network.keywords["backbone"] == "resnet101"
    assert hcfcn("resnet34").network.keywords["backbone"] == "resnet34"


@pytest.mark.parametrize("name", list(PAPERS))
def test_the_loss_is_finite_and_reaches_every_layer(name, scenes):
    made = small(DENSE[f"{name}-cpu"]())
    torch.manual_seed(0)
    network = made.network().train()
    batch = scenes.batch(0, 2, made.crops[0])
    terms = made.loss(network, (batch,), 0, np.random.default_rng(0))
    said, beside = (float(terms[name].detach()) for name in ("class", "auxiliary"))
    assert said == pytest.approx(np.log(2), abs=0.3)
    assert beside == pytest.approx(0.4 * np.log(2), abs=0.15)
    torch.stack(list(terms.values())).sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{key} learns nothing"
        assert bool(parameter.grad.isfinite().all()), key


def test_a_resnet_and_its_clusters_can_be_otherwise():
    made = recipe("hcdorn-cpu", Encoder(level=4, sampling="identity"))
    assert made.network().backbone.clustered == (4, 8, 16, 32)
    assert made.network.keywords["backbone"] == "resnet18"
    assert made.table.endswith("; level 4; sampling identity")
    other = recipe("fpn", Encoder(backbone="resnet18", downsampling="deformable"))
    assert other.network().settings.downsampling == "deformable"
    assert "resnet18" in other.table


@pytest.mark.parametrize("name", ["fcn-cpu", "pspnet", "dorn-cpu"])
def test_clusters_of_networks_without_any_are_refused(name):
    with pytest.raises(InputError, match=f"{name!r} has no clusters, so no level 3"):
        recipe(name, Encoder(level=3))
