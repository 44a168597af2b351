"""Mistakes in the use of the shell, its help, and what it tells while it works."""

import json

import numpy as np
import pytest
import tifffile
import zarr

from napari_superpixels import __version__
from napari_superpixels.cli import EXIT_BAD_INPUT
from napari_superpixels.cli.progress import PLAIN_SECONDS, PlainLines
from napari_superpixels.engine.events import RunStarted, TileDone
from napari_superpixels.testing.weights import write_random_weights

QUICK = ("--step", 8, "--iterations", 1)


@pytest.fixture
def slide(tmp_path):
    path = tmp_path / "slide.tif"
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    tifffile.imwrite(path, image, photometric="rgb")
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "SLIDE", "OTHER"], "an existing file that is no output"),
        (["run", "SLIDE", "SLIDE", "OTHER"], "an existing file that is no output"),
        (["run", "SLIDE", "OTHER", "SCENE"], "is a zarr"),
        (["run", "SLIDE", "SCENE"], "is a folder that is no output"),
        (["run", "SLIDE", "."], "a folder without a name"),
        (["run", "SLIDE", ".."], "a folder without a name"),
        (["run", "SLIDE", ""], "an empty name"),
        (["run", "SLIDE", "new.tif"], "called like an image"),
        (["run", "SLIDE", "OUT", "--workers", "0"], "it is 0; give at least 1"),
        (["run", "SLIDE", "OUT", "--workers", "-3"], "it is -3; give at least 1"),
        (["run", "SLIDE", "OUT", "--region", "y=0:8", "--region", "y=8:16"], "'y' twice"),
        (["run", "SLIDE", "OUT", "--step", "abc"], "'abc' is no whole number"),
        (["run", "SLIDE", "OUT", "--step-um", "abc"], "'abc' is no number"),
        (["run", "SLIDE", "OUT", "--geotiff", "x.zarr"], "such as x.tif"),
        (["run", "SLIDE", "OUT", "--into", "x"], "--into needs an OME-Zarr image"),
        (["export", "SCENE", "x.zarr"], "such as x.tif"),
        (["resume", "OUT"], "There is no unfinished output"),
        (["resume", "."], "unfinished output"),
    ],
)
def test_a_mistake_is_one_sentence_and_touches_nothing(shell, slide, tmp_path, arguments, words):
    other, scene = tmp_path / "other.tif", tmp_path / "scene.zarr"
    other.write_bytes(slide.read_bytes())
    zarr.create_array(scene, data=np.zeros((60, 80), np.uint8))
    places = {"SLIDE": slide, "OTHER": other, "SCENE": scene, "OUT": tmp_path / "out.zarr"}
    before = sorted(tmp_path.rglob("*"))
    code, printed, errors = shell(*(places.get(word, word) for word in arguments))
    assert code == EXIT_BAD_INPUT
    assert printed == ""
    assert errors.startswith("Error: ")
    assert words in errors
    assert "remove" not in errors
    assert errors.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_help_and_version(shell):
    code, printed, errors = shell()
    assert (code, errors) == (0, "")
    assert "resume" in printed
    assert shell("--version") == (0, f"napari-superpixels {__version__}\n", "")
    printed = " ".join(shell("run", "--help")[1].replace("│", " ").split())
    for words in ("16 by default", "10 by default", "--rgb", "--skip-existing"):
        assert words in printed


def test_plan_tells_machines_what_it_tells_people(shell, slide):
    told = json.loads(shell("plan", slide, "--json", *QUICK)[1])
    assert told["windows"] == 1
    assert told["halo_cells"] > 1
    assert told["bytes_on_one_processor"] > told["tile_bytes"] > 60 * 80
    assert len(told["hash"]) == 64
    assert isinstance(told["notes"], list)


def test_plan_and_info_take_what_run_takes(shell, slide, tmp_path):
    assert json.loads(shell("info", slide, "--json", "--channels", "0,2")[1])["channels"] == 2
    assert json.loads(shell("info", slide, "--json", "--no-rgb")[1])["rgb"] is False
    assert json.loads(shell("info", slide, "--json")[1])["rgb"] is True
    tifffile.imwrite(tmp_path / "mask.tif", np.ones((60, 80), np.uint8))
    one, two = (
        json.loads(shell("plan", slide, "--json", *more)[1])["source"]["identity"]
        for more in ((), ("--mask", tmp_path / "mask.tif"))
    )
    assert one != two


