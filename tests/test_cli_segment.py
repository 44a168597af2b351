"""Segmentation from the shell: options, what is told, refusals in one sentence."""

import json

import numpy as np
import pytest
import rasterio
import zarr
from skimage.io import imsave

import napari_superpixels as nsp
from napari_superpixels.testing.contract import noise
from napari_superpixels.testing.weights import write_random_segmentation


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shell")
    imsave(folder / "in.png", noise((70, 90, 3)))
    return folder / "in.png", write_random_segmentation(folder, "HCFPN")


def test_run_gives_what_python_gives(shell, files, tmp_path):
    image, weights = files
    out, tif = tmp_path / "out.zarr", tmp_path / "out.tif"
    options = ("--method", "segment", "--weights", weights, "--flips", "x", "--scales", "0.5,1")
    code, printed, told = shell("run", image, out, *options, "--geotiff", tif)
    assert code == 0, told
    assert "superpixels" not in printed
    assert "Warning" not in told
    method = nsp.Segment(weights=str(weights), flips="x", scales=(0.5, 1))
    np.testing.assert_array_equal(
        zarr.open_array(out / "0")[:], nsp.superpixels(str(image), method).compute()
    )
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        file = rasterio.open(tif)
    with file:
        assert file.colormap(1)[1] == (1, 128, 64, 255)


def test_plan_tells_what_is_written(shell, files):
    image, weights = files
    code, printed, _ = shell("plan", image, "--method", "segment", "--weights", weights, "--json")
    facts = json.loads(printed)
    assert code == 0
    assert facts["output"]["kind"] == "classes"
    assert facts["lattice"]["step_px"] == [32, 32]
    code, printed, _ = shell(
        "plan", image, "--method", "segment", "--weights", weights, "--probabilities"
    )
    assert "float16, one channel each: 1 class 1, 2 class 2, 3 class 3" in printed


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "none come with segment"),
        (("--weights", "W", "--step", "16"), "segment has no parameter 'step'"),
        (("--weights", "W", "--scales", "big"), "The scales are 'big'"),
        (("--weights", "W", "--flips", "z"), "flips is 'z'"),
        (("--weights", "W", "--decoding", "firm"), "decoding is 'firm'"),
        (("--weights", "W", "--probabilities", "--geotiff", "TIF"), "gives probabilities here"),
        (("--weights", "W", "--channels", "0,1"), "has 2 channels, but the weights"),
    ],
)
def test_what_cannot_be_is_one_sentence(shell, files, tmp_path, options, sentence):
    image, weights = files
    places = {"W": weights, "TIF": tmp_path / "out.tif"}
    given = [places.get(word, word) for word in options]
    code, _, told = shell("run", image, tmp_path / "out.zarr", "--method", "segment", *given)
    assert code == 2
    assert sentence in told
    assert told.count("Error: ") == 1
    assert "Traceback" not in told
    assert not list(tmp_path.iterdir())


def test_superpixels_take_no_option_of_segmentation(shell, files, tmp_path):
    code, _, told = shell("run", files[0], tmp_path / "out.zarr", "--flips", "x")
    assert code == 2
    assert "slic has no parameter 'flips'" in told


def test_decoding_is_part_of_the_plan(shell, files):
    image, weights = files
    options = ("plan", image, "--method", "segment", "--weights", weights, "--decoding", "hard")
    code, printed, _ = shell(*options)
    assert code == 0
    assert "decoding=hard" in " ".join(printed.split())


def test_options_without_effect_are_told(shell, files, tmp_path):
    image, weights = files
    options = (image, "--method", "segment", "--weights", weights, "--patch", 512)
    told = "Note: --patch has no effect on the network of these weights."
    code, printed, errors = shell("plan", *options)
    assert (code, errors.splitlines()) == (0, [told])
    assert "patch=" not in printed
    code, _, errors = shell("run", image, tmp_path / "out.zarr", *options[1:])
    assert code == 0
    assert told in errors


def test_that_patches_decide_is_told(shell, files, tmp_path):
    weights = write_random_segmentation(tmp_path, "HCPSPNet")
    options = ("--method", "segment", "--weights", weights, "--no-exact", "--patch", 128)
    code, _, errors = shell("run", files[0], tmp_path / "out.zarr", *options)
    assert code == 0
    assert "Note: another patch (--patch) gives another result: with a trained" in errors
    assert "no effect" not in errors


def test_info_of_a_class_map_lists_its_classes(shell, files, tmp_path):
    image, weights = files
    out = tmp_path / "out.zarr"
    assert shell("run", image, out, "--method", "segment", "--weights", weights, "--quiet")[0] == 0
    _, printed, _ = shell("info", out)
    legend = nsp.Segment(weights=str(weights)).output.legend
    lines = [" ".join(line.split()) for line in printed.splitlines() if line.startswith("class ")]
    assert lines == [f"class {one.id} {one.name} {one.colour}" for one in legend]
    told = json.loads(shell("info", out, "--json")[1])["classes"]
    assert told[0] == {"id": 1, "name": legend[0].name, "colour": legend[0].colour}
    assert "class" not in shell("info", image)[1]
