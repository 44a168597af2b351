"""Networks for images of many channels: trained, saved, and run in the shell."""

import numpy as np
import pytest
import zarr

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.models.weights import find
from napari_superpixels.testing.tiny import tiny_recipe
from napari_superpixels.testing.weights import write_random_weights
from napari_superpixels.tiling import Box
from napari_superpixels.training.channels import for_channels
from napari_superpixels.training.data import TrainingSet
from napari_superpixels.training.loop import train
from napari_superpixels.training.pairs import find_pairs
from napari_superpixels.training.recipes import recipe
from napari_superpixels.training.start import starting_from
from napari_superpixels.training.validate import Validation

CHANNELS = 5


@pytest.fixture
def store(tmp_path, ome_zarr):
    """An image of five channels of 16 bits, of which the last alone shows the segments."""
    rng = np.random.default_rng(0)
    labels = np.zeros((128, 140), np.uint16)
    labels[20:50, 30:70] = 1
    image = rng.integers(100, 900, (CHANNELS, *labels.shape)).astype(np.uint16)
    image[-1] += labels * 3000
    ome_zarr(tmp_path / "cells.zarr", image, "cyx")
    ome_zarr(tmp_path / "cells.zarr" / "labels" / "segments", labels, "yx")
    return tmp_path / "cells.zarr"


@pytest.mark.parametrize("name", ["scn", "ainet", "pcnet"])
def test_a_network_of_five_channels_is_trained_and_run(name, store, tmp_path, shell):
    given = ["--steps", 2, "--batch", 1, "--crop", 128, "--val-images", store, "--quiet"]
    out, labels = tmp_path / "trained", tmp_path / "labels.zarr"
    code, _, complained = shell("train", name, "--images", store, "--out", out, *given)
    assert (code, complained) == (0, "")
    weights = out / f"{name}.safetensors"
    assert dict(find(str(weights), name).config)["channels"] == CHANNELS
    given = ["--method", name, "--weights", weights, "--window", 96, "--quiet"]
    code, _, complained = shell("run", store, labels, *given)
    assert (code, complained) == (0, "")
    found = zarr.open_array(labels / "0", mode="r")[:]
    np.testing.assert_array_equal(found, nsp.superpixels(store, name, weights=str(weights)))
    assert found.min() > 0


def test_every_channel_is_seen(store, tmp_path):
    """Unlike by components, of which there are three."""
    weights = write_random_weights(tmp_path, "scn", channels=CHANNELS)
    image = nsp.open(store)
    plan = nsp.plan(image, "scn", weights=str(weights))
    pixels = image.read(0, Box.whole(image.axes.plane_shape)).pixels
    samples = plan.model.samples(pixels, None)
    assert samples.shape == pixels.shape
    for seen, given in zip(samples, pixels, strict=True):
        assert np.corrcoef(seen.ravel(), given.ravel())[0, 1] > 0.9


def test_beginning_with_weights_for_colours_keeps_the_layers_that_fit(tmp_path):
    colours = write_random_weights(tmp_path, "scn")
    made = for_channels(starting_from(recipe("scn"), str(colours)), CHANNELS)
    found = find(str(colours), "scn").read()
    state = made.network().state_dict()
    first = "encoder.levels.0.0.0.weight"
    assert state[first].shape[1] == CHANNELS
    for name, tensor in state.items():
        assert name == first or np.array_equal(tensor.numpy(), found[name]), name


def test_networks_of_colours_say_which_take_more(store, tmp_path, shell):
    for name in ("ssn", "hcssn-cpu"):
        with pytest.raises(InputError, match=rf"5 channels, but {name} sees colours.*train scn"):
            for_channels(recipe(name), CHANNELS)
    code, _, complained = shell("train", "ssn", "--images", store, "--out", tmp_path / "o")
    assert code == 2
    assert complained.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_images_that_do_not_fit_the_recipe_are_refused_before_training(folder, store, tmp_path):
    many, colours = find_pairs(store), find_pairs(folder)
    with pytest.raises(InputError, match="5 channels, but tiny is for 3"):
        train(tiny_recipe(), TrainingSet(many), tmp_path / "a")
    with pytest.raises(InputError, match="'cells' has 5 channels, but 3 are needed"):
        train(tiny_recipe(), TrainingSet(colours), tmp_path / "a", validation=Validation.of(many))
    assert not (tmp_path / "a").exists()
    assert for_channels(recipe("scn"), 3) == recipe("scn")


def test_weights_for_five_channels_take_no_seven(tmp_path):
    weights = write_random_weights(tmp_path, "scn", channels=CHANNELS)
    for channels in (3, 7):
        image = np.zeros((channels, 40, 40), np.uint8)
        with pytest.raises(InputError, match=rf"{channels} channels, but these weights of scn"):
            nsp.superpixels(image, "scn", axes="cyx", weights=str(weights)).compute()
