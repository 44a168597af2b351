import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import zarr

from napari_superpixels.cli import EXIT_BAD_INPUT, EXIT_INCOMPLETE
from napari_superpixels.engine.records import RunState, partial_path


@pytest.fixture
def slide(tmp_path):
    path = tmp_path / "slide.tif"
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    tifffile.imwrite(path, image, photometric="rgb", tile=(16, 16))
    return path


def test_run_writes_and_says_so(shell, slide, tmp_path):
    out = tmp_path / "out.zarr"
    code, printed, _ = shell("run", slide, out, "--step", 8, "--iterations", 2)
    assert code == 0
    assert str(out) in printed
    assert "superpixels" in printed
    assert zarr.open_array(out / "0", mode="r").shape == (90, 120)


def test_quiet_and_json(shell, slide, tmp_path):
    assert shell("run", slide, tmp_path / "a.zarr", "--quiet")[:2] == (0, "")
    code, printed, errors = shell("run", slide, tmp_path / "b.zarr", "--json")
    assert (code, errors) == (0, "")
    assert json.loads(printed)["path"] == str(tmp_path / "b.zarr")


def test_plan_and_info_show_what_would_happen(shell, slide):
    code, printed, _ = shell("plan", slide, "--step", 8)
    assert code == 0
    assert "12 x 15 cells of 8 x 8 px" in printed
    code, printed, _ = shell("plan", slide, "--json", "--region", "y=0:40")
    assert json.loads(printed)["region_cells"] == [[0, 3], [0, 8]]
    code, printed, _ = shell("info", slide)
    assert code == 0
    assert "90" in printed
    assert "uint8" in printed
    assert json.loads(shell("info", slide, "--json")[1])


def test_several_images_go_on_after_a_bad_one(shell, slide, tmp_path):
    bad = tmp_path / "bad.tif"
    bad.write_text("no image")
    good = tmp_path / "good.tif"
    good.write_bytes(slide.read_bytes())
    code, printed, errors = shell("run", slide, bad, good, tmp_path / "outs", "--iterations", 1)
    assert code == EXIT_INCOMPLETE
    assert {path.name for path in (tmp_path / "outs").iterdir()} == {"slide.zarr", "good.zarr"}
    assert "bad.tif" in errors
    assert "1 of 3 images failed" in errors
    assert printed.count("superpixels") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "SLIDE"], "One path is given"),
        (["run", "nowhere.tif", "OUT"], "nowhere.tif"),
        (["run", "SLIDE", "OUT", "--method", "magic"], "no method 'magic'; choose one of ainet"),
        (["run", "SLIDE", "OUT", "--step", "1"], "step"),
        (["run", "SLIDE", "OUT", "--step", "500"], "whole number of pixels, 2 to 118"),
        (["run", "SLIDE", "OUT", "--step", "x"], "--step"),
        (["run", "SLIDE", "OUT", "--step-um", "5"], "no spacing in micrometers"),
        (["run", "SLIDE", "OUT", "--compactness", "-1"], "compactness"),
        (["run", "SLIDE", "OUT", "--channels", "a"], "give numbers such as 0,2"),
        (["run", "SLIDE", "OUT", "--channels", "7"], "7"),
        (["run", "SLIDE", "OUT", "--level", "3"], "level"),
        (["run", "SLIDE", "OUT", "--region", "y=5"], "give it as y=0:512"),
        (["run", "SLIDE", "OUT", "--mask", "nowhere.png"], "nowhere.png"),
        (["resume", "OUT"], "no unfinished output"),
        (["bogus"], "bogus"),
    ],
)
def test_bad_use_is_one_sentence_and_leaves_nothing(shell, slide, tmp_path, arguments, words):
    names = {"SLIDE": str(slide), "OUT": str(tmp_path / "out.zarr")}
    before = set(tmp_path.iterdir())
    code, printed, errors = shell(*(names.get(word, word) for word in arguments))
    assert code == EXIT_BAD_INPUT
    assert printed == ""
    assert errors.startswith("Error: ")
    assert words in errors
    assert errors.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


