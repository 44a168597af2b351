"""Shared by the tests of reading: comparison with the array read whole, and files left open."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from napari_superpixels.io import close_handles
from napari_superpixels.tiling import Box


def open_files_under(folder):
    links = Path("/proc/self/fd")
    if not links.exists():
        return []
    targets = []
    for link in list(links.iterdir()):
        try:
            targets.append(os.readlink(link))
        except OSError:  # the folder's own listing is closed by now
            continue
    return [target for target in targets if target.startswith(str(folder))]


@pytest.fixture(autouse=True)
def no_file_left_open(tmp_path):
    yield
    close_handles()
    assert open_files_under(tmp_path) == []


@pytest.fixture
def rng():
    return np.random.default_rng(20240229)


@pytest.fixture
def assert_reads(rng):
    """Compare random boxes, read through a pickled copy, with the planes (P, C, Y, X)."""

    def check(source, expected, boxes=6):
        assert source.axes.planes == expected.shape[0]
        assert source.channels == expected.shape[1]
        assert source.axes.plane_shape == expected.shape[2:]
        whole = Box.whole(source.axes.plane_shape)
        np.testing.assert_array_equal(source.read(0, whole).pixels, expected[0])
        copy = pickle.loads(pickle.dumps(source))
        for _ in range(boxes):
            plane = int(rng.integers(expected.shape[0]))
            starts = [int(rng.integers(n)) for n in expected.shape[2:]]
            stops = [int(rng.integers(s, n)) + 1 for s, n in zip(starts, expected.shape[2:])]
            box = Box.of(*zip(starts, stops))
            block = copy.read(plane, box)
            assert block.pixels.dtype == source.dtype
            np.testing.assert_array_equal(
                block.pixels, expected[(plane, slice(None), *box.slices)], err_msg=str(box)
            )

    return check
