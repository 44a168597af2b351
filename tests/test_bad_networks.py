"""Networks that cannot be used: one sentence each, from Python and from the shell."""

import re

import pytest
from skimage.io import imsave

import napari_superpixels as nsp
from napari_superpixels.errors import InputError, SuperpixelsError
from napari_superpixels.testing.bad_networks import BAD
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.foreign import unet, write_package, write_pt2, write_script


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "in.png"
    imsave(path, noise((70, 90, 3)))
    return path


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_used_is_one_sentence(what, image, shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folder := tmp_path / "files").mkdir()
    weights, sentence = BAD[what].write(folder), BAD[what].sentence
    with pytest.raises(SuperpixelsError, match=sentence) as caught:
        nsp.run(nsp.plan(image, nsp.Segment(weights=str(weights))), "out.zarr")
    assert "\n" not in str(caught.value)
    code, _, told = shell("run", image, "out.zarr", "--method", "segment", "--weights", weights)
    assert code == 2
    assert re.search(sentence, told.replace("\n", " "))
    assert told.count("Error: ") == 1
    assert "Traceback" not in told
    left = [one.name for one in tmp_path.iterdir()]
    assert left == ["files"], "nothing ran, and nothing looks begun"


@pytest.mark.parametrize("write", [write_pt2, write_script])
def test_an_image_of_other_channels_is_one_sentence(write, shell, image, tmp_path):
    weights = (
        write(tmp_path / "unet.pt2", unet())
        if write is write_pt2
        else write(tmp_path / "unet.pt", unet(), halo=20)
    )
    options = ("--method", "segment", "--weights", weights, "--channels", "0,1")
    code, _, told = shell("run", image, tmp_path / "out.zarr", *options)
    assert code == 2
    assert "has 2 channels, but the weights" in told
    assert "Traceback" not in told
    assert not list(tmp_path.glob("out*"))


def test_a_network_of_classes_is_no_method_of_superpixels(shell, image, tmp_path):
    weights = write_pt2(tmp_path / "unet.pt2", unet())
    for method in ("scn", "ssn"):
        with pytest.raises(InputError, match="networks of others run with the method 'segment'"):
            nsp.plan(image, method, weights=str(weights))
    code, _, told = shell(
        "run", image, tmp_path / "o.zarr", "--method", "scn", "--weights", weights
    )
    assert code == 2
    assert "networks of others run with the method 'segment'" in told


def test_a_package_that_is_none_is_one_sentence_in_the_shell(shell, image, tmp_path):
    pytest.importorskip("bioimageio.core")
    weights = write_package(tmp_path)
    weights.write_bytes(weights.read_bytes()[:500])
    options = ("--method", "segment", "--weights", weights)
    code, _, told = shell("run", image, tmp_path / "out.zarr", *options)
    assert code == 2
    assert "is no package of a model of BioImage.IO" in told
    assert told.count("\n") == told.strip().count("\n") + 1 == 1