def test_images_whose_names_hold_dots_have_outputs_of_their_own(shell, slide, tmp_path):
    names = ["scan.001", "scan.002"]
    for name in names:
        (tmp_path / f"{name}.tif").write_bytes(slide.read_bytes())
    images = [tmp_path / f"{name}.tif" for name in names]
    assert shell("run", *images, tmp_path / "outs", "--iterations", 1)[0] == 0
    assert {path.name for path in (tmp_path / "outs").iterdir()} == {f"{n}.zarr" for n in names}


def test_an_existing_output_is_refused(shell, slide, tmp_path):
    out = tmp_path / "out.zarr"
    assert shell("run", slide, out, "--iterations", 1)[0] == 0
    code, _, errors = shell("run", slide, out)
    assert code == EXIT_BAD_INPUT
    assert "exists already" in errors
    code, _, errors = shell("resume", out)
    assert code == EXIT_BAD_INPUT
    assert "finished already; there is nothing left to do" in errors


def test_a_folder_that_is_no_output_is_not_called_finished(shell, tmp_path):
    (tmp_path / "images").mkdir()
    for command in ("resume", "finish"):
        code, _, errors = shell(command, tmp_path / "images")
        assert code == EXIT_BAD_INPUT
        assert "images is no output of a run; give the name of an unfinished output." in errors


KILLED = """
import os, sys
from napari_superpixels import api
from napari_superpixels.engine.events import TileDone
def listener(event):
    if isinstance(event, TileDone) and event.tile == "0/4":
        os.kill(os.getpid(), 9)
plan = api.plan(sys.argv[1], "slic", step=4, iterations=2, window=16)
api.run(plan, sys.argv[2], workers=1, listener=listener)
"""


def test_a_killed_run_is_resumed_from_the_shell(shell, slide, tmp_path):
    out, whole = tmp_path / "out.zarr", tmp_path / "whole.zarr"
    killed = subprocess.run([sys.executable, "-c", KILLED, slide, out], check=False)
    assert killed.returncode == -9
    assert 0 < len(RunState(partial_path(out)).done()) < 48
    assert shell("resume", out)[0] == 0
    options = ("--step", 4, "--iterations", 2, "--window", 16)
    assert shell("run", slide, whole, *options)[0] == 0
    one, two = (zarr.open_array(path / "0", mode="r")[:] for path in (out, whole))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("kind", ["collection", "group of one array"])
def test_an_image_inside_a_group_is_resumed(shell, tmp_path, kind):
    image = np.random.default_rng(3).integers(0, 255, (96, 128), dtype=np.uint8)
    group = zarr.open_group(tmp_path / "coll.zarr", mode="w")
    zarr.create_array(tmp_path / "coll.zarr" / "0", data=image, chunks=(32, 32))
    if kind == "collection":
        group.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    out = tmp_path / "out.zarr"
    command = [sys.executable, "-c", KILLED, tmp_path / "coll.zarr", out]
    assert subprocess.run(command, check=False).returncode == -9
    assert shell("resume", out)[0] == 0


def test_a_zarr_whose_pixels_were_rewritten_is_not_resumed(shell, tmp_path):
    image = np.random.default_rng(3).integers(0, 255, (96, 128), dtype=np.uint8)
    array = zarr.create_array(tmp_path / "a.zarr", data=image, chunks=(32, 32))
    out = tmp_path / "out.zarr"
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a.zarr", out], check=False)
    array[...] = 255 - image
    code, _, errors = shell("resume", out)
    assert code == EXIT_BAD_INPUT
    assert "the image has changed" in errors


def test_a_changed_image_is_not_resumed(shell, slide, tmp_path):
    out = tmp_path / "out.zarr"
    subprocess.run([sys.executable, "-c", KILLED, slide, out], check=False)
    image = tifffile.imread(slide)
    tifffile.imwrite(slide, image[::-1], photometric="rgb", tile=(16, 16))
    code, _, errors = shell("resume", out)
    assert code == EXIT_BAD_INPUT
    assert "source" in errors
