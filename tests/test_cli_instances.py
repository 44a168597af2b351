"""Instances from the shell: what it prints, what it refuses, how it is stopped."""

import csv
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
import zarr

from napari_superpixels.cli import EXIT_BAD_INPUT, EXIT_CANCELLED
from napari_superpixels.engine.records import RunState, partial_path

SHELL = [sys.executable, "-c", "from napari_superpixels.cli import main; main()"]


@pytest.fixture
def classes():
    image = np.zeros((50, 70), np.uint8)
    image[3:9, 4:10] = 1
    image[3:9, 20:22] = 2
    image[30:45, 30:60] = 1
    image[49, 69] = 2
    return image


@pytest.fixture
def stored(classes, tmp_path):
    """A class map whose classes have names."""
    path = tmp_path / "classes.zarr"
    root = zarr.create_group(path)
    root.create_array("0", data=classes, chunks=(16, 16))
    axes = [{"name": name, "type": "space"} for name in "yx"]
    scale = [{"type": "scale", "scale": [1, 1]}]
    entry = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    names = [{"label-value": 1, "class": "nuclei"}, {"label-value": 2, "class": "debris"}]
    root.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [entry],
        "image-label": {"properties": names},
    }
    return path


def table(path):
    with open(path / "objects.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_labels_and_table_of_named_classes(shell, stored, tmp_path):
    out = tmp_path / "out.zarr"
    code, printed, _ = shell("instances", stored, out, "--classes", "nuclei", "--window", 20)
    assert code == 0
    assert "2 instances" in printed
    rows = table(out)
    assert [row["name"] for row in rows] == ["nuclei", "nuclei"]
    assert rows[0] == {
        "id": "1", "class": "1", "name": "nuclei", "area_px": "36", "top": "3", "left": "4",
        "bottom": "9", "right": "10", "y": "5.50", "x": "6.50",
    }  # fmt: skip
    labels = zarr.open_array(out / "0", mode="r")[...]
    assert np.bincount(labels.ravel()).tolist() == [50 * 70 - 36 - 450, 36, 450]


def test_the_steps_of_all_passes_are_called_steps(shell, stored, tmp_path):
    code, printed, errors = shell("instances", stored, tmp_path / "out.zarr")
    assert code == 0
    assert "Working on 5 steps." in errors
    assert "5 of 5 steps" in printed
    assert "tile" not in printed + errors


def test_json_has_no_other_words(shell, stored, tmp_path):
    out = tmp_path / "out.zarr"
    code, printed, errors = shell(
        "instances", stored, out, "--json", "--split", "--largest-px", 8, "--no-exact",
        "--min-px", 2, "--max-px", 40,
    )  # fmt: skip
    assert (code, errors) == (0, "")
    facts = json.loads(printed)
    assert (facts["instances"], facts["whole"]) == (2, 1)
    assert facts["table"] == str(out / "objects.csv")


def test_nothing_found_and_objects_left_whole_are_told(shell, stored, tmp_path):
    code, _, errors = shell("instances", stored, tmp_path / "a.zarr", "--min-px", 999)
    assert code == 0
    assert "has no instance" in errors
    options = ("--split", "--largest-px", 10, "--no-exact")
    code, _, errors = shell("instances", stored, tmp_path / "b.zarr", *options)
    assert "Note: 1 object is larger" in errors


BAD = {
    "float": (np.ones((9, 9), np.float32), (), "classes are whole numbers"),
    "planes": (np.ones((2, 3, 9, 9), np.uint8), (), "in one plane"),
    "colours": (np.ones((3, 9, 9), np.uint8), (), "has 3 channels"),
    "number": (np.ones((9, 9), np.uint8), ("--classes", "1,300"), "give classes of 0 to 255"),
    "name": (np.ones((9, 9), np.uint8), ("--classes", "nuclei"), "which names none"),
    "background": (np.ones((9, 9), np.uint8), ("--classes", "0"), "0 is background"),
    "connectivity": (np.ones((9, 9), np.uint8), ("--connectivity", 5), "give 4 or 8"),
    "split": (np.ones((9, 9), np.uint8), ("--split", "--largest-px", 5), "is 9 x 9 px"),
    "size": (np.ones((9, 9), np.uint8), ("--min-px", 0), "give at least 1"),
    "window": (np.ones((9, 9), np.uint8), ("--window", -4), "give at least 1 px"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_sentence_and_no_output(shell, kind, tmp_path):
    image, options, expected = BAD[kind]
    axes = {3: "CYX", 2: "YX"}.get(image.ndim, "TZYX")
    path, out = tmp_path / "image.tif", tmp_path / "out.zarr"
    tifffile.imwrite(path, image, metadata={"axes": axes}, photometric="minisblack")
    code, printed, errors = shell("instances", path, out, *options)
    assert (code, printed) == (EXIT_BAD_INPUT, "")
    last = errors.splitlines()[-1]
    assert last.startswith("Error: ")
    assert expected in last
    assert "Traceback" not in errors
    assert not out.exists()
    assert not partial_path(out).exists()


def test_an_unknown_name_is_told_with_those_that_are_known(shell, stored, tmp_path):
    out = tmp_path / "out.zarr"
    code, _, errors = shell("instances", stored, out, "--classes", "cells")
    assert code == EXIT_BAD_INPUT
    assert "There is no class 'cells' in classes; it has 1 (nuclei), 2 (debris)." in errors
    assert shell("instances", stored, out, "--classes", "3")[0] == EXIT_BAD_INPUT


def test_an_output_that_is_there_is_left_alone(shell, stored, tmp_path):
    out = tmp_path / "out.zarr"
    assert shell("instances", stored, out)[0] == 0
    before = (out / "objects.csv").stat()
    code, _, errors = shell("instances", stored, out)
    assert code == EXIT_BAD_INPUT
    assert "exists already" in errors
    assert (out / "objects.csv").stat() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_instances_say_so_and_are_resumed(shell, stored, number, tmp_path):
    whole, out = tmp_path / "whole.zarr", tmp_path / "out.zarr"
    shell("instances", stored, whole, "--window", 8)
    command = [*SHELL, "instances", str(stored), str(out), "--window", "8", "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    state, deadline = RunState(partial_path(out)), time.monotonic() + 120
    while len(list(state.folder.glob("records/0/*.json"))) < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == EXIT_CANCELLED
    assert errors.splitlines()[-1].startswith("Error: Interrupted; what is done is kept")
    assert "Traceback" not in errors
    code, printed, _ = shell("resume", out)
    assert code == 0
    assert "4 instances" in printed
    assert (out / "objects.csv").read_bytes() == (whole / "objects.csv").read_bytes()