def test_an_image_without_data_is_warned_of(shell, slide, tmp_path):
    tifffile.imwrite(tmp_path / "mask.tif", np.zeros((60, 80), np.uint8))
    command = ("run", slide, tmp_path / "out.zarr", "--mask", tmp_path / "mask.tif", *QUICK)
    code, _, errors = shell(*command)
    assert code == 0
    assert "has no superpixel" in errors


def test_the_line_for_machines_names_the_image(shell, slide, tmp_path):
    _, printed, _ = shell("run", slide, tmp_path / "out.zarr", "--json", *QUICK)
    assert json.loads(printed)["image"] == str(slide)
    _, printed, errors = shell("run", "nowhere.tif", tmp_path / "b.zarr", "--json")
    assert json.loads(printed)["image"] == "nowhere.tif"
    assert errors.count("\n") == 1


def test_without_a_terminal_there_is_a_line_now_and_then(shell, slide, tmp_path):
    _, _, errors = shell("run", slide, tmp_path / "out.zarr", *QUICK)
    assert "Working on 1 tile." in errors
    now, lines = [0.0], []
    listen = PlainLines(lines.append, clock=lambda: now[0])
    listen(RunStarted(tiles=40, done=10, pixels=40_000_000))
    for number in range(10, 20):
        now[0] += PLAIN_SECONDS / 5
        listen(TileDone(f"0/{number}", 0, 1_000_000, 1.0))
    assert len(lines) == 3
    assert lines[1:] == [
        "15 of 40 tiles, 0.2 Mpx/s, about 2 min left",
        "20 of 40 tiles, 0.2 Mpx/s, about 2 min left",
    ]


def test_a_learned_method_takes_its_weights(shell, slide, tmp_path):
    from napari_superpixels.testing.weights import write_random_weights

    weights = write_random_weights(tmp_path, "scn")
    code, said, _ = shell("plan", slide, "--method", "scn", "--weights", weights)
    assert not code
    assert "scn" in said
    code, _, complaint = shell("plan", slide, "--method", "slic", "--weights", weights)
    assert code == EXIT_BAD_INPUT
    assert "slic takes no weights" in complaint


@pytest.mark.parametrize(
    ("licence", "line"),
    [
        ("non-commercial research", "The weights of scn: non-commercial research.\n"),
        ("CC0", ""),
        (None, ""),
    ],
)
def test_the_terms_of_weights_are_told_and_kept(shell, slide, tmp_path, licence, line):
    weights = write_random_weights(tmp_path, "scn")
    card = json.loads(weights.with_suffix(".json").read_text())
    terms = {} if licence is None else {"licence": licence}
    weights.with_suffix(".json").write_text(json.dumps(card | terms))
    given = ("--method", "scn", "--weights", weights, "--step", 16)
    code, _, told = shell("run", slide, tmp_path / "out.zarr", *given)
    assert code == 0
    assert [each for each in told.splitlines(keepends=True) if "weights" in each] == (
        [line] if line else []
    )
    facts = zarr.open_group(tmp_path / "out.zarr").attrs["napari_superpixels"]
    assert facts.get("weights_licence") == licence
    quiet = ("--quiet", "--region", "y=0:16")
    assert shell("run", slide, tmp_path / "quiet.zarr", *given, *quiet) == (0, "", "")


@pytest.mark.parametrize(("window", "told"), [(16, True), (96, False)])
def test_windows_that_are_mostly_halo_are_told(shell, slide, tmp_path, window, told):
    out = tmp_path / "out.zarr"
    code, _, errors = shell("run", slide, out, "--step", 4, "--iterations", 1, "--window", window)
    assert code == 0
    assert ("times the pixels that it labels; leave --window out" in errors) == told


def test_methods_without_weights_have_no_terms(shell, slide, tmp_path):
    assert shell("run", slide, tmp_path / "out.zarr", *QUICK)[0] == 0
    facts = zarr.open_group(tmp_path / "out.zarr").attrs["napari_superpixels"]
    assert "weights_licence" not in facts
