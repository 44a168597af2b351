"""Packages of BioImage.IO run like networks with a card."""

import hashlib
import json
from io import BytesIO
from zipfile import ZipFile

import numpy as np
import pytest

import napari_superpixels as nsp
from napari_superpixels.errors import InputError
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.foreign import unet, write_script

SIZE = {"min": 64, "step": 4}
FIXED = {"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": 127.5, "std": 63.75}}


def write_package(folder, *, size=SIZE, before=FIXED):
    """A package of a small network; JSON is YAML."""
    content = write_script(folder / "weights.pt", unet()).read_bytes()
    array = BytesIO()
    np.save(array, np.zeros((1, 3, 64, 64), np.float32))

    def tensor(name, channels, sides, **more):
        axes = [{"type": "batch"}, {"type": "channel", "channel_names": channels}]
        axes += [{"type": "space", "id": axis, **sides(axis)} for axis in "yx"]
        return {"id": name, "axes": axes, "test_tensor": {"source": "t.npy"}, **more}

    described = {
        "format_version": "0.5.4",
        "type": "model",
        "name": "Small network",
        "description": "of a test",
        "authors": [{"name": "Nobody Known"}],
        "license": "MIT",
        "cite": [{"text": "none", "url": "https://example.com"}],
        "documentation": "README.md",
        "timestamp": "2025-01-01T00:00:00",
        "inputs": [
            tensor("raw", ["r", "g", "b"], lambda _: {"size": size}, preprocessing=[before])
        ],
        "outputs": [
            tensor(
                "out",
                ["background", "nucleus", "membrane"],
                lambda axis: {"size": {"tensor_id": "raw", "axis_id": axis}, "halo": 20},
            )
        ],
        "weights": {
            "torchscript": {
                "source": "weights.pt",
                "pytorch_version": "2.11.0",
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        },
    }
    path = folder / "package.zip"
    with ZipFile(path, "w") as archive:
        archive.writestr("rdf.yaml", json.dumps(described))
        archive.writestr("README.md", "# Small network\n\nOf a test.\n\n## Validation\n\nnone\n")
        archive.writestr("weights.pt", content)
        archive.writestr("t.npy", array.getvalue())
    return path


def test_without_the_library_a_package_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "bioimageio.core", None)
    (tmp_path / "package.zip").write_bytes(b"")
    with pytest.raises(InputError, match=r"install napari-superpixels\[bioimageio\]"):
        nsp.Segment(weights=str(tmp_path / "package.zip"))


@pytest.fixture
def library():
    return pytest.importorskip("bioimageio.core", reason="the extra bioimageio is not installed")


@pytest.mark.usefixtures("library")
def test_a_package_gives_what_its_network_does(tmp_path):
    image = nsp.open(noise((150, 203, 3)), axes="yxs", rgb=True)
    method = nsp.Segment(weights=str(write_package(tmp_path)))
    assert [one.name for one in method.output.legend] == ["background", "nucleus", "membrane"]
    assert (method.facts.halo_px, method.trained.mean) == (24, (0.5,) * 3)
    own = nsp.Segment(weights=str(tmp_path / "weights.pt"))
    found = [nsp.superpixels(image, one).compute() for one in (method, own)]
    np.testing.assert_array_equal(*found)


@pytest.mark.usefixtures("library")
def test_what_looks_at_the_whole_image_first_is_refused(tmp_path):
    before = {"id": "zero_mean_unit_variance", "kwargs": {}}
    path = write_package(tmp_path, before=before)
    with pytest.raises(InputError, match="wants 'zero_mean_unit_variance' before"):
        nsp.Segment(weights=str(path))


@pytest.mark.usefixtures("library")
def test_what_is_no_package_is_told(tmp_path):
    path = tmp_path / "package.zip"
    path.write_bytes(b"no package")
    with pytest.raises(InputError, match="is no package of a model"):
        nsp.Segment(weights=str(path))
