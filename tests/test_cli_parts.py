"""The shell: outputs in parts, finished with their exports; clusters that are not there."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import zarr

from napari_superpixels.cli import EXIT_BAD_INPUT, EXIT_CANCELLED, EXIT_INCOMPLETE
from napari_superpixels.engine.records import RunState, partial_path
from napari_superpixels.testing.local_cluster import different_files, wait_until

SHELL = [sys.executable, "-c", "from napari_superpixels.cli import main; main()"]
SETTINGS = ("--step", "8", "--iterations", "1", "--window", "64")


@pytest.fixture
def slide(tmp_path):
    path = tmp_path / "slide.tif"
    image = np.random.default_rng(0).integers(0, 255, (200, 150, 3), dtype=np.uint8)
    tifffile.imwrite(path, image, photometric="rgb", tile=(64, 64))
    return path


def test_parts_are_finished_with_the_exports_that_they_were_given(shell, slide, tmp_path):
    out, tif = tmp_path / "out.zarr", tmp_path / "labels.tif"
    given = ("run", slide, out, *SETTINGS, "--geotiff", tif)
    code, printed, _ = shell(*given, "--part", "1/2")
    assert code == 0
    assert printed.startswith(f"{partial_path(out)}: part 1/2, 6 of 6 tiles, ")
    code, _, errors = shell("finish", out)
    assert code == EXIT_INCOMPLETE
    assert errors == (
        "Error: Part 2 of 2 is not done; wait, or start again, e.g. with --part 2/2, and then "
        f"finish {out}.\n"
    )
    code, printed, _ = shell(*given, "--part", "2/2", "--json")
    told = json.loads(printed)
    assert (told["part"], told["tiles"], told["path"]) == ("2/2", 6, str(partial_path(out)))
    assert not tif.exists()
    code, printed, _ = shell("finish", partial_path(out), "--json")
    assert code == 0
    assert json.loads(printed)["geotiff"] == str(tif)
    labels = zarr.open_array(out / "0", mode="r")[:]
    np.testing.assert_array_equal(tifffile.imread(tif), labels)
    (tmp_path / "local").mkdir()
    assert shell("run", slide, tmp_path / "local" / "out.zarr", *SETTINGS)[0] == 0
    assert different_files(tmp_path / "local" / "out.zarr", out) == []


@pytest.mark.parametrize("part", ["3", "a/b", "0/4", "5/4", "1/2/3", "1.5/2", ""])
def test_a_part_that_is_none_is_one_sentence(shell, slide, tmp_path, part):
    code, _, errors = shell("run", slide, tmp_path / "out.zarr", "--part", part)
    assert code == EXIT_BAD_INPUT
    assert errors.startswith("Error: ")
    assert "; give" in errors
    assert errors.count("\n") == 1
    assert not partial_path(tmp_path / "out.zarr").exists()


def test_an_interrupted_part_says_how_it_goes_on(slide, tmp_path):
    out = tmp_path / "out.zarr"
    slow = ("--step", "4", "--iterations", "4", "--window", "8", "--workers", "1")
    command = [*SHELL, "run", str(slide), str(out), *slow, "--part", "1/2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: RunState(partial_path(out)).done())
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == EXIT_CANCELLED
    assert errors.splitlines()[-1] == (
        "Error: Interrupted; what is done is kept: start part 1/2 again with the same command."
    )


def test_finish_of_nothing_is_one_sentence(shell, tmp_path):
    code, _, errors = shell("finish", tmp_path / "out.zarr")
    assert code == EXIT_BAD_INPUT
    assert errors.startswith("Error: There is no unfinished output")


def test_no_parts_and_a_part_on_a_cluster_are_refused(shell, slide, tmp_path):
    out = tmp_path / "out.zarr"
    code, _, errors = shell("run", slide, out, "--part", "1/0")
    assert (code, errors) == (
        EXIT_BAD_INPUT,
        "Error: part is 1/0; there must be 1 part or more, e.g. 1/2.\n",
    )
    code, _, errors = shell("run", slide, out, "--part", "1/2", "--scheduler", "tcp://10.0.0.1:1")
    assert code == EXIT_BAD_INPUT
    assert errors == "Error: Both --part and --scheduler are given; give one of them.\n"


def test_a_scheduler_that_is_not_there_is_one_sentence(shell, slide, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("napari_superpixels.engine.cluster.CONNECT_SECONDS", 0.5)
    out = tmp_path / "out.zarr"
    code, _, errors = shell("run", slide, out, "--scheduler", "tcp://127.0.0.1:1")
    assert code == EXIT_BAD_INPUT
    assert errors.startswith("Error: No scheduler answers at 'tcp://127.0.0.1:1' (")
    assert errors.count("\n") == 1
    assert not partial_path(out).exists()


def test_a_missing_library_is_one_sentence(shell, slide, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, errors = shell("run", slide, tmp_path / "out.zarr", "--scheduler", "tcp://x:1")
    assert code == EXIT_BAD_INPUT
    assert errors.startswith("Error: A cluster needs dask.distributed, which is not installed;")
