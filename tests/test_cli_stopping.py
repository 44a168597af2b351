"""The shell interrupted, killed, continued; disks that refuse."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
import zarr

from napari_superpixels.cli import EXIT_BAD_INPUT, EXIT_CANCELLED, EXIT_INCOMPLETE
from napari_superpixels.engine.records import RunState, partial_path

SHELL = [sys.executable, "-c", "from napari_superpixels.cli import main; main()"]
SLOW = ("--step", "4", "--iterations", "2", "--window", "16", "--workers", "1")


@pytest.fixture
def slide(tmp_path):
    path = tmp_path / "slide.tif"
    image = np.random.default_rng(0).integers(0, 255, (400, 400, 3), dtype=np.uint8)
    tifffile.imwrite(path, image, photometric="rgb", tile=(16, 16))
    return path


def stopped(number, *arguments, out):
    """Start the shell, send a signal when some of the work is done; exit code and complaints."""
    command = [*SHELL, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    state = RunState(partial_path(out))
    deadline = time.monotonic() + 120
    while len(list(state.folder.glob("records/0/*.json"))) < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so_and_is_resumed_with_its_exports(shell, slide, tmp_path, number):
    out, tif = tmp_path / "out.zarr", tmp_path / "labels.tif"
    code, errors = stopped(number, "run", slide, out, *SLOW, "--geotiff", tif, out=out)
    assert code == EXIT_CANCELLED
    assert errors.splitlines()[-1].startswith("Error: Interrupted; what is done is kept")
    assert f"napari-superpixels resume {out}" in errors
    assert "Traceback" not in errors
    assert not tif.exists()
    # The name of the partial folder is understood as well.
    code, printed, _ = shell("resume", partial_path(out), "--json")
    assert code == 0
    assert json.loads(printed)["geotiff"] == str(tif)
    labels = zarr.open_array(out / "0", mode="r")[:]
    np.testing.assert_array_equal(tifffile.imread(tif), labels)


def test_a_batch_goes_on_where_it_was(shell, slide, tmp_path):
    other = tmp_path / "other.tif"
    other.write_bytes(slide.read_bytes())
    outs = tmp_path / "outs"
    command = ("run", slide, other, outs, *SLOW)
    code, errors = stopped(signal.SIGINT, *command, out=outs / "slide.zarr")
    assert code == EXIT_CANCELLED
    assert "the same command and --skip-existing" in errors
    assert shell(*command)[0] == EXIT_INCOMPLETE
    code, printed, _ = shell(*command, "--skip-existing")
    assert code == 0
    lines = printed.splitlines()
    assert lines[1] == f"{outs / 'other.zarr'}: finished already, skipped"
    assert "tiles" in lines[0]
    assert {path.name for path in outs.iterdir()} == {"slide.zarr", "other.zarr"}


def test_a_batch_without_any_success_says_so(shell, tmp_path):
    bad = [tmp_path / "a.tif", tmp_path / "b.tif"]
    for path in bad:
        path.write_text("no image")
    code, _, errors = shell("run", *bad, tmp_path / "outs")
    assert code == EXIT_INCOMPLETE
    assert "2 of 2 images failed" in errors
    assert "none is done" in errors
    assert "the others" not in errors
    code, printed, errors = shell("run", *bad, tmp_path / "outs", "--json")
    told = [json.loads(line) for line in printed.splitlines()]
    assert [line["image"] for line in told] == [str(path) for path in bad]
    assert all("a.tif" in line["error"] or "b.tif" in line["error"] for line in told)
    assert errors.count("\n") == 1


def test_a_disk_that_refuses_is_one_sentence(shell, tmp_path):
    """Above all nothing of asyncio, whose tasks zarr leaves behind when one of them fails."""
    image, out = tmp_path / "image.zarr", tmp_path / "out.zarr"
    flat_image(image, edge=2048)
    assert shell("run", image, out, "--step", 4, "--iterations", 1)[0] == 0

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))

    done = subprocess.run(
        [*SHELL, "export", out, "--into", "slic"],
        preexec_fn=small_files,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == EXIT_BAD_INPUT
    assert done.stderr.startswith("Error: The labels 'slic' could not be written")
    assert done.stderr.count("\n") == 1
    assert sorted(path.name for path in image.iterdir()) == ["0", "zarr.json"]


def flat_image(path, edge):
    """Write an OME-Zarr whose chunks are all missing, so of the fill value."""
    group = zarr.create_group(path, zarr_format=3)
    shape, chunks = (1, edge, edge), (1, 512, 512)
    names = ["c", "y", "x"]
    group.create_array(
        "0", shape=shape, chunks=chunks, dtype="u1", fill_value=7, dimension_names=names
    )
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    scale = {"type": "scale", "scale": [1.0, 0.5, 0.5]}
    dataset = {"path": "0", "coordinateTransformations": [scale]}
    multiscale = {"name": "image", "axes": axes, "datasets": [dataset]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}


@pytest.mark.parametrize(
    ("length", "words"),
    [
        ("nan", "step_um is nan"),
        ("inf", "step_um is inf"),
        ("-1", "step_um is -1.0"),
        ("0.1", "0.1 um, but a pixel is 0.5 um"),
    ],
)
def test_a_length_that_is_none_is_one_sentence(shell, tmp_path, length, words):
    flat_image(tmp_path / "image.zarr", edge=64)
    code, printed, errors = shell("plan", tmp_path / "image.zarr", f"--step-um={length}")
    assert (code, printed) == (EXIT_BAD_INPUT, "")
    assert errors.startswith("Error: ")
    assert words in errors
    assert errors.count("\n") == 1


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="a folder that nobody can write to")
@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "SLIDE", "/proc/out.zarr"],
        ["run", "SLIDE", "OTHER", "/proc/outs"],
        ["run", "SLIDE", "OTHER", "SLIDE/outs"],
        ["run", "SLIDE", "OUT", "--geotiff", "/proc/x.tif"],
        ["resume", "/proc/out.zarr"],
    ],
)
def test_a_place_that_cannot_be_written_is_one_sentence(shell, slide, tmp_path, arguments):
    places = {"SLIDE": slide, "OTHER": tmp_path / "other.tif", "OUT": tmp_path / "out.zarr"}
    places["SLIDE/outs"] = slide / "outs"
    code, printed, errors = shell(*(places.get(word, word) for word in arguments))
    assert code == EXIT_BAD_INPUT
    assert printed == ""
    assert errors.startswith("Error: ")
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["slide.tif"]
