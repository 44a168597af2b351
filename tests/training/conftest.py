"""A tiny recipe, and annotated images made here."""

import numpy as np
import pytest
import zarr
from skimage.io import imsave

from napari_superpixels.testing.tiny import tiny_recipe
from napari_superpixels.training.data import TrainingSet
from napari_superpixels.training.pairs import find_pairs


@pytest.fixture
def tiny():
    return tiny_recipe()


def scene(seed, shape=(40, 56)):
    """A noisy image of a disc on a slope, and two annotations that agree but in their names."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    disc = ((y - rng.integers(10, 30)) ** 2 + (x - rng.integers(12, 44)) ** 2) < 90
    grey = np.where(disc, 170, 60 + x)
    image = np.clip(grey[..., None] + rng.normal(0, 12, (*shape, 3)), 0, 255).astype(np.uint8)
    labels = disc.astype(np.uint16) + 1
    return image, np.stack([labels, labels * 7])


@pytest.fixture
def folder(tmp_path):
    """Three annotated images as BSDS500 has them."""
    place = tmp_path / "images"
    place.mkdir()
    for number in range(3):
        image, labels = scene(number)
        imsave(place / f"{number}.png", image, check_contrast=False)
        np.savez(place / f"{number}.npz", segmentations=labels)
    return place


@pytest.fixture
def ome_zarr():
    """A function that writes an OME-Zarr of one level, version 0.4."""

    def write(path, array, axes):
        root = zarr.open_group(path, mode="w", zarr_format=2)
        root.create_array("0", data=array, chunks=(16,) * array.ndim)
        scale = [{"type": "scale", "scale": [1.0] * array.ndim}]
        datasets = [{"path": "0", "coordinateTransformations": scale}]
        named = [{"name": a, "type": "channel" if a == "c" else "space"} for a in axes]
        root.attrs["multiscales"] = [{"version": "0.4", "axes": named, "datasets": datasets}]

    return write


@pytest.fixture
def data(folder):
    return TrainingSet(find_pairs(folder), seed=3)
