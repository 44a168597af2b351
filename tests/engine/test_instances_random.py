"""Instances of maps from disk, however they are chunked and cut, are those of scikit-image."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label

import napari_superpixels as nsp
from napari_superpixels.engine.events import TileDone
from napari_superpixels.engine.records import partial_path
from napari_superpixels.errors import Cancelled, InputError, OutputError

SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 20))
EDGES = st.tuples(st.integers(4, 20), st.integers(4, 20))


def ranked(image, connectivity=4):
    """Objects by scikit-image, numbered here by their first pixels in raster order."""
    found = label(image, connectivity=connectivity // 4, background=0)
    numbers, firsts = np.unique(found, return_index=True)
    firsts = firsts[numbers > 0]
    table = np.zeros(found.max() + 1, np.int64)
    table[numbers[numbers > 0][np.argsort(firsts)]] = np.arange(1, len(firsts) + 1)
    return table[found]


def assert_ranked(result, image, connectivity=4):
    wanted = ranked(image, connectivity)
    np.testing.assert_array_equal(result.labels[...], wanted)
    assert result.count == wanted.max(initial=0)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**31),
    shape=SHAPES,
    chunks=EDGES,
    window=EDGES,
    top=st.sampled_from([1, 2, 65535]),
    connectivity=st.sampled_from([4, 8]),
)
def test_neither_chunks_nor_windows_show(
    tmp_path_factory, seed, shape, chunks, window, top, connectivity
):
    rng = np.random.default_rng(seed)
    image = rng.choice(np.array([0, 1, top], np.uint16), shape)
    folder = tmp_path_factory.mktemp("random")
    chunks = tuple(map(min, chunks, shape))
    zarr.create_array(folder / "classes.zarr", data=image, chunks=chunks)
    result = nsp.instances(
        folder / "classes.zarr", folder / "out.zarr", window=window, connectivity=connectivity
    )
    assert_ranked(result, image, connectivity)


@pytest.mark.parametrize("window", [5, (7, 40), 40])
def test_holes_are_objects_of_their_own_and_touching_classes_stay_apart(window, tmp_path):
    image = np.ones((31, 33), np.uint8)
    image[5:25, 5:25] = 2  # a hole in 1, filled
    image[10:20, 10:20] = 0  # a hole in 2, empty
    image[13:17, 13:17] = 1  # an island: of class 1, but touched by nothing of it
    result = nsp.instances(image, tmp_path / "out.zarr", window=window)
    assert result.labels[[0, 7, 12, 14], [0, 7, 12, 14]].tolist() == [1, 2, 0, 3]
    assert_ranked(result, image)


def test_classes_of_16_bits_come_back_whole(tmp_path):
    image = np.array([[1, 1, 0, 65535], [256, 0, 0, 65535], [257, 257, 1, 0]], np.uint16)
    result = nsp.instances(image, tmp_path / "out.zarr", window=2)
    kinds = [int(line.split(",")[1]) for line in result.table.read_text().splitlines()[1:]]
    assert kinds == [1, 65535, 256, 257, 1]
    one = nsp.instances(image, tmp_path / "one.zarr", window=2, classes=[65535])
    assert one.labels[...].tolist() == [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]


@pytest.mark.parametrize("split", [False, True])
def test_a_map_without_objects_is_written_too(split, tmp_path):
    result = nsp.instances(np.zeros((40, 50), np.uint8), tmp_path / "o", window=16, split=split)
    assert result.count == 0
    assert result.labels.shape == (40, 50)
    assert not result.labels[...].any()
    assert len(result.table.read_text().splitlines()) == 1


def test_one_object_over_all_tiles_is_counted_whole(tmp_path):
    image = np.ones((90, 100), np.uint8)
    result = nsp.instances(image, tmp_path / "out.zarr", window=20, min_px=image.size)
    assert result.report.tiles > 3 * 4 * 4
    assert result.table.read_text().splitlines()[1] == "1,1,,9000,0,0,90,100,44.50,49.50"


KILLED = """
import os, sys
import napari_superpixels as nsp
from napari_superpixels.engine.events import TileDone

def die(event):
    if isinstance(event, TileDone) and event.tile == sys.argv[3]:
        os._exit(9)  # no handler runs, nothing is tidied up

nsp.instances(sys.argv[1], sys.argv[2], window=20, workers=1, split=True, listener=die)
"""


@pytest.mark.parametrize("tile", ["0/4", "2/3", "4/2"])
def test_killed_and_resumed_is_what_was_never_stopped(tile, tmp_path):
    image, out = np.random.default_rng(1).integers(0, 3, (60, 70), np.uint8), tmp_path / "out.zarr"
    np.save(tmp_path / "classes.npy", image)
    whole = nsp.instances(tmp_path / "classes.npy", tmp_path / "whole.zarr", window=20, split=True)
    command = [sys.executable, "-c", KILLED, str(tmp_path / "classes.npy"), str(out), tile]
    assert subprocess.run(command, check=False).returncode == 9
    assert not out.exists()
    resumed = nsp.resume(out)
    assert 0 < resumed.report.computed < whole.report.computed
    for file in sorted(path for path in whole.path.rglob("*") if path.is_file()):
        same = out / file.relative_to(whole.path)
        assert file.name == "zarr.json" or same.read_bytes() == file.read_bytes(), file
    np.testing.assert_array_equal(resumed.labels[...], whole.labels[...])


def stopped(image, out):
    cancel = threading.Event()

    def at(event):
        if isinstance(event, TileDone) and event.tile == "0/3":
            cancel.set()

    with pytest.raises(Cancelled):
        nsp.instances(image, out, window=20, workers=1, listener=at, cancel=cancel)


@pytest.mark.parametrize("name", ["classes.npy", "classes.zarr"])
def test_a_map_that_changed_since_is_refused_and_nothing_is_lost(name, tmp_path):
    image, stored = np.ones((60, 70), np.uint8), tmp_path / name

    def write(pixels):
        if name.endswith("npy"):
            np.save(stored, pixels)
        else:
            zarr.create_array(stored, data=pixels, chunks=(20, 20), overwrite=True)
        for number, path in enumerate(sorted(stored.rglob("*")) or [stored]):
            os.utime(path, (number + pixels[0, 0], number + pixels[0, 0]))

    write(image)
    stopped(stored, tmp_path / "out.zarr")
    write(image * 2)
    with pytest.raises(OutputError, match="belongs to another plan") as refused:
        nsp.resume(tmp_path / "out.zarr")
    assert "\n" not in str(refused.value)
    assert "remove it and run anew" in str(refused.value)
    write(image)
    assert nsp.resume(tmp_path / "out.zarr").count == 1


def test_an_array_that_changed_since_is_refused(tmp_path):
    image = np.ones((60, 70), np.uint8)
    stopped(image, tmp_path / "out.zarr")
    image[40, 40] = 0
    with pytest.raises(OutputError, match="belongs to another plan"):
        nsp.instances(image, tmp_path / "out.zarr", window=20, resume=True)
    assert partial_path(tmp_path / "out.zarr").is_dir()


def test_planes_of_a_stack_go_one_by_one_as_the_sentence_says(tmp_path):
    stack = np.random.default_rng(2).integers(0, 2, (3, 20, 30), np.uint8)
    with pytest.raises(InputError, match=r"3 planes .* one plane at a time, such as array\[0\]"):
        nsp.instances(nsp.open(stack, axes="zyx"), tmp_path / "out.zarr")
    for number, plane in enumerate(stack):
        assert_ranked(nsp.instances(plane, tmp_path / f"{number}.zarr", window=8), plane)
