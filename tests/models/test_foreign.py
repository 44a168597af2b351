"""Networks of others: whole and in windows, what their files and cards tell, what is refused."""

import json
import pickle
from zipfile import ZipFile

import numpy as np
import pytest
import torch

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.models.registry import weights_files
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.foreign import CLASSES, unet, write_card, write_pt2, write_script

SHAPE = (150, 203)
TRUE_HALO = 17


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
